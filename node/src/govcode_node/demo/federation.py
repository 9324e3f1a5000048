"""The federation as a whole: its folder, certificates, configurations and processes, and its admission at the hub."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from govcode_node.commands.application_keys import load_application_key, make_application_key
from govcode_node.commands.profiles import CallerProfile
from govcode_node.demo.plan import HUB, IDENTITIES_FILE, LICENCES_FILE, PEOPLE_FILE, FederationPlan, PlannedNode
from govcode_node.demo.processes import NodeProcess, NodeStartError
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.identities import FEDERATION_TRUST_DOMAIN, CallerClass, Identity
from govcode_node.domain.regions import RegionCode
from govcode_node.home import prefixes_of

if TYPE_CHECKING:
    from govcode_client import Client, Sm2PrivateKey

ADMISSION_LIMIT: Final = 60.0
"""Seconds for registration, approval and the spreading of the trust bundle."""

_OPERATORS: Final = ("business", "security", "audit")
_CLASS_OF: Final = {"business": "operator", "security": "operator", "audit": "operator"}


class FederationError(GovcodeError):
    """The federation did not come up as it should; the message says how far it came."""


class Federation:
    """Nodes of a plan on this machine; a context manager that leaves nothing running behind.

    Attributes:
        plan: What it consists of.
        folder: Everything of this run: certificates, configurations, databases, logs.
    """

    def __init__(self, plan: FederationPlan, folder: Path, *, say: Callable[[str], None]) -> None:
        """It prepares nothing yet.

        Args:
            plan: What it consists of.
            folder: An empty folder of its own.
            say: Takes lines about the progress.
        """
        self.plan = plan
        self.folder = folder
        self._say = say
        self._clients: dict[tuple[str, str, str], Client] = {}
        self._sign_keys: dict[str, tuple[str, str]] = {}
        self._processes = {
            node.node_id: NodeProcess(
                name=f"{node.node_id} {node.zh}",
                config=self._directory(node.node_id) / "node.toml",
                log=self._directory(node.node_id) / "node.log",
            )
            for node in plan.node
        }

    @classmethod
    def make(cls, plan: FederationPlan, *, under: Path, name: str, say: Callable[[str], None]) -> Self:
        """It makes a federation in a fresh folder, so that two runs never meet."""
        under.mkdir(parents=True, exist_ok=True)
        return cls(plan, Path(tempfile.mkdtemp(prefix=f"{name}-", dir=under)), say=say)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()

    def set_up(self) -> None:
        """It makes everything and returns when every node is an active member with the newest trust bundle.

        Raises:
            NodeStartError: A node does not come up.
            FederationError: The hub does not admit the nodes in time.
        """
        self._say("certificates for the hub, the nodes and their callers")
        self._issue_certificates()
        self._say("keys and databases")
        for node in self.plan.node:
            self._prepare(node)
        self._say("starting the hub")
        self.start(HUB)
        self._say(f"starting {', '.join(f'{node.node_id} {node.zh}' for node in self.plan.members)}")
        for node in self.plan.members:
            self._write_config(node)
            self._processes[node.node_id].start()
        for node in self.plan.members:
            self._processes[node.node_id].wait_ready()
        self._admit()

    def wait_for_lists(self) -> None:
        """It waits until every node holds the others' revocation lists, without which no offline answer is given.

        Nodes fetch them by themselves soon after they have the trust bundle; no call tells, so their folders do.

        Raises:
            FederationError: They do not come in time.
        """
        deadline = time.monotonic() + ADMISSION_LIMIT
        members = [node.node_id for node in self.plan.members]
        for holder in members:
            folder = self._directory(holder) / "revocation-lists"
            wanted = [folder / f"{other}.revocations" for other in members if other != holder]
            self._wait(
                lambda files=wanted: all(file.exists() for file in files),  # type: ignore[misc]
                deadline,
                f"{holder} has no revocation lists of the others",
            )

    def start(self, node_id: str) -> str:
        """It starts one node, at its former address where it had one, and returns the address.

        Raises:
            NodeStartError: It does not come up.
        """
        node = next(node for node in self.plan.node if node.node_id == node_id)
        process = self._processes[node_id]
        self._write_config(node)
        process.start()
        return process.wait_ready()

    def stop(self, node_id: str) -> None:
        """It stops one node."""
        self._processes[node_id].stop()

    def stop_all(self) -> None:
        """It closes all connections and stops all nodes; the hub last, which the others still tell good-bye."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        for node_id in sorted(self._processes, reverse=True):
            self._processes[node_id].stop()

    def remove(self) -> None:
        """It removes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def address(self, node_id: str) -> str:
        """It gives the address at which a node serves."""
        return self._processes[node_id].address

    def profile(self, caller: str, node_id: str, *, region: str | None = None) -> CallerProfile:
        """It gives the profile of a caller at a node.

        Args:
            caller: Name of an application or operator.
            node_id: The node that is called.
            region: Region whose authority signed the caller; the node's where None.
        """
        stem = f"{_CLASS_OF.get(caller, 'app')}-{caller}"
        certificates = self._certificates / "regions" / (region or node_id)
        role = CallerClass.HUB if node_id == HUB else CallerClass.NODE
        return CallerProfile(
            node=self.address(node_id),
            certificate=certificates / f"{stem}.pem",
            key=certificates / f"{stem}.key",
            roots=self._certificates / "roots.pem",
            server_name=Identity(FEDERATION_TRUST_DOMAIN, role, node_id).server_name,
            device_id="counter-scanner-1" if caller == "counter-app" else "",
            scene_no={"counter-app": 1, "clinic-app": 5}.get(caller, 0),
            holders_file=PEOPLE_FILE if caller == "holder-app" else None,
            sessions_dir=self._directory(node_id) / "holders" if caller == "holder-app" else None,
        )

    def client(self, caller: str, node_id: str, *, region: str | None = None) -> "Client":
        """It gives the client of a caller at a node; one connection each."""
        key = (caller, node_id, region or node_id)
        if key not in self._clients:
            self._clients[key] = self.profile(caller, node_id, region=region).connect()
        return self._clients[key]

    def application_key(self, app_id: str, node_id: str) -> "Sm2PrivateKey":
        """It gives the key to which licences are sealed for an application of a node; made at the first call."""
        path = self._directory(node_id) / f"{app_id}.sm2"
        return load_application_key(path) if path.exists() else make_application_key(path)

    @property
    def hub_public_key(self) -> bytes:
        """The hub's signing key, which a checker of evidence gets by another way than from a node."""
        return bytes.fromhex(self._sign_keys[HUB][1])

    @property
    def _certificates(self) -> Path:
        return self.folder / "certs"

    def _directory(self, node_id: str) -> Path:
        return self.folder / node_id

    def _issue_certificates(self) -> None:
        from govcode_node.pki import DevelopmentPki, load_plan

        DevelopmentPki(self._certificates).issue_all(load_plan(IDENTITIES_FILE))

    def _prepare(self, node: PlannedNode) -> None:
        """It makes the node's keystore and database, and remembers its signing key."""
        from govcode_node.commands.pki import make_keystore, public_keys
        from govcode_node.config import load_config
        from govcode_node.domain.keys import KeyPurpose
        from govcode_node.storage.schema import migrate

        self._directory(node.node_id).mkdir(mode=0o700)
        config = load_config(self._write_config(node))
        make_keystore(config)
        sign = next(key for key in public_keys(config) if key["purpose"] == KeyPurpose.NODE_SIGN.value)
        self._sign_keys[node.node_id] = (sign["key_id"], sign["public_key"])
        migrate(config.storage.url.text)

    def _write_config(self, node: PlannedNode) -> Path:
        """It writes the node's TOML; what is not known yet, such as the hub's address, comes at the next writing."""
        path = self._directory(node.node_id) / "node.toml"
        path.write_text("\n".join(self._config_lines(node)) + "\n", encoding="utf-8")
        return path

    def _config_lines(self, node: PlannedNode) -> list[str]:
        certificates = self._certificates
        role = "hub" if node.is_hub else "node"
        lines = [
            "[node]",
            f"node_id = {_toml(node.node_id)}",
            f"region_code = {_toml(node.node_id)}",
            f"name = {{ zh = {_toml(node.zh)}, en = {_toml(node.en)} }}",
            "[server]",
            # At a second start peers and profiles know the address of the first one.
            f"listen = {_toml(self.address(node.node_id) or '127.0.0.1:0')}",
            f"certificate = {_toml(certificates / 'federation' / f'{role}-{node.node_id}.pem')}",
            f"key = {_toml(certificates / 'federation' / f'{role}-{node.node_id}.key')}",
            f"roots = {_toml(certificates / 'roots.pem')}",
            f"federation_ca = {_toml(certificates / 'federation' / 'ca.pem')}",
            f"region_cas = {{ {node.node_id} = {_toml(certificates / 'regions' / node.node_id / 'ca.pem')} }}",
            "reflection = true",
            'drain_timeout = "2s"',
            "[operators]",
            *(f'{name} = ["{name}"]' for name in _OPERATORS),
            "[identity]",
            f"people_file = {_toml(PEOPLE_FILE)}",
            "[telemetry]",
            "metrics = false",
            # A reader of the demo shall not wait for what an operator of a real node can.
            "[reporting]",
            'interval = "1s"',
        ]
        if node.is_hub:
            return [*lines, "[hub]", "enabled = true"]
        hub_address = self.address(HUB)
        if hub_address:
            lines += [
                "[trust]",
                f"hub_endpoints = [{_toml(hub_address)}]",
                f"hub_public_keys = [{_toml(self._sign_keys[HUB][1])}]",
            ]
        lines += [
            "[licences]",
            f"folder = {_toml(self._directory(node.node_id) / 'licences')}",
            f"synthetic_file = {_toml(LICENCES_FILE)}",
            "[disclosure]",
        ]
        lines += [f"{scene} = {json.dumps(fields)}" for scene, fields in self.plan.disclosure.items()]
        return lines

    def _admit(self) -> None:
        """It does what the hub's security operator does: compares each node's key and approves it."""
        from govcode.hub.v1 import hub_service_pb2 as pb
        from govcode.routing.v1.trust_bundle_pb2 import NODE_STATE_JOINING

        from govcode_node.commands.hub import list_views

        security = self.client("security", HUB)
        members = {node.node_id for node in self.plan.members}
        deadline = time.monotonic() + ADMISSION_LIMIT

        def all_registered() -> bool:
            joining = {view.node_id for view in list_views(security) if view.state == NODE_STATE_JOINING}
            return members <= joining

        self._say("waiting for the nodes to register at the hub")
        self._wait(all_registered, deadline, "not all nodes registered at the hub")
        version = 0
        for node in self.plan.members:
            key_id = self._sign_keys[node.node_id][0]
            self._say(f"the hub's security operator compares key {key_id} and approves {node.node_id} {node.zh}")
            request = pb.ApproveNodeRequest(
                node_id=node.node_id, signing_key_id=key_id, prefixes=prefixes_of(RegionCode(node.node_id))
            )
            answer = security.hub.ApproveNode(request)
            version = answer.bundle_version
        self._say(f"waiting for trust bundle {version} at every node")
        for node in self.plan.members:
            self._wait(
                lambda node_id=node.node_id: self._bundle_version(node_id) >= version,  # type: ignore[misc]
                deadline,
                f"{node.node_id} has no trust bundle {version}",
            )

    def _bundle_version(self, node_id: str) -> int:
        from govcode.routing.v1 import code_routing_service_pb2 as pb
        from govcode_client import NodeError

        try:
            routes = self.client("business", node_id).code_routing.ListRoutes(pb.ListRoutesRequest())
        except NodeError as error:
            if error.reason != "TRUST_BUNDLE_MISSING":
                raise
            return 0
        return int(routes.bundle_version)

    def _wait(self, reached: Callable[[], bool], deadline: float, otherwise: str) -> None:
        while not reached():
            if time.monotonic() >= deadline:
                raise FederationError(f"{otherwise} within {ADMISSION_LIMIT:.0f} s; logs are in {self.folder}")
            dead = [process.name for process in self._processes.values() if process.address and not process.running]
            if dead:
                raise NodeStartError(f"{', '.join(dead)} ended meanwhile; logs are in {self.folder}")
            time.sleep(0.1)


def _toml(value: object) -> str:
    # A JSON text is a TOML basic string: the same quotes and escapes.
    return json.dumps(str(value), ensure_ascii=False)
