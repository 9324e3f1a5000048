"""Real nodes in the test's own process: real gRPC over mutual TLS, real stores, a clock that tests may move."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from govcode.business.v1 import registry_pb2 as registryv1
from govcode_node.app import App
from govcode_node.config import Config, load_config
from govcode_node.crypto.authorities import IssuedCertificate
from govcode_node.crypto.keyprovider import create_node_keys
from govcode_node.domain.disclosure import FieldRule
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.scenes import SceneClass
from govcode_node.ports.clock import Clock
from govcode_node.storage.schema import migrate
from govcode_node.system_clock import SystemClock
from grpc import aio
from kit.pki import KitPki, kit_pki
from kit.players import PEOPLE_FILE, CounterDesk, HolderBackend, OperatorDesk, dial

HALL_USCC = "12420100MB0TEXT337"
CLINIC_USCC = "91350100M000100Y43"

_TEMPLATE = """
[node]
node_id = "{node_id}"
region_code = "{node_id}"
name = {{ zh = "{name}", en = "{name}" }}
[hub]
enabled = {hub}
[server]
listen = "127.0.0.1:0"
certificate = "node.pem"
key = "node.key"
roots = "roots.pem"
federation_ca = "federation.pem"
region_cas = {{ "{node_id}" = "region.pem" }}
reflection = true
drain_timeout = "1s"
[storage]
url = "sqlite:///{folder}/store.db"
[keys]
directory = "keys"
kek_file = "kek"
[trust]
{hub_address}
bundle_file = "{folder}/trust-bundle.bin"
poll_interval = "1s"
[reporting]
interval = "1s"
[codes]
test_environment = false
[identity]
people_file = "{people}"
[operators]
business-1 = ["business"]
security-1 = ["security"]
audit-1 = ["audit"]
[telemetry]
metrics = false
"""


@dataclass
class RunningNode:
    """A node with the certificates to call it.

    Attributes:
        app: The node.
        config: Its configuration.
        folder: Its files.
        pki: The certificates of the test.
        clock: Its clock.
    """

    app: App
    config: Config
    folder: Path
    pki: KitPki
    clock: Clock
    _channels: dict[str, aio.Channel] = field(default_factory=dict)

    @property
    def node_id(self) -> str:
        return self.app.node.node_id

    def channel(self, certificate: IssuedCertificate) -> aio.Channel:
        """A channel that shows a certificate; one for each."""
        key = certificate.certificate_pem.decode()
        if key not in self._channels:
            self._channels[key] = dial(self.app.address, certificate, pki=self.pki)
        return self._channels[key]

    def as_app(self, name: str) -> aio.Channel:
        return self.channel(self.pki.app(name, region=self.node_id))

    def as_scanner(self, name: str) -> aio.Channel:
        return self.channel(self.pki.issue(CallerClass.SCANNER, name, region=self.node_id))

    def as_operator(self, name: str) -> aio.Channel:
        return self.channel(self.pki.issue(CallerClass.OPERATOR, name, region=self.node_id))

    def as_node(self, node_id: str) -> aio.Channel:
        return self.channel(self.pki.node(node_id))

    @property
    def holders(self) -> HolderBackend:
        return HolderBackend(self.as_app("holder-app"), now=self.clock.now)

    @property
    def counter(self) -> CounterDesk:
        return CounterDesk(self.as_app("counter-app"))

    @property
    def operator(self) -> OperatorDesk:
        return OperatorDesk(self.as_operator("business-1"))

    async def register_parties(self) -> None:
        """Register what most stories need: two organisations, three applications, a scanner, four scenes."""
        desk = self.operator
        await desk.scene(1, fields=[registryv1.SceneField(name="name"), registryv1.SceneField(name="entity_name")])
        await desk.scene(2, one_time=True)
        await desk.scene(3, offline_allowed=True, profile=2)
        await desk.scene(4, fields=[registryv1.SceneField(name="name", unmasked=True)])
        hall = await desk.relying_party(name="政务服务大厅（测试）", uscc=HALL_USCC)
        clinic = await desk.relying_party(name="社区医院（测试）", uscc=CLINIC_USCC)
        await desk.application("holder-app", relying_party_id=hall, kind=registryv1.APPLICATION_KIND_HOLDER)
        reading = registryv1.APPLICATION_KIND_RELYING_PARTY
        await desk.application("counter-app", relying_party_id=hall, kind=reading, scene_nos=(1, 2, 3, 4))
        await desk.application("clinic-app", relying_party_id=clinic, kind=reading, scene_nos=(1, 2))
        await desk.scanner("counter-scanner-1", app_id="counter-app")

    async def close(self) -> None:
        """Close the channels, then stop the node."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
        self._channels.clear()
        await self.app.stop()


def write_node(
    folder: Path,
    node_id: str,
    *,
    hub: "RunningNode | None" = None,
    disclosure: Mapping[SceneClass, tuple[FieldRule, ...]] | None = None,
    pki: KitPki | None = None,
    clock: Clock | None = None,
) -> Config:
    """Write a node's files and return its configuration."""
    pki = pki or kit_pki()
    folder.mkdir(parents=True, exist_ok=True)
    leaf = pki.hub() if node_id == "000000" else pki.node(node_id)
    (folder / "node.pem").write_bytes(leaf.certificate_pem)
    (folder / "node.key").write_bytes(leaf.key_pem)
    (folder / "roots.pem").write_bytes(pki.roots_pem)
    (folder / "federation.pem").write_bytes(pki.federation_ca_pem)
    (folder / "region.pem").write_bytes(pki.authority(node_id).certificate_pem)
    if not (folder / "keys").exists():
        create_node_keys(folder / "keys", folder / "kek", node_id, clock or SystemClock())
    hub_address = ""
    if hub is not None:
        key = next(key for key in hub.app.node.keys if key.purpose.value == "SIGN")
        hub_address = f'hub_endpoints = ["{hub.app.address}"]\nhub_public_keys = ["{key.public_key.hex()}"]'
    text = _TEMPLATE.format(
        node_id=node_id,
        name={"000000": "枢纽", "110000": "北京市", "310000": "上海市", "420100": "武汉市"}.get(node_id, node_id),
        hub=str(node_id == "000000").lower(),
        folder=folder,
        hub_address=hub_address,
        people=PEOPLE_FILE,
    )
    (folder / "node.toml").write_text(text, encoding="utf-8")
    config = load_config(folder / "node.toml")
    migrate(config.storage.url.text)
    return dataclasses.replace(config, disclosure=dict(disclosure or {}))


async def start_node(
    folder: Path, node_id: str = "420100", *, clock: Clock | None = None, **options: Any
) -> RunningNode:
    """Write a node's files and start it."""
    clock = clock or SystemClock()
    config = await asyncio.to_thread(write_node, folder, node_id, clock=clock, **options)
    pki = options.get("pki") or kit_pki()
    return RunningNode(await App.start(config, clock=clock), config, folder, pki, clock)


@asynccontextmanager
async def running_node(folder: Path, node_id: str = "420100", **options: Any) -> AsyncIterator[RunningNode]:
    """A node for the length of a block."""
    node = await start_node(folder, node_id, **options)
    try:
        yield node
    finally:
        await node.close()


async def until(condition: Callable[[], bool], *, within: timedelta = timedelta(seconds=20)) -> None:
    """Wait for a condition of the real world, looking every few milliseconds."""
    async with asyncio.timeout(within.total_seconds()):
        while not condition():
            await asyncio.sleep(0.01)
