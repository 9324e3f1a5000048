"""One of the two clients, driven without saying which, so that each claim is made once and shown twice."""

import asyncio
import contextlib
import itertools
from typing import Any

from govcode_client import AsyncClient, Client


class Twin:
    """One of the two clients, driven without saying which."""

    def __init__(self, client: Client | AsyncClient, runner: asyncio.Runner) -> None:
        self.client = client
        self._runner = runner

    def do(self, act: str, **arguments: Any) -> Any:
        """It does an act, such as `codes.scan`, and gives the answer."""
        area, name = act.split(".")
        answer = getattr(getattr(self.client, area), name)(**arguments)
        return answer if isinstance(self.client, Client) else self._runner.run(answer)

    def each(self, act: str, *, first: int | None = None, **arguments: Any) -> list[Any]:
        """It goes through what an act yields, as far as wanted."""
        area, name = act.split(".")
        items = getattr(getattr(self.client, area), name)(**arguments)
        if isinstance(self.client, Client):
            with contextlib.closing(items):
                return list(itertools.islice(items, first))
        return self._runner.run(_some(items, first))

    def close(self) -> None:
        """It closes the client."""
        if isinstance(self.client, Client):
            self.client.close()
        else:
            self._runner.run(self.client.close())


async def _some(items: Any, first: int | None) -> list[Any]:
    found: list[Any] = []
    async with contextlib.aclosing(items):
        async for item in items:
            found.append(item)
            if len(found) == first:
                break
    return found
