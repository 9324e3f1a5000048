"""A whole sandbox: nodes, callers, codes and clock, from an empty folder to the credentials file and back."""

import asyncio
import contextlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from govcode.code.v1 import service_code_pb2 as codev1
from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode_client import Sm2PrivateKey

from govcode_node.domain.identities import FEDERATION_TRUST_DOMAIN, CallerClass
from govcode_node.sandbox.callers import CallerCertificate, NodeCallers, issue_caller, register_parties
from govcode_node.sandbox.catalogue import magic_of
from govcode_node.sandbox.clock import SandboxClock
from govcode_node.sandbox.control import ClockServer
from govcode_node.sandbox.holders import CodeMaker, OpenedHolder, open_holder, open_holders, place_codes
from govcode_node.sandbox.magic import Magic
from govcode_node.sandbox.nodes import SandboxError, SandboxNodes
from govcode_node.sandbox.plan import (
    AWAY,
    CLINIC_APP,
    COUNTER_APP,
    HOLDER_APP,
    HOME,
    HUB,
    LICENCE_SYSTEM,
    MEMBERS,
    PEER,
    SCANNER,
    SCENES,
    SUBJECTS,
    SUSPENDED,
    SUSPENDED_APP,
    TERMS_VERSION,
    UNKNOWN_APP,
    people_file_text,
)
from govcode_node.sandbox.refusals import Ready

FORMAT_VERSION: Final = 1

_CALLERS: Final = {
    "holder_app": (CallerClass.APP, HOLDER_APP),
    "counter_app": (CallerClass.APP, COUNTER_APP),
    "clinic_app": (CallerClass.APP, CLINIC_APP),
    "suspended_app": (CallerClass.APP, SUSPENDED_APP),
    "unknown_app": (CallerClass.APP, UNKNOWN_APP),
    "licence_system": (CallerClass.LICENCE, LICENCE_SYSTEM),
    "scanner": (CallerClass.SCANNER, SCANNER),
    "operator": (CallerClass.OPERATOR, "business"),
    "security_operator": (CallerClass.OPERATOR, "security"),
    "audit_operator": (CallerClass.OPERATOR, "audit"),
    "unknown_operator": (CallerClass.OPERATOR, "nobody"),
}
_FALSE_CALLERS: Final[dict[str, list[str]]] = {
    "no_identity": [],
    "false_node": [f"spiffe://{FEDERATION_TRUST_DOMAIN}/node/{PEER}"],
}
"""Certificates of the region's authority that pass the handshake and prove nothing."""
_SETTLED_AGE: Final = 30.0
"""Seconds of age at which a trust bundle counts as fresh again after the clock has moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A sandbox that serves.

    Attributes:
        target: `host:port` of the home node.
        credentials: What stands in the credentials file.
    """

    target: str
    credentials: dict[str, Any]


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
    people = folder / "subjects.toml"
    people.write_text(people_file_text(), encoding="utf-8")
    clock, magic = SandboxClock(), Magic()
    nodes = SandboxNodes(folder, clock=clock, people=people, around=magic.around())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(nodes.stop)
        builder = _Builder(nodes=nodes, clock=clock, magic=magic, stack=stack)
        await builder.start_nodes(port, say)
        say("registering, opening accounts, placing codes")
        ready, holders = await builder.fill()
        await builder.close_down()
        loop = asyncio.get_running_loop()

        def moved() -> None:
            asyncio.run_coroutine_threadsafe(builder.settle(), loop).result(timeout=20)

        token = secrets.token_urlsafe(24)
        server = await asyncio.to_thread(ClockServer, clock, token=token, moved=moved)
        stack.push_async_callback(asyncio.to_thread, server.close)
        control = {"url": server.url, "token": token}
        yield Sandbox(
            target=nodes.address(HOME),
            credentials=await asyncio.to_thread(builder.credentials, ready, holders, control),
        )


