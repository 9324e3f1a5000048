"""A whole sandbox: nodes, callers, codes and clock, from an empty folder to the credentials file and back."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from govcode.code.v1 import service_code_pb2 as codev1
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode_client import Sm2PrivateKey

from govcode_node.sandbox.callers import NodeCallers, register_matter_codes, register_parties
from govcode_node.sandbox.clock import HomeClock, SandboxClock
from govcode_node.sandbox.control import ClockServer
from govcode_node.sandbox.credentials import Made, credentials_of
from govcode_node.sandbox.holders import (
    CodeMaker,
    OpenedHolder,
    ask_for_licences,
    make_matter_code,
    open_holder,
    open_holders,
    open_virtual_holders,
    place_codes,
)
from govcode_node.sandbox.licences import MATTERS
from govcode_node.sandbox.magic import Magic
from govcode_node.sandbox.nodes import SandboxError, SandboxNodes
from govcode_node.sandbox.plan import AWAY, HOME, HUB, MEMBERS, PEER, SUBJECTS, SUSPENDED
from govcode_node.sandbox.refusals import Ready
from govcode_node.sandbox.virtual_holder import VirtualHolders

_OTHERS: Final = {PEER: "peer", AWAY: "away", SUSPENDED: "suspended_issuer"}
"""The nodes besides the home node, with the names of the codes that are made there."""
_SETTLED_AGE: Final = 30.0
"""Seconds of age at which a trust bundle counts as fresh again after the clock has moved."""
_OPENING_TIME: Final = -timedelta(hours=2)
"""What is registered is in force for some time already, since there are codes and scans of an hour ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A sandbox that serves.

    Attributes:
        target: `host:port` of the home node.
        credentials: What stands in the credentials file.
    """

    target: str
    credentials: dict[str, Any] = field(repr=False)


@asynccontextmanager
async def open_sandbox(folder: Path, *, port: int = 0, say: Callable[[str], None]) -> AsyncIterator[Sandbox]:
    """It brings a sandbox up and takes it down at the end of the block.

    Args:
        folder: An empty folder of its own.
        port: Port of the home node; 0 for a free one.
        say: Takes lines about the progress.

    Raises:
        OSError: The port is taken.
        SandboxError: The nodes do not come together.
        ClientError: A node refuses what the sandbox is made of.
    """
    clock, magic = SandboxClock(), Magic()
    home_clock = HomeClock(clock)
    nodes = SandboxNodes(folder, clock=clock, around=magic.around())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(nodes.stop)
        builder = _Builder(nodes=nodes, clock=clock, home_clock=home_clock, magic=magic, stack=stack)
        await builder.start_home(port, say)
        say("opening accounts, placing codes")
        made = await asyncio.to_thread(builder.fill_home)
        await builder.start_others(say)
        made.ready.texts.update(await asyncio.to_thread(builder.fill_others, made))
        await builder.let_nodes_go()
        await builder.wake_virtual_holders(made.virtual)
        made = await asyncio.to_thread(builder.fill_authorizations, made)
        control = await builder.open_clock()
        credentials = await asyncio.to_thread(credentials_of, nodes, made, control)
        yield Sandbox(target=nodes.address(HOME), credentials=credentials)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Builder:
    """It builds one sandbox; what is to be closed goes onto its stack."""

    nodes: SandboxNodes
    clock: SandboxClock
    home_clock: HomeClock
    magic: Magic
    stack: AsyncExitStack

    async def start_home(self, port: int, say: Callable[[str], None]) -> None:
        """It starts the hub and the home node, which does not know any other yet."""
        await asyncio.to_thread(self.nodes.prepare, HUB, *MEMBERS)
        say("starting the hub and the home node")
        await self.nodes.start(HUB)
        await self.nodes.start(HOME, port=port, clock=self.home_clock)

    def fill_home(self) -> Made:
        """It registers the parties of the home node and makes accounts and codes there."""
        now = self.home_clock.now
        keys = {node_id: Sm2PrivateKey.generate() for node_id in MEMBERS}
        home = self._callers(HOME)
        with self.home_clock.aside(_OPENING_TIME):
            register_parties(home.business, HOME, encryption_key=keys[HOME].public_key.to_point())
        holders = open_holders(home.holder_app, now=now)
        virtual = open_virtual_holders(home.virtual_app, now=now)
        codes = place_codes(CodeMaker(home, holders["stock"]), self.home_clock)
        texts = codes.texts | {"company": CodeMaker(home, holders["company"]).static().code_text}
        for subject_key, holder in virtual.items():
            texts[subject_key] = CodeMaker(home, holder, client=home.virtual_app).static().code_text
        for name, account_id in register_matter_codes(home.business).items():
            texts[name] = make_matter_code(home.business, account_id)
        ready = Ready(
            texts=texts,
            tokens={key: holder.session.token for key, holder in holders.items()},
            accounts={key: holder.session.account_id for key, holder in holders.items()},
            revoked_code_id=codes.revoked_code_id,
            old_scan_id=codes.old_scan_id,
        )
        return Made(ready=ready, holders=holders, virtual=virtual, encryption_keys=keys)

    async def start_others(self, say: Callable[[str], None]) -> None:
        """It starts the other nodes and lets the hub admit all of them."""
        say(f"starting {len(_OTHERS)} other nodes")
        for node_id in _OTHERS:
            await self.nodes.start(node_id)
        await self.nodes.admit(self._callers(HUB).security, *MEMBERS)

    def fill_others(self, made: Made) -> dict[str, str]:
        """It registers the parties of the other nodes and makes codes there, by name."""
        texts: dict[str, str] = {}
        for node_id, name in _OTHERS.items():
            callers = self._callers(node_id)
            point = made.encryption_keys[node_id].public_key.to_point()
            register_parties(callers.business, node_id, encryption_key=point)
            maker = CodeMaker(callers, open_holder(callers.holder_app, SUBJECTS[0], now=self.clock.now))
            texts[name] = maker.static().code_text
            texts[f"{name}_signed"] = maker.static(profile=codev1.CODE_PROFILE_SIGNED).code_text
        return texts

    async def let_nodes_go(self) -> None:
        """It suspends one node and lets another fall silent, once the others hold its revocation list."""
        hub = self._callers(HUB)
        request = hubv1.SuspendNodeRequest(node_id=SUSPENDED, reason="沙箱")
        answer = await asyncio.to_thread(hub.security.hub.SuspendNode, request)
        await self.nodes.stop(SUSPENDED)
        await self.nodes.spread(answer.bundle_version)
        await self.nodes.until(
            lambda: all(self.nodes.apps[node].trust.revocation_list(AWAY) is not None for node in (HOME, PEER)),
            otherwise="the revocation lists were not exchanged",
        )
        self.magic.away.add(AWAY)

    async def wake_virtual_holders(self, holders: dict[str, OpenedHolder]) -> None:
        client = self._callers(HOME).virtual_app_async()
        self.stack.push_async_callback(client.close)
        virtual = VirtualHolders(client, holders)
        virtual.start()
        self.stack.push_async_callback(virtual.stop)

    def fill_authorizations(self, made: Made) -> Made:
        """It lets the counter ask two of those who answer by themselves."""
        home = self._callers(HOME)
        texts, matter = made.ready.texts, MATTERS[0]
        ready = replace(
            made.ready,
            picked=ask_for_licences(home, texts["picker"], matter),
            denied=ask_for_licences(home, texts["denier"], matter),
        )
        return replace(made, ready=ready)

    async def open_clock(self) -> dict[str, Any]:
        """It lets the clock be moved from outside and gives what a caller must know for that."""
        loop = asyncio.get_running_loop()

        def moved() -> None:
            asyncio.run_coroutine_threadsafe(self._settle(), loop).result(timeout=60)

        token = secrets.token_urlsafe(24)
        server = await asyncio.to_thread(ClockServer, self.clock, token=token, moved=moved)
        self.stack.push_async_callback(asyncio.to_thread, server.close)
        return {"url": server.url, "token": token}

    async def _settle(self) -> None:
        """It lets the nodes follow a clock that has moved: a fresh bundle, fresh lists."""
        apps = self.nodes.apps
        for app in apps.values():
            app.loops.wake()

        def fresh() -> bool:
            ages = [app.trust.age() for app in apps.values()]
            return all(age is not None and age.total_seconds() < _SETTLED_AGE for age in ages)

        with contextlib.suppress(SandboxError):
            await self.nodes.until(fresh, otherwise="the nodes do not follow the clock")

    def _callers(self, node_id: str) -> NodeCallers:
        callers = NodeCallers(self.nodes, node_id)
        self.stack.callback(callers.close)
        return callers
