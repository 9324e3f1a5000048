"""Holders that answer authorization requests by themselves: each of them in one way, every time.

They have a back end of their own, so that their events reach nobody else, and act as any back end does: they read the
page, look where the licences are, check their identity again where an item is sensitive, and sign with their device.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from govcode.authorization.v1 import authorization_pb2
from govcode_client import AsyncClient, ClientError

from govcode_node.providers.identity.local_kit import device_kit_blob
from govcode_node.sandbox.holders import OpenedHolder

SLOW_SECONDS: Final = 5.0
"""How long the slow holder thinks."""

_log = logging.getLogger(__name__)


class VirtualHolders:
    """It answers for holders until it is stopped.

    Args:
        client: Their back end's.
        holders: The holders.
    """

    def __init__(self, client: AsyncClient, holders: Mapping[str, OpenedHolder]) -> None:
        """It answers nobody yet."""
        self._client = client
        self._holders = {holder.session.account_id: holder for holder in holders.values()}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """It listens from now on."""
        self._spawn(self._listen())

    async def stop(self) -> None:
        """It listens no more, and drops what it was about to answer."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        async for event in self._client.codes.watch_events():
            holder = self._holders.get(event.account_id)
            if holder is not None and event.HasField("authorization_requested"):
                self._spawn(self._answer(holder, event.authorization_requested.authorization_id))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, holder: OpenedHolder, authorization_id: str) -> None:
        choose = _ANSWERS.get(holder.subject.answers)
        if choose is None:
            return
        if holder.subject.answers == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        try:
            await self._decide(holder, authorization_id, choose)
        except ClientError as error:
            # Another answer came first, or the time was over: a holder would see the same words on the screen.
            _log.error("a virtual holder could not decide", extra={"holder": holder.subject.key, "why": str(error)})

    async def _decide(
        self, holder: OpenedHolder, authorization_id: str, choose: Callable[[list[int]], list[int]]
    ) -> None:
        desk, session = self._client.authorizations, holder.session
        read = await desk.get(authorization_id=authorization_id, session_token=session.token)
        items = {item.item_no: item for item in read.authorization.items}
        granted = choose(sorted(items))
        places = await self._places(holder, authorization_id) if granted else {}
        sensitive = [number for number in granted if items[number].sensitive]
        check = await self._step_up(holder, read.authorization, granted) if sensitive else ("", b"", b"")
        proof = session.device.prove_decide(
            session_token=session.token,
            authorization_id=authorization_id,
            page=read.page,
            granted=granted,
            refused=[number for number in items if number not in granted],
            confirmed=sensitive,
            places=places,
            step_up_digest=check[2],
        )
        await desk.decide(session_token=session.token, proof=proof, identification_id=check[0], provider_blob=check[1])

    async def _places(self, holder: OpenedHolder, authorization_id: str) -> dict[int, str]:
        found = await self._client.authorizations.locate_licenses(
            session_token=holder.session.token, authorization_id=authorization_id
        )
        return {place.item_no: place.license_node_id for place in reversed(found)}

    async def _step_up(
        self, holder: OpenedHolder, authorization: authorization_pb2.Authorization, granted: list[int]
    ) -> tuple[str, bytes, bytes]:
        begun = await self._client.authorizations.begin_step_up(
            session_token=holder.session.token, authorization_id=authorization.authorization_id, item_nos=granted
        )
        blob = device_kit_blob(
            identification_id=begun.identification_id,
            id_number=holder.subject.id_number,
            secret=holder.subject.secret,
            uscc=holder.subject.uscc,
        )
        return begun.identification_id, blob, begun.step_up_digest


_ANSWERS: Final[Mapping[str, Callable[[list[int]], list[int]]]] = {
    "approve": lambda items: items,
    "slow": lambda items: items,
    "one": lambda items: items[:1],
    "deny": lambda _: [],
}
"""Which items each kind of holder grants; the one that ignores is not here."""