def write_credentials(path: Path, credentials: dict[str, Any]) -> None:
    """It writes the credentials file, whole and for its owner's eyes alone: there are keys in it."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(credentials, file, ensure_ascii=False, indent=1)
            file.write("\n")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Builder:
    nodes: SandboxNodes
    clock: SandboxClock
    magic: Magic
    stack: AsyncExitStack

    async def start_nodes(self, port: int, say: Callable[[str], None]) -> None:
        self.nodes.prepare(HUB, *MEMBERS)
        for node_id in (HUB, *MEMBERS):
            say(f"starting node {node_id}")
            await self.nodes.start(node_id, port=port if node_id == HOME else 0)
        hub = self._callers(HUB)
        await self.nodes.admit(hub.security, *MEMBERS)

    async def fill(self) -> tuple[Ready, dict[str, OpenedHolder]]:
        """It registers the parties everywhere and makes accounts and codes."""
        return await asyncio.to_thread(self._fill)

    def _fill(self) -> tuple[Ready, dict[str, OpenedHolder]]:
        now = self.clock.now
        # In force for some time, since codes are made below of an hour ago.
        with self.clock.aside(-timedelta(hours=2)):
            for node_id in MEMBERS:
                register_parties(self._callers(node_id).business, node_id)
        home = self._callers(HOME)
        holders = open_holders(home.holder_app, now=now)
        codes = place_codes(CodeMaker(home, holders["stock"]), self.clock)
        placed = codes.texts
        placed["company"] = CodeMaker(home, holders["company"]).static().code_text
        for node_id, name in ((PEER, "peer_valid"), (AWAY, "away"), (SUSPENDED, "suspended_issuer")):
            callers = self._callers(node_id)
            maker = CodeMaker(callers, open_holder(callers.holder_app, SUBJECTS[0], now=now))
            placed[name] = maker.static().code_text
            if node_id != SUSPENDED:
                placed[f"{name.removesuffix('_valid')}_signed"] = maker.static(
                    profile=codev1.CODE_PROFILE_SIGNED
                ).code_text
        ready = Ready(
            texts=placed,
            tokens={key: holder.session.token for key, holder in holders.items()},
            accounts={key: holder.session.account_id for key, holder in holders.items()},
            revoked_code_id=codes.revoked_code_id,
            old_scan_id=codes.old_scan_id,
        )
        return ready, holders

    async def close_down(self) -> None:
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

    async def settle(self) -> None:
        """It lets the nodes follow a clock that has moved: a fresh bundle, fresh lists."""
        apps = self.nodes.apps
        for app in apps.values():
            app.loops.wake()

        def fresh() -> bool:
            ages = [app.trust.age() for app in apps.values()]
            return all(age is not None and age.total_seconds() < _SETTLED_AGE for age in ages)

        with contextlib.suppress(SandboxError):
            await self.nodes.until(fresh, otherwise="the nodes do not follow the clock")

    def credentials(self, ready: Ready, holders: dict[str, OpenedHolder], control: dict[str, Any]) -> dict[str, Any]:
        callers = self._certificates(HOME)
        entries = {key: holder.entry() for key, holder in holders.items()}
        return {
            "format": FORMAT_VERSION,
            **self._node(HOME),
            "roots_pem": self.nodes.pki.roots_path.read_text(encoding="ascii"),
            "peer": self._node(PEER) | self._peer_apps(),
            "hub": self._hub(),
            **{key: callers[key] for key in ("holder_app", "counter_app", "licence_system", "operator")},
            "callers": callers,
            "device_ids": {"scanner": SCANNER},
            "scenes": {scene.key: scene.scene_no for scene in SCENES},
            "subjects": [
                {
                    "key": subject.key,
                    "name": subject.name,
                    "id_number": subject.id_number,
                    "secret": subject.secret,
                    "subject_kind": subject.kind,
                    "uscc": subject.uscc or "",
                    "does": subject.does,
                }
                for subject in SUBJECTS
            ],
            "holders": entries,
            "terms_version": TERMS_VERSION,
            "placed_codes": dict(ready.texts),
            "matters": {},
            "magic": magic_of(ready),
            "clock": control,
        }

    def _node(self, node_id: str) -> dict[str, Any]:
        return {
            "target": self.nodes.address(node_id),
            "server_name": self.nodes.server_name(node_id),
            "node_id": node_id,
        }

    def _hub(self) -> dict[str, Any]:
        entry = self._node(HUB) | {"public_key_hex": self.nodes.signing_key(HUB)[1].hex()}
        for key in ("security_operator", "audit_operator"):
            entry[key] = self._certificate(*_CALLERS[key], HUB).entry()
        return entry

    def _certificates(self, region: str) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for key, (caller_class, name) in _CALLERS.items():
            certificate = self._certificate(caller_class, name, region)
            entries[key] = certificate.entry("app_id" if caller_class is CallerClass.APP else "name")
        for key, uris in _FALSE_CALLERS.items():
            issued = self.nodes.pki.authority(region).issue(uris, now=datetime.now(UTC), server=False)
            entries[key] = CallerCertificate(
                name=key, certificate_pem=issued.certificate_pem.decode(), private_key_pem=issued.key_pem.decode()
            ).entry()
        entries["counter_app"]["encryption_private_key_hex"] = Sm2PrivateKey.generate().to_scalar().hex()
        return entries

    def _peer_apps(self) -> dict[str, Any]:
        return {
            key: self._certificate(CallerClass.APP, name, PEER).entry("app_id")
            for key, name in (("holder_app", HOLDER_APP), ("counter_app", COUNTER_APP))
        }

    def _certificate(self, caller_class: CallerClass, name: str, region: str) -> CallerCertificate:
        return issue_caller(self.nodes.pki, caller_class, name, region=region)

    def _callers(self, node_id: str) -> NodeCallers:
        callers = NodeCallers(self.nodes, node_id)
        self.stack.callback(callers.close)
        return callers
