"""Code in Wuhan, licence in Shanghai, counter in Beijing: what travels and what stays holds nothing of the licence.

The messages of every leg are taken down at both ends as they are between serialization and the channel, before anything
sealed is opened; and the files of all nodes are read as they lie on disk.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError
from govcode.authorization.v1 import record_pb2 as recordv1
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode_client import License
from govcode_node.domain.audit import AuditAction, AuditEntry
from govcode_node.domain.authorizations import UseState
from kit.canaries import Canaries
from kit.cut_paths import frail_path
from kit.federation import BEIJING, SHANGHAI, WUHAN, audit_of
from kit.licence_players import GRANTED_TWO, PERMIT, Consent, LicenceLand, open_licence_land
from kit.log_keeper import LogKeeper, keeping_logs
from kit.nodes import RunningNode
from kit.players import synthetic_people
from kit.wire_taps import WireTaps

AUTHORIZATION = "/govcode.authorization.v1.AuthorizationService/"
FEDERATION = "/govcode.federation.v1.FederationService/"
METHODS = (
    AUTHORIZATION + "RequestAuthorization",
    AUTHORIZATION + "DecideAuthorization",
    AUTHORIZATION + "LocateLicenses",
    AUTHORIZATION + "FetchLicense",
    FEDERATION + "ForwardAuthorization",
    FEDERATION + "ForwardLicenseFetch",
    FEDERATION + "NotifyWithdrawal",
)
ASK, SERIALS = "ask-joined", ("use-joined-1", "use-joined-2")
PERSON = synthetic_people()["李示范"]

LOCATOR = {"name of the locator": PERSON.name, "number of the locator": PERSON.id_number}
FIELDS = {
    "permit number": "SPECIMEN-310000-ROAM-7719",
    "address": "样例区金丝雀弄 1873 号",
    "degree": "金丝雀学学士-7720",
    # Neither was asked for.
    "registered": "登记簿-5527-金丝雀",
    "awarded": "授予簿-2012-7720",
    "degree number": "SPECIMEN-310000-ROAM-7720",
}
SECRETS = Canaries(LOCATOR | FIELDS)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of the story.

    Attributes:
        consent: The authorization.
        permit: The licence with its document.
        degree: The one without.
        spools: What unlinked files of the process held while the document was on its way.
    """

    consent: Consent
    permit: License
    degree: License
    spools: list[bytes]

    @property
    def document(self) -> bytes:
        assert self.permit.document is not None
        return self.permit.document


@pytest.fixture
def logs() -> Iterator[LogKeeper]:
    with keeping_logs() as keeper:
        yield keeper


@pytest.fixture
def taps(monkeypatch: pytest.MonkeyPatch) -> WireTaps:
    taps = WireTaps(AUTHORIZATION)
    taps.install(monkeypatch)
    return taps


