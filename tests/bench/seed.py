"""The node that is measured: its files, its registrations, and the holders who will present codes.

Holders are written into the store directly, by the node's own stores and keys; opening 20,000 accounts over gRPC would
take longer than the bench. Their sessions, profiles and seals are like those that the product makes.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from govcode_node.crypto.keyprovider import SoftwareKeyStore, create_node_keys
from govcode_node.crypto.keyring import Keyring
from govcode_node.crypto.sm2 import select_backend
from govcode_node.domain.accounts import Account, AccountId, AccountState, Session
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.disclosure import FieldName, FieldRule
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.ids import new_time_ordered_id
from govcode_node.domain.parties import Application, ApplicationKind, RegistrationState, RelyingParty, Scanner
from govcode_node.domain.scenes import Scene, SceneClass
from govcode_node.ports.stores import Transaction
from govcode_node.storage.database import SqlDatabase, writer_name
from govcode_node.storage.schema import migrate
from govcode_node.system_clock import SystemClock
from govcode_node.usecases.sessions import token_hash_of
from govcode_node.usecases.subject_fields import SubjectFields
from kit.pki import KitPki

NODE_ID: Final = "420100"
HOLDER_APP: Final = "holder-app"
COUNTER_APP: Final = "counter-app"
SCENE_NO: Final = 1
SCANNERS: Final = tuple(f"bench-scanner-{number}" for number in range(1, 5))

_TEMPLATE: Final = """
[node]
node_id = "{node}"
region_code = "{node}"
name = {{ zh = "武汉市", en = "Wuhan" }}
[server]
listen = "127.0.0.1:0"
certificate = "node.pem"
key = "node.key"
roots = "roots.pem"
federation_ca = "federation.pem"
region_cas = {{ {node} = "region.pem" }}
drain_timeout = "1s"
[storage]
url = "sqlite:///{folder}/store.db"
[keys]
directory = "keys"
kek_file = "kek"
[codes]
# A code must live from the run that presents it to the run that scans it, and be due for refresh in the next round.
one_time_validity = "300s"
dynamic_refresh = "15s"
[limits]
# The limits count as ever, and nobody reaches them.
per_subject = "1000000/1s"
per_app = "1000000/1s"
per_device = "1000000/1s"
[telemetry]
# As by default, on a free port.
metrics_listen = "127.0.0.1:0"
"""


@dataclass(frozen=True, slots=True)
class BenchNode:
    """The files of the node that is measured.

    Attributes:
        folder: All of them.
        config: Its TOML file.
        store: Its SQLite file.
        callers: Certificates and keys of the callers, PEM, by name.
        holders: How many holders have a session.
    """

    folder: Path
    config: Path
    store: Path
    callers: Path
    holders: int


def token_of(holder: int) -> str:
    """It gives the session token of a holder, as long as the product's."""
    return f"{holder:032x}"


def make_node(folder: Path, *, holders: int) -> BenchNode:
    """It writes a node's files and fills its store."""
    callers = folder / "callers"
    callers.mkdir(parents=True)
    pki = KitPki()
    leaf = pki.node(NODE_ID)
    _write(folder / "node.pem", leaf.certificate_pem)
    _write(folder / "node.key", leaf.key_pem)
    _write(folder / "roots.pem", pki.roots_pem)
    _write(folder / "federation.pem", pki.federation_ca_pem)
    _write(folder / "region.pem", pki.authority(NODE_ID).certificate_pem)
    for name in (HOLDER_APP, COUNTER_APP):
        app = pki.issue(CallerClass.APP, name, region=NODE_ID)
        _write(callers / f"{name}.pem", app.certificate_pem)
        _write(callers / f"{name}.key", app.key_pem)
    create_node_keys(folder / "keys", folder / "kek", NODE_ID, SystemClock())
    config = folder / "node.toml"
    config.write_text(_TEMPLATE.format(node=NODE_ID, folder=folder), encoding="utf-8")
    node = BenchNode(folder=folder, config=config, store=folder / "store.db", callers=callers, holders=holders)
    url = f"sqlite:///{node.store}"
    migrate(url)
    asyncio.run(_fill(node, url))
    return node


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


