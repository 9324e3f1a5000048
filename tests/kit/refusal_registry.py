"""The register of refusals: for each method and each reason that the contract promises for it, a call that gets it."""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

from govcode_node.config import Config
from govcode_node.config_values import parse_rate
from govcode_node.domain.errors import StoreUnavailableError
from govcode_node.domain.keys import KeyPurpose, KeyUnavailableError
from grpc import aio
from kit.federation import Changes
from kit.good_calls import GOOD, Attempt, World
from kit.nodes import RunningNode
from kit.serving import call_of, method_descriptors

Make = Callable[[World], Awaitable[Attempt]]
Change = Callable[[World, Attempt], Awaitable[None]]
CASES: Final[dict[tuple[str, str], Make]] = {}
MAX_STREAMS: Final = 16


def with_people(file: Path) -> Changes:
    """Many synthetic people, and devices that may read twice an hour."""

    def change(config: Config) -> Config:
        limits = dataclasses.replace(config.limits, per_device=parse_rate("2/1h"))
        identity = dataclasses.replace(config.identity, people_file=file)
        authorizations = dataclasses.replace(config.authorizations, statutory_matters=("M-2",))
        return dataclasses.replace(config, limits=limits, identity=identity, authorizations=authorizations)

    return change


def case(method: str, reason: str) -> Callable[[Make], Make]:
    """It enters a case that is made by hand."""

    def enter(make: Make) -> Make:
        assert (method, reason) not in CASES
        CASES[method, reason] = make
        return make

    return enter


def varied(reason: str, methods: Iterable[str], change: Change) -> None:
    """It enters cases that change a good call all in the same way."""

    def made(method: str) -> Make:
        async def make(w: World) -> Attempt:
            attempt = await GOOD[method](w)
            await change(w, attempt)
            return attempt

        return make

    for method in methods:
        case(method, reason)(made(method))


def setting(**fields: Any) -> Change:
    """A change that sets fields of the request."""

    async def change(w: World, attempt: Attempt) -> None:
        for name, value in fields.items():
            setattr(attempt.request, name, value)

    return change


def each(service: str, *names: str) -> list[str]:
    """Methods of one service."""
    return [service + name for name in names]


@asynccontextmanager
async def patched(target: Any, **attributes: Any) -> AsyncIterator[None]:
    """Attributes of an object are others for the length of a block."""
    with mock.patch.multiple(target, **attributes):
        yield


def without_store(node: RunningNode) -> Any:
    """The node's store does not answer."""

    async def fail(_: Any) -> Any:
        raise StoreUnavailableError("the disk is gone")

    return patched(node.app.database, run=fail, read=fail)


def without_keys(node: RunningNode) -> Any:
    """No key of the node is active, as when its device is gone."""

    def fail(purpose: KeyPurpose) -> Any:
        raise KeyUnavailableError(purpose, "the device is gone")

    return patched(node.app.ground.keyring, _actives=fail, _newest=fail)


@asynccontextmanager
async def crowded(channel: aio.Channel, method: str, request: Any) -> AsyncIterator[None]:
    """The caller tries to hold as many streams as one caller may, beside those that it may hold already."""
    many = method_descriptors()[method].client_streaming
    async with AsyncExitStack() as stack:
        for _ in range(MAX_STREAMS):
            open_stream = call_of(channel, method)
            stream = open_stream(timeout=60) if many else open_stream(request, timeout=60)
            stack.callback(stream.cancel)
            # Comes once the stream is admitted, or refused.
            await stream.initial_metadata()
        yield
