"""A stream that goes on: where it breaks, it is opened again from the last cursor."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, TypeVar

from govcode_client._errors import NodeBusyError, NodeError, NodeFaultError, NodeSilentError, NodeUnreachableError

A = TypeVar("A")

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 10.0


async def resumed(
    listen: Callable[[str], AsyncGenerator[A, None]],
    cursor_of: Callable[[A], str],
    *,
    start: str,
    pause: Callable[[float], Awaitable[None]],
) -> AsyncGenerator[A, None]:
    """It yields what comes, over as many streams as that takes.

    Args:
        listen: Opens a stream at a cursor.
        cursor_of: Gives the cursor after an answer; empty where it has none.
        start: The first cursor.
        pause: Waits so many seconds.

    Raises:
        ClientError: What does not pass by itself, or the very first stream gave nothing.
    """
    cursor, failures, heard = start, 0, False
    while True:
        delay = 0.0
        stream = listen(cursor)
        try:
            async for answer in stream:
                failures, heard = 0, True
                cursor = cursor_of(answer) or cursor
                yield answer
        except (NodeUnreachableError, NodeSilentError, NodeError) as error:
            # Whom nobody has ever answered wants to hear of it: the address may be wrong.
            if not heard or not _passes(error):
                raise
            busy = error.retry_after if isinstance(error, NodeError) else None
            delay = busy.total_seconds() if busy is not None else 0.0
        finally:
            await stream.aclose()
        failures += 1
        # A node that stops has many listeners, who must not all come back in the same moment.
        own = min(_FIRST_PAUSE * 2 ** (failures - 1), _LONGEST_PAUSE) * random.uniform(0.5, 1.5)  # noqa: S311
        await pause(max(delay, own))


def _passes(error: Exception) -> bool:
    """It tells whether the trouble may be over after a while."""
    if isinstance(error, NodeBusyError):
        return error.reason != "STREAM_LIMIT_REACHED"
    return not isinstance(error, NodeError) or isinstance(error, NodeFaultError)
