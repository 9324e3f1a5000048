"""The sandbox's nodes: files, certificates and keys, started one after another in this process, admitted by its hub."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from govcode.hub.v1 import hub_service_pb2 as pb
from govcode_client import Client, NodeError

from govcode_node.app import App
from govcode_node.around import Around
from govcode_node.commands.pki import make_keystore
from govcode_node.config import load_config
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.identities import FEDERATION_TRUST_DOMAIN, CallerClass, Identity
from govcode_node.domain.nodes import NodeKeyPurpose
from govcode_node.home import prefixes_of
from govcode_node.pki import DevelopmentPki
from govcode_node.ports.clock import Clock
from govcode_node.sandbox.clock import SandboxClock
from govcode_node.sandbox.licences import licences_file_text
from govcode_node.sandbox.plan import HOME, HUB, NAMES, PEER, people_file_text
from govcode_node.storage.schema import migrate

_SPREAD_LIMIT: Final = 30.0
"""Seconds until every node has registered, or holds a trust bundle."""

_TEMPLATE: Final = """\
[node]
node_id = "{node_id}"
region_code = "{node_id}"
name = {{ zh = "{zh}", en = "{en}" }}
[hub]
enabled = {is_hub}
republish_interval = "10s"
[server]
listen = "127.0.0.1:{port}"
certificate = "{certificate}.pem"
key = "{certificate}.key"
roots = "{certificates}/roots.pem"
federation_ca = "{certificates}/federation/ca.pem"
region_cas = {{ "{node_id}" = "{certificates}/regions/{node_id}/ca.pem" }}
reflection = true
drain_timeout = "1s"
[storage]
url = "sqlite:///{folder}/store.db"
[keys]
directory = "keys"
kek_file = "kek"
[trust]
{hub}
bundle_file = "trust-bundle.bin"
poll_interval = "1s"
[federation]
forward_timeout = "1s"
[reporting]
interval = "1s"
[codes]
test_environment = true
[identity]
people_file = "{people}"
[licences]
{licences}
[operators]
business = ["business"]
security = ["security"]
audit = ["audit"]
[disclosure]
COUNTER = ["name", "entity_name"]
[sessions]
lifetime = "30d"
[limits]
per_subject = "2000/1m"
per_operator = "2000/1s"
[telemetry]
metrics = false
"""


class SandboxError(GovcodeError):
    """The sandbox did not come up; the message says how far it came."""


class SandboxNodes:
    """Nodes of a sandbox by id, the hub among them.

    Attributes:
        folder: Their files.
        pki: Their certificates and those of their callers.
        apps: Those that run.
    """

    def __init__(self, folder: Path, *, clock: SandboxClock, around: Around) -> None:
        """It starts nothing yet.

        Args:
            folder: For the nodes' files.
            clock: Their time.
            around: What is put around the parts of every node.
        """
        self.folder = folder
        # Certificates that began yesterday hold for codes of an hour ago too.
        self.pki = DevelopmentPki(folder / "certs", now=lambda: datetime.now(UTC) - timedelta(days=1))
        self.apps: dict[str, App] = {}
        self._clock = clock
        self._people = folder / "subjects.toml"
        self._licences = folder / "licences.toml"
        self._around = around

    def address(self, node_id: str) -> str:
        """It gives the address of a running node."""
        return self.apps[node_id].address

    @staticmethod
    def server_name(node_id: str) -> str:
        """It gives the name that stands in a node's certificate."""
        role = CallerClass.HUB if node_id == HUB else CallerClass.NODE
        return Identity(FEDERATION_TRUST_DOMAIN, role, node_id).server_name

    def prepare(self, *node_ids: str) -> None:
        """It writes what all nodes share, and makes their certificates: the first of them reads the whole root pool."""
        self._people.write_text(people_file_text(), encoding="utf-8")
        self._licences.write_text(licences_file_text(), encoding="utf-8")
        for node_id in node_ids:
            self.pki.issue(CallerClass.HUB if node_id == HUB else CallerClass.NODE, node_id)
            self.pki.authority(node_id)

    async def start(self, node_id: str, *, port: int = 0, clock: Clock | None = None) -> None:
        """It starts a node; the hub first.

        Args:
            node_id: The node.
            port: Its port; a free one where 0.
            clock: A clock of its own; the one of all where None.

        Raises:
            OSError: The port is taken.
        """
        # Alembic works in one thread of a process at a time, so nodes are made one after another.
        config_file = await asyncio.to_thread(self._write, node_id, port)
        self.apps[node_id] = await App.start(load_config(config_file), clock=clock or self._clock, around=self._around)

    async def stop(self, *node_ids: str) -> None:
        """It stops nodes, or all of them, the hub last."""
        wanted = node_ids or tuple(sorted(self.apps, reverse=True))
        for node_id in wanted:
            await self.apps.pop(node_id).stop()

    async def admit(self, security: Client, *node_ids: str) -> None:
        """It does what the hub's security operator does, and waits until everybody knows everybody.

        Raises:
            SandboxError: They do not come together in time.
        """
        version = 0
        for node_id in node_ids:
            request = pb.ApproveNodeRequest(
                node_id=node_id,
                signing_key_id=self.signing_key(node_id)[0],
                prefixes=prefixes_of(self.apps[node_id].node.region_code),
            )
            limit = time.monotonic() + _SPREAD_LIMIT
            while True:
                try:
                    answer = await asyncio.to_thread(security.hub.ApproveNode, request)
                    break
                except NodeError as error:
                    if error.reason != "NODE_UNKNOWN" or time.monotonic() > limit:
                        raise
                    await asyncio.sleep(0.05)
            version = answer.bundle_version
        await self.spread(version)

    async def spread(self, version: int) -> None:
        """It waits until all running nodes hold that trust bundle or a newer one.

        Raises:
            SandboxError: They do not get it in time.
        """
        await self.until(
            lambda: all(_held_version(app) >= version for app in self.apps.values()),
            otherwise=f"not every node has trust bundle {version}",
        )

    async def until(self, reached: Callable[[], bool], *, otherwise: str) -> None:
        """It waits for something to be so.

        Raises:
            SandboxError: It is not so in time.
        """
        limit = time.monotonic() + _SPREAD_LIMIT
        while not reached():
            if time.monotonic() > limit:
                raise SandboxError(f"{otherwise} after {_SPREAD_LIMIT:.0f} s")
            await asyncio.sleep(0.02)

    def signing_key(self, node_id: str) -> tuple[str, bytes]:
        """It gives id and public point of the key with which a node signs."""
        keys = self.apps[node_id].node.keys
        return next((key.key_id, key.public_key) for key in keys if key.purpose is NodeKeyPurpose.SIGN)

    def _write(self, node_id: str, port: int) -> Path:
        """It writes a node's files and makes its keys and its store."""
        folder = self.folder / node_id
        folder.mkdir(mode=0o700)
        zh, en = NAMES[node_id]
        role = "hub" if node_id == HUB else "node"
        values: Mapping[str, object] = {
            "node_id": node_id,
            "zh": zh,
            "en": en,
            "is_hub": str(node_id == HUB).lower(),
            "port": port,
            "certificates": self.pki.directory,
            "certificate": self.pki.directory / "federation" / f"{role}-{node_id}",
            "folder": folder,
            "hub": "" if node_id == HUB else self._hub_lines(),
            "people": self._people,
            "licences": self._licence_lines() if node_id in (HOME, PEER) else "",
        }
        path = folder / "node.toml"
        path.write_text(_TEMPLATE.format_map(values), encoding="utf-8")
        config = load_config(path)
        make_keystore(config)
        migrate(config.storage.url.text)
        return path

    def _licence_lines(self) -> str:
        return f'folder = "licences"\nsynthetic_file = "{self._licences}"'

    def _hub_lines(self) -> str:
        point = self.signing_key(HUB)[1]
        return f'hub_endpoints = ["{self.address(HUB)}"]\nhub_public_keys = ["{point.hex()}"]'


def _held_version(app: App) -> int:
    bundle = app.trust.bundle()
    return bundle.version if bundle is not None else 0