def unlinked_files() -> list[bytes]:
    """What the process has in open files without a name."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if "(deleted)" in os.readlink(link):
                found.append(link.read_bytes())
    return found


async def fetch_with_document(land: LicenceLand, consent: Consent) -> tuple[License, list[bytes]]:
    """It fetches, and looks at what is at rest while the document is on its way."""
    async with frail_path(land.federation.beijing.app.address) as path:
        path.hold_after(256 * 1024)
        by = land.counter(address=path.address)
        fetching = asyncio.create_task(consent.fetch(1, by=by, biz_serial=SERIALS[0]))
        await asyncio.wait_for(path.reached.wait(), 20)
        spools = await asyncio.to_thread(unlinked_files)
        path.let_go()
        licence = await fetching
        await by.client.close()
    return licence, spools


async def tell(land: LicenceLand) -> Told:
    """A counter asks for two licences, the holder sees where they are and grants both, and they are fetched."""
    holder = await land.federation.holder(WUHAN, PERSON.name)
    consent = await land.counter().ask(
        land.holders, holder, GRANTED_TWO, documents=[PERMIT], max_uses=3, biz_serial=ASK
    )
    places = await land.holders.authorizations.locate_licenses(
        session_token=holder.token, authorization_id=consent.authorization_id
    )
    assert {(place.item_no, place.license_node_id) for place in places} == {(1, SHANGHAI), (2, SHANGHAI)}
    await consent.grant((1, 2), places={place.item_no: place.license_node_id for place in places})
    await consent.counter.client.authorizations.wait(authorization_id=consent.authorization_id)
    permit, spools = await fetch_with_document(land, consent)
    degree = await consent.fetch(2, biz_serial=SERIALS[1])
    await consent.withdraw()
    async with asyncio.timeout(20):
        for node in (land.federation.beijing, land.federation.shanghai):
            while not await audit_of(node, action=AuditAction.WITHDRAWAL_RECEIVED):
                await asyncio.sleep(0.02)
    return Told(consent=consent, permit=permit, degree=degree, spools=spools)


def copied(folder: Path, target: Path) -> list[Path]:
    """It copies every file of every node as it is now, the logs of the stores too."""

    def copy(source: str, to: str) -> str:
        with suppress(FileNotFoundError):
            shutil.copyfile(source, to)
        return to

    shutil.copytree(folder, target, copy_function=copy)
    return sorted(path for path in target.rglob("*") if path.is_file())


@pytest.mark.req("6.3-16", "6.3-18", "N-21", "N-22")
async def test_nothing_of_the_licence_travels_or_stays_in_clear_and_one_serial_joins_the_records(
    tmp_path: Path,
    taps: WireTaps,
    logs: LogKeeper,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    async with open_licence_land(tmp_path) as land:
        told = await tell(land)
        files = await asyncio.to_thread(copied, land.federation.folder, tmp_path / "copy")
        await check_that_one_serial_joins(land, told)
        assert list(temporary.iterdir()) == []
    check_that_there_was_something_to_find(told, taps, logs, files)

    pieces_of_it = slices_of(told.document)
    output = [text.encode() for text in capfd.readouterr()]
    places = {
        "messages": taps.messages(),
        "spools": told.spools,
        "files": [path.read_bytes() for path in files],
        "logs": logs.pieces,
        "output": output,
    }
    for name, pieces in places.items():
        assert SECRETS.in_pieces(pieces) == set(), name
        assert [piece for piece in pieces if any(part in piece for part in pieces_of_it)] == [], name
    for store in files:
        if store.name == "store.db":
            assert SECRETS.in_store(store) == set(), store


def slices_of(document: bytes) -> list[bytes]:
    """Pieces from all over a document."""
    return [document[at : at + 48] for at in range(0, len(document) - 48, len(document) // 40)]


def check_that_there_was_something_to_find(told: Told, taps: WireTaps, logs: LogKeeper, files: list[Path]) -> None:
    """A search of nothing finds nothing: the data were there and travelled on every leg, and are found if clear."""
    assert told.permit.fields == {
        "name": PERSON.name,
        "permit_number": FIELDS["permit number"],
        "address": FIELDS["address"],
    }
    assert told.degree.fields == {"degree": FIELDS["degree"]}
    assert len(told.document) > 3_000_000
    assert SECRETS.in_pieces(value.encode("utf-16-le") for value in told.permit.fields.values())
    for method in METHODS:
        for end in (taps.at_clients, taps.at_servers):
            assert end[method], method
    visited, home = requests_of(taps)
    assert {request.biz_serial for request in (*visited, *home)} == set(SERIALS)
    for request in visited:
        assert (request.from_node_id, request.to_node_id) == (BEIJING, WUHAN)
        assert not request.sealed_locator
        assert not request.case_locator
    for request in home:
        assert (request.from_node_id, request.to_node_id) == (WUHAN, SHANGHAI)
        assert len(request.sealed_locator) > 100
    # Both ends have taken down the same.
    for method in (FEDERATION + "ForwardLicenseFetch", AUTHORIZATION + "FetchLicense"):
        assert sorted(taps.at_clients[method]) == sorted(taps.at_servers[method])
    fetched = taps.at_clients[AUTHORIZATION + "FetchLicense"]
    assert sum(map(len, fetched)) > len(told.document)
    assert sum(map(len, told.spools)) >= len(told.document), "the spool was looked at while it held the document"
    assert len(logs.pieces) > 100
    assert {path.name for path in files} >= {"store.db", "store.db-wal", "trust-bundle.bin"}


def requests_of(taps: WireTaps) -> tuple[list[recordv1.LicenseUseRequest], list[recordv1.LicenseUseRequest]]:
    """What Beijing asked of Wuhan, and Wuhan of Shanghai; the latter brings the grant."""
    visited: list[recordv1.LicenseUseRequest] = []
    home: list[recordv1.LicenseUseRequest] = []
    for raw in taps.at_servers[FEDERATION + "ForwardLicenseFetch"]:
        message = federationv1.ForwardLicenseFetchRequest()
        with suppress(DecodeError):
            message.ParseFromString(raw)
        if message.request.payload_type != recordv1.LicenseUseRequest.DESCRIPTOR.full_name:
            continue
        request = recordv1.LicenseUseRequest.FromString(message.request.payload)
        (home if message.HasField("grant") else visited).append(request)
    return visited, home


async def check_that_one_serial_joins(land: LicenceLand, told: Told) -> None:
    """The serial that the counter gave, the ids that were made and the trace stand at all three nodes."""
    consent, federation = told.consent, land.federation
    for node in (federation.beijing, federation.wuhan):
        row = await consent.row_at(node)
        assert row is not None
        assert (row.authorization_id, row.request.biz_serial) == (consent.authorization_id, ASK)
        assert row.request_evidence
        assert row.grant
        assert row.withdrawal
        asked = await entries(node, ASK)
        assert {entry.object for entry in asked} == {consent.authorization_id}, node.node_id
    for biz_serial, licence in zip(SERIALS, (told.permit, told.degree), strict=True):
        deliveries, traces = set(), set()
        for node in (federation.beijing, federation.wuhan, federation.shanghai):
            (use,) = [use for use in await consent.uses_at(node) if use.biz_serial == biz_serial]
            assert (use.use_id, use.state) == (licence.use_id, UseState.DELIVERED), node.node_id
            deliveries.add(use.delivery)
            used = [entry for entry in await entries(node, biz_serial) if entry.action is AuditAction.LICENSE_USED]
            assert [(entry.object, entry.details["authorization"]) for entry in used] == [
                (licence.use_id, consent.authorization_id)
            ], node.node_id
            traces |= {entry.trace_id for entry in used}
        # The same evidence of the delivery at all of them and at the counter, and one trace.
        assert deliveries == {licence.delivery.SerializeToString(deterministic=True)}
        assert len(traces) == 1
        assert len(traces.pop()) == 32


async def entries(node: RunningNode, biz_serial: str) -> list[AuditEntry]:
    """What a node's audit trail has under a serial."""
    return [record.entry for record in await audit_of(node, biz_serial=biz_serial)]
