"""Identification in two steps (N-27), whatever the provider's shape; nothing of its blob stays anywhere in the node.

Real nodes: calls over mutual TLS, the real steps, a real store file. Only the provider is played.
"""

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.common.v1 import holder_pb2, subject_pb2
from govcode_client.device import HolderDevice
from govcode_node.ports.clock import Clock
from govcode_node.telemetry.logs import JsonFormatter
from govcode_node.telemetry.setup import Telemetry, TelemetrySettings
from grpc import aio
from kit.canaries import Canaries
from kit.federation import ShiftedClock, audit_of, rows_of, run_node
from kit.nodes import RunningNode
from kit.players import TERMS, serial
from kit.serving import reason_of
from kit.two_phase_providers import FACE, PASSWORD, ChallengeProvider, SealedResultProvider, TwoPhaseProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SHAPES: Final[dict[str, Callable[[Clock], TwoPhaseProvider]]] = {
    "sealed result": SealedResultProvider,
    "challenge": ChallengeProvider,
}
PERSON: Final = "样例甲"


class LogKeeper(logging.Handler):
    """It keeps every record as the node would write it, and raw, before any redaction."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.pieces: list[bytes] = []
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        raw = (record.getMessage(), repr(vars(record)), self.format(record))
        self.pieces += [piece.encode("utf-8", "backslashreplace") for piece in raw]


@dataclass
class Scene:
    """A node with a provider of some shape, and all that comes out of it."""

    node: RunningNode
    provider: TwoPhaseProvider
    logs: LogKeeper
    spans: InMemorySpanExporter
    blobs: list[bytes] = field(default_factory=list)
    refusals: list[bytes] = field(default_factory=list)

    @property
    def stub(self) -> Any:
        return self.node.holders.stub

    async def begin(self) -> appv1.BeginIdentificationResponse:
        request = appv1.BeginIdentificationRequest(subject_kind=subject_pb2.SUBJECT_KIND_PERSON)
        begun: appv1.BeginIdentificationResponse = await self.stub.BeginIdentification(request)
        return begun

    def blob_of(self, begun: appv1.BeginIdentificationResponse) -> bytes:
        """What the person's kit makes of it."""
        blob = self.provider.kit(begun.identification_id, begun.provider_challenge, person=PERSON)
        self.blobs.append(blob)
        return blob

    async def open(self, identification_id: str, blob: bytes) -> appv1.OpenAccountResponse:
        """Open an account by an identification, on a device of its own."""
        device = HolderDevice.generate(now=self.node.clock.now)
        number = serial("open")
        proof = device.prove_open_account(identification_id=identification_id, biz_serial=number, terms_version=TERMS)
        identification = holder_pb2.Identification(identification_id=identification_id, provider_blob=blob)
        request = appv1.OpenAccountRequest(biz_serial=number, identification=identification, proof=proof)
        opened: appv1.OpenAccountResponse = await self.stub.OpenAccount(request)
        return opened

    async def refused(self, identification_id: str, blob: bytes) -> str:
        """The reason of the refusal."""
        with pytest.raises(aio.AioRpcError) as caught:
            await self.open(identification_id, blob)
        error = caught.value
        self.refusals.append((error.details() or "").encode())
        for _, value in error.trailing_metadata() or ():
            self.refusals.append(value if isinstance(value, bytes) else value.encode())
        return reason_of(error)

    def accounts(self) -> int:
        return int(rows_of(self.node, "SELECT count(*) FROM accounts")[0][0])


@pytest.fixture(params=SHAPES)
async def scene(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    exporter, keeper, root, clock = InMemorySpanExporter(), LogKeeper(), logging.getLogger(), ShiftedClock()
    provider = SHAPES[request.param](clock)

    def recording(settings: TelemetrySettings) -> Telemetry:
        return Telemetry(replace(settings, trace_ratio=1.0), span_processors=[SimpleSpanProcessor(exporter)])

    monkeypatch.setattr("govcode_node.ground.setup_telemetry", recording)
    monkeypatch.setattr("govcode_node.ground._identity_provider", lambda config, clock: provider)
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    node = await run_node(tmp_path, "420100", clock=clock)
    try:
        await node.register_parties()
        yield Scene(node, provider, keeper, exporter)
    finally:
        await node.close()
        root.setLevel(level)
        root.removeHandler(keeper)


@pytest.mark.req("N-27")
async def test_either_shape_identifies_and_its_name_tells_the_device_which_kit(scene: Scene) -> None:
    begun = await scene.begin()
    assert begun.provider == scene.provider.name
    assert bool(begun.provider_challenge) == (scene.provider.name == "challenge")

    opened = await scene.open(begun.identification_id, scene.blob_of(begun))

    assert opened.account.assurance_level == 3
    assert scene.accounts() == 1


@pytest.mark.req("N-27")
async def test_replayed_identification_is_refused(scene: Scene) -> None:
    begun = await scene.begin()
    blob = scene.blob_of(begun)
    await scene.open(begun.identification_id, blob)
    assert await scene.refused(begun.identification_id, blob) == "IDENTIFICATION_EXPIRED"
    assert scene.accounts() == 1


@pytest.mark.req("N-27")
async def test_late_identification_is_refused(scene: Scene) -> None:
    begun = await scene.begin()
    blob = scene.blob_of(begun)
    scene.node.clock.advance(timedelta(minutes=5))  # type: ignore[attr-defined]
    assert await scene.refused(begun.identification_id, blob) == "IDENTIFICATION_EXPIRED"
    assert scene.accounts() == 0


@pytest.mark.req("N-27")
async def test_blob_of_another_identification_is_refused(scene: Scene) -> None:
    begun, another = await scene.begin(), await scene.begin()
    blob = scene.blob_of(another)
    assert await scene.refused(begun.identification_id, blob) == "IDENTITY_FAILED"
    # Nor does the failure leave the identification open for a second guess.
    assert await scene.refused(begun.identification_id, scene.blob_of(begun)) == "IDENTIFICATION_EXPIRED"
    assert scene.accounts() == 0


@pytest.mark.req("N-27")
async def test_nothing_of_a_blob_stays_in_store_logs_traces_or_audit(scene: Scene) -> None:
    begun = await scene.begin()
    blob = scene.blob_of(begun)
    await scene.open(begun.identification_id, blob)
    await scene.refused(begun.identification_id, blob)
    wrong = await scene.begin()
    await scene.refused(wrong.identification_id, blob)
    canaries = Canaries(
        {"face": FACE, "password": PASSWORD} | {f"blob {n}": b.decode() for n, b in enumerate(scene.blobs)}
    )

    assert canaries.in_bytes(blob), "the search finds what is there"
    assert canaries.in_store(scene.node.folder / "store.db") == set()
    files = [path for path in scene.node.folder.rglob("*") if path.is_file()]
    assert any(path.name.startswith("store.db") for path in files)
    assert canaries.in_files(files) == set()
    assert scene.logs.pieces
    assert canaries.in_pieces(scene.logs.pieces) == set()
    spans = scene.spans.get_finished_spans()
    assert any("OpenAccount" in span.name for span in spans)
    assert canaries.in_pieces(span.to_json().encode() for span in spans) == set()
    assert canaries.in_pieces(repr(row).encode() for row in await audit_of(scene.node)) == set()
    assert canaries.in_pieces(scene.refusals) == set()