async def _fill(node: BenchNode, url: str) -> None:
    now = datetime.now(UTC) - timedelta(minutes=1)
    backend = select_backend()
    store = SoftwareKeyStore(node.folder / "keys", node.folder / "kek", clock=SystemClock(), backend=backend)
    keyring = Keyring(store, clock=SystemClock(), backend=backend)
    writer = writer_name(node_id=NODE_ID, worker=9, started_at=now)
    database = await SqlDatabase.open(url, writer_id=writer, queue_limit=1_000_000)
    try:
        await database.run(lambda tx: _register(tx, now))
        fields = SubjectFields(keys=keyring)
        units = [_holder(number, keyring, fields, now) for number in range(node.holders)]
        await asyncio.gather(*(database.run(unit) for unit in units))
    finally:
        await database.aclose()
        keyring.close()


def _register(tx: Transaction, now: datetime) -> None:
    """It registers what a scan is checked against: an organisation, two applications, scanners and a scene."""
    state = RegistrationState.ENABLED
    tx.parties.add_relying_party(
        RelyingParty(
            relying_party_id="rp-bench",
            name="政务服务大厅（测试）",
            uscc="12420100MB0TEXT337",
            purpose="政务服务事项办理",
            contact="office@example.invalid",
            state=state,
            registered_at=now,
        )
    )
    for app_id, kind in ((HOLDER_APP, ApplicationKind.HOLDER), (COUNTER_APP, ApplicationKind.RELYING_PARTY)):
        tx.parties.add_application(
            Application(
                app_id=app_id,
                relying_party_id="rp-bench",
                kind=kind,
                name=app_id,
                scene_nos=(SCENE_NO,),
                state=state,
                registered_at=now,
            )
        )
    for number, device_id in enumerate(SCANNERS, start=1):
        tx.parties.add_scanner(
            Scanner(device_id=device_id, app_id=COUNTER_APP, place=f"{number} 号窗口", state=state, registered_at=now)
        )
    tx.scenes.add(
        Scene(
            scene_no=SCENE_NO,
            version=1,
            name="政务服务窗口",
            scene_class=SceneClass.COUNTER,
            subject_kinds=frozenset({SubjectKind.PERSON, SubjectKind.LEGAL_ENTITY}),
            fields=(FieldRule(FieldName.NAME),),
            effective_at=now,
        )
    )


def _holder(number: int, keyring: Keyring, fields: SubjectFields, now: datetime) -> Callable[[Transaction], None]:
    account_id = AccountId(new_time_ordered_id("ac", now=now, random_bytes=keyring.random_bytes))
    id_number = f"42010119900101{number % 10_000:04d}"
    account = Account(
        account_id=account_id,
        subject_kind=SubjectKind.PERSON,
        state=AccountState.ACTIVE,
        assurance_level=2,
        terms_version="2026-01",
        device_key_id=f"{number:032x}",
        device_public_key=b"\x04" + number.to_bytes(64, "big"),
        opened_at=now,
    )
    profile = fields.seal(
        account_id,
        {
            FieldName.NAME: f"测试{number}",
            FieldName.ID_NUMBER: id_number,
            FieldName.PHONE: f"1380000{number % 10_000:04d}",
        },
    )
    session = Session(
        token_hash=token_hash_of(token_of(number)),
        account_id=account_id,
        app_id=HOLDER_APP,
        device_key_id=account.device_key_id,
        created_at=now,
        expires_at=now + timedelta(hours=12),
    )

    def add(tx: Transaction) -> None:
        tx.accounts.add(account, subject_index=number.to_bytes(32, "big"), sealed_profile=profile)
        tx.sessions.add(session)

    return add
