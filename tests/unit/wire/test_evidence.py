"""Evidence: checked over the bytes as they came, for one purpose, under a key that is trusted now, and parsed last."""

import asyncio
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from govcode.common.v1 import evidence_pb2 as evidencev1
from govcode_client import evidence_rules as rules
from govcode_client.sm2 import Sm2PrivateKey, Sm2PublicKey, Sm2VerificationError, key_id_of
from govcode_node.crypto.attestor import BatchingAttestor
from govcode_node.crypto.evidence import proved_bytes
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.evidence import Evidence, EvidencePurpose, InvalidEvidenceError, MerkleProof, Sm2Proof
from govcode_node.domain.keys import InvalidSignatureError, KeyPurpose
from govcode_node.domain.nodes import (
    NodeKey,
    NodeKeyPurpose,
    NodeRegistration,
    NodeState,
    NodeSuspendedError,
    NodeTrust,
)
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.recognition import EvidenceRefusedError, RecognizeAnswer, RevocationList
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import BundleConflictError, RevokedKey, RouteEntry, TrustBundle
from govcode_node.domain.scans import ScanAct, ScanAnswer
from govcode_node.ports.security import Statement
from govcode_node.wire.attestation import WireAttestor, WireEvidenceReader
from govcode_node.wire.evidence import (
    evidence_from_bytes,
    evidence_from_proto,
    evidence_to_bytes,
    evidence_to_proto,
    kept_evidence_to_proto,
)
from govcode_node.wire.statements import codec_of
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 12, 1, 8, 0, 0, 123_000, tzinfo=UTC)
DAY = timedelta(days=1)
NODE, PEER, HUB = "420100", "310000", "000000"

NODE_KEY = Sm2PrivateKey.generate()
OTHER_KEY = Sm2PrivateKey.generate()
HUB_KEY = Sm2PrivateKey.generate()
NEXT_HUB_KEY = Sm2PrivateKey.generate()


def point_of(key: Sm2PrivateKey) -> bytes:
    return key.public_key.to_point()


def id_of(key: Sm2PrivateKey) -> str:
    return key_id_of(point_of(key))


async def verify(point: bytes, signature: bytes, data: bytes) -> None:
    try:
        Sm2PublicKey.from_point(point).verify(signature, data)
    except (Sm2VerificationError, ValueError) as fault:
        raise InvalidSignatureError from fault


@dataclass
class Signer:
    """Signs payloads one by one, as a node that has little to do."""

    key: Sm2PrivateKey = NODE_KEY
    node_id: str = NODE
    signed_at: datetime = NOW
    purpose_instead: EvidencePurpose | None = None

    async def attest(self, purpose: EvidencePurpose, payload_type: str, payload: bytes) -> Evidence:
        signed = rules.signed_bytes(
            purpose=(self.purpose_instead or purpose).value,
            payload_type=payload_type,
            node_id=self.node_id,
            key_id=id_of(self.key),
            signed_time_ms=rules.milliseconds_of(self.signed_at),
            payload=payload,
        )
        return Evidence(
            payload=payload,
            payload_type=payload_type,
            node_id=self.node_id,
            key_id=id_of(self.key),
            signed_time=self.signed_at,
            proof=Sm2Proof(self.key.sign(signed)),
        )


@dataclass
class Trust:
    """A bundle in hand, and a newer one that a refresh may bring."""

    held: TrustBundle | None
    newer: TrustBundle | None = None
    asked: list[str] = field(default_factory=list)

    def bundle(self) -> TrustBundle | None:
        return self.held

    def evidence(self) -> bytes | None:
        return None

    def age(self) -> timedelta | None:
        return None

    async def refresh(self, *, why: str) -> None:
        self.asked.append(why)
        self.held = self.newer or self.held

    def revocation_list(self, node_id: str) -> RevocationList | None:
        return None


def node_key(
    key: Sm2PrivateKey, purpose: NodeKeyPurpose = NodeKeyPurpose.SIGN, *, ends_at: datetime | None = None
) -> NodeKey:
    return NodeKey(key_id=id_of(key), purpose=purpose, public_key=point_of(key), starts_at=NOW - DAY, ends_at=ends_at)


def bundle_of(*keys: NodeKey, state: NodeState = NodeState.ACTIVE, revoked: tuple[RevokedKey, ...] = ()) -> TrustBundle:
    node = NodeTrust(
        node_id=NODE,
        region_code=RegionCode(NODE),
        name_zh="武汉市",
        name_en="Wuhan",
        state=state,
        endpoints=("node:1",),
        certificate_name=f"spiffe://federation.govcode/node/{NODE}",
        keys=keys,
    )
    return TrustBundle(
        version=7, issued_at=NOW, routes=(RouteEntry("4201", NODE),), nodes=(node,), revoked_keys=revoked
    )


def reader_over(trust: Trust) -> WireEvidenceReader:
    return WireEvidenceReader(
        trust=trust, hub_keys=[point_of(HUB_KEY), point_of(NEXT_HUB_KEY)], verify=verify, proved_bytes=proved_bytes
    )


def answer(outcome: Outcome = Outcome.VALID) -> RecognizeAnswer:
    return RecognizeAnswer(
        request_digest=bytes(32),
        visited_node=PEER,
        home_node=NODE,
        act=ScanAct.SCAN,
        app_id="counter-app",
        biz_serial="S-1",
        scan_id="sc_1",
        code_id=bytes(16),
        outcome=outcome,
        subject_kind=SubjectKind.PERSON,
        decided_at=NOW,
        valid_until=NOW + timedelta(seconds=60),
    )


async def signed_answer(signer: Signer | None = None, outcome: Outcome = Outcome.VALID) -> bytes:
    return await WireAttestor(signer or Signer()).attest(EvidencePurpose.RECOGNIZE_ANSWER, answer(outcome))


async def read_answer(evidence: bytes, trust: Trust, signer: str | None = NODE) -> RecognizeAnswer:
    read = await reader_over(trust).read(
        evidence, purpose=EvidencePurpose.RECOGNIZE_ANSWER, kind=RecognizeAnswer, signer=signer
    )
    return read.statement


TRUSTED = bundle_of(node_key(NODE_KEY))


@pytest.mark.parametrize(
    ("purpose", "statement", "aside"),
    [
        (EvidencePurpose.TRUST_BUNDLE, TRUSTED, True),
        (EvidencePurpose.REVOCATION_LIST, RevocationList(node_id=NODE, list_time=NOW, code_ids=frozenset()), True),
        (EvidencePurpose.RECOGNIZE_ANSWER, answer(), False),
    ],
)
async def test_what_may_be_long_is_written_aside_from_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, purpose: EvidencePurpose, statement: Statement, aside: bool
) -> None:
    writers: list[int] = []
    write = WireAttestor.payload_of

    def noted(attestor: WireAttestor, statement: Statement) -> bytes:
        writers.append(threading.get_ident())
        return write(attestor, statement)

    monkeypatch.setattr(WireAttestor, "payload_of", noted)
    await WireAttestor(Signer()).attest(purpose, statement)
    assert [writer != threading.get_ident() for writer in writers] == [aside]


async def test_evidence_of_a_trusted_key_gives_the_statement_and_its_bytes() -> None:
    evidence = await signed_answer()
    read = await reader_over(Trust(TRUSTED)).read(
        evidence, purpose=EvidencePurpose.RECOGNIZE_ANSWER, kind=RecognizeAnswer, signer=NODE
    )
    assert read.statement == answer()
    assert (read.node_id, read.signed_at) == (NODE, NOW)
    assert read.payload == WireAttestor(Signer()).payload_of(answer())


@pytest.mark.req("N-41")
@pytest.mark.parametrize("signed_for", [purpose for purpose in EvidencePurpose if purpose != "RECOGNIZE_ANSWER"])
async def test_a_signature_made_for_another_purpose_is_refused(signed_for: EvidencePurpose) -> None:
    evidence = await signed_answer(Signer(purpose_instead=signed_for))
    with pytest.raises(EvidenceRefusedError):
        await read_answer(evidence, Trust(TRUSTED))


@pytest.mark.req("6.2-05", "N-41")
@given(st.data())
def test_an_altered_bit_anywhere_is_refused(data: st.DataObject) -> None:
    async def attempt() -> None:
        evidence = bytearray(await signed_answer())
        at = data.draw(st.integers(0, len(evidence) - 1))
        evidence[at] ^= 1 << data.draw(st.integers(0, 7))
        with pytest.raises((EvidenceRefusedError, NodeSuspendedError)):
            await read_answer(bytes(evidence), Trust(TRUSTED))

    asyncio.run(attempt())


async def test_an_altered_payload_is_refused_before_it_is_parsed() -> None:
    message = evidencev1.Evidence.FromString(await signed_answer())
    message.payload = b"\xff\xff not a message"
    with pytest.raises(EvidenceRefusedError) as caught:
        await read_answer(message.SerializeToString(), Trust(TRUSTED))
    assert "signature" in caught.value.why


async def test_a_proved_payload_that_is_no_statement_is_refused() -> None:
    forged = await Signer().attest(EvidencePurpose.RECOGNIZE_ANSWER, codec_of(RecognizeAnswer).payload_type, b"\xff")
    with pytest.raises(EvidenceRefusedError, match="no RecognizeAnswer"):
        await read_answer(evidence_to_bytes(forged), Trust(TRUSTED))


async def test_another_kind_of_statement_is_refused() -> None:
    statement = RevocationList(node_id=NODE, list_time=NOW, code_ids=frozenset())
    evidence = await WireAttestor(Signer()).attest(EvidencePurpose.REVOCATION_LIST, statement)
    with pytest.raises(EvidenceRefusedError):
        await read_answer(evidence, Trust(TRUSTED))


async def test_the_same_bytes_signed_as_another_message_are_refused() -> None:
    payload = WireAttestor(Signer()).payload_of(answer())
    signed = await Signer().attest(EvidencePurpose.RECOGNIZE_ANSWER, codec_of(ScanAnswer).payload_type, payload)
    with pytest.raises(EvidenceRefusedError, match="does not carry"):
        await read_answer(evidence_to_bytes(signed), Trust(TRUSTED))


async def test_a_good_signature_of_another_node_is_refused() -> None:
    evidence = await signed_answer()
    with pytest.raises(EvidenceRefusedError):
        await read_answer(evidence, Trust(TRUSTED), signer=PEER)


async def test_a_statement_in_another_nodes_name_is_refused() -> None:
    statement = RevocationList(node_id=PEER, list_time=NOW, code_ids=frozenset())
    evidence = await WireAttestor(Signer()).attest(EvidencePurpose.REVOCATION_LIST, statement)
    with pytest.raises(EvidenceRefusedError, match="another node"):
        await reader_over(Trust(TRUSTED)).read(
            evidence, purpose=EvidencePurpose.REVOCATION_LIST, kind=RevocationList, signer=NODE
        )


async def test_the_key_of_another_pair_under_a_trusted_name_is_refused() -> None:
    message = evidencev1.Evidence.FromString(await signed_answer(Signer(key=OTHER_KEY)))
    message.key_id = id_of(NODE_KEY)
    with pytest.raises(EvidenceRefusedError):
        await read_answer(message.SerializeToString(), Trust(TRUSTED))


@pytest.mark.parametrize("still_listed", [True, False])
async def test_a_revoked_key_is_refused_without_asking_the_hub(still_listed: bool) -> None:
    keys = (node_key(NODE_KEY),) if still_listed else ()
    trust = Trust(bundle_of(*keys, revoked=(RevokedKey(NODE, id_of(NODE_KEY), NOW),)))
    with pytest.raises(EvidenceRefusedError, match="revoked"):
        await read_answer(await signed_answer(), trust)
    assert trust.asked == []


async def test_an_unknown_key_is_looked_for_once_in_a_newer_bundle() -> None:
    trust = Trust(bundle_of(node_key(OTHER_KEY)), newer=TRUSTED)
    assert await read_answer(await signed_answer(), trust) == answer()
    assert len(trust.asked) == 1


async def test_a_key_that_no_bundle_knows_is_refused_after_one_look() -> None:
    trust = Trust(bundle_of(node_key(OTHER_KEY)))
    with pytest.raises(EvidenceRefusedError, match="not known"):
        await read_answer(await signed_answer(), trust)
    assert len(trust.asked) == 1


async def test_without_a_bundle_nothing_is_believed() -> None:
    trust = Trust(None)
    with pytest.raises(EvidenceRefusedError):
        await read_answer(await signed_answer(), trust)
    assert len(trust.asked) == 1


@pytest.mark.parametrize("purpose", [NodeKeyPurpose.ENCRYPT, NodeKeyPurpose.CODE_SEAL])
async def test_a_key_for_something_else_proves_no_evidence(purpose: NodeKeyPurpose) -> None:
    with pytest.raises(EvidenceRefusedError):
        await read_answer(await signed_answer(), Trust(bundle_of(node_key(NODE_KEY, purpose))))


@pytest.mark.parametrize(
    ("signed_at", "good"),
    [(NOW - DAY, True), (NOW - DAY - timedelta(milliseconds=1), False), (NOW, False), (NOW + DAY, False)],
)
async def test_a_key_must_have_held_when_it_signed(signed_at: datetime, good: bool) -> None:
    trust = Trust(bundle_of(node_key(NODE_KEY, ends_at=NOW)))
    evidence = await signed_answer(Signer(signed_at=signed_at))
    if good:
        assert await read_answer(evidence, trust) == answer()
    else:
        with pytest.raises(EvidenceRefusedError):
            await read_answer(evidence, trust)


@pytest.mark.req("7.3-07")
async def test_evidence_of_a_suspended_node_is_refused_as_such() -> None:
    with pytest.raises(NodeSuspendedError):
        await read_answer(await signed_answer(), Trust(bundle_of(node_key(NODE_KEY), state=NodeState.SUSPENDED)))


@pytest.mark.parametrize("state", [NodeState.JOINING, NodeState.RETIRED])
async def test_evidence_of_a_node_that_takes_no_part_is_refused(state: NodeState) -> None:
    with pytest.raises(EvidenceRefusedError):
        await read_answer(await signed_answer(), Trust(bundle_of(node_key(NODE_KEY), state=state)))


@pytest.mark.req("N-41")
async def test_evidence_whose_payload_has_fields_of_a_newer_release_holds() -> None:
    payload = WireAttestor(Signer()).payload_of(answer()) + b"\xfa\x3e\x03new"
    evidence = await WireAttestor(Signer()).attest_payload(EvidencePurpose.RECOGNIZE_ANSWER, RecognizeAnswer, payload)
    read = await reader_over(Trust(TRUSTED)).read(
        evidence + b"\xfa\x3e\x03env", purpose=EvidencePurpose.RECOGNIZE_ANSWER, kind=RecognizeAnswer
    )
    assert (read.statement, read.payload) == (answer(), payload)


async def test_a_batch_of_the_nodes_attestor_is_believed_leaf_by_leaf() -> None:
    class OneKey:
        def current_key_id(self, purpose: KeyPurpose) -> str:
            return id_of(NODE_KEY)

        async def sign_with(self, key_id: str, purpose: KeyPurpose, data: bytes) -> bytes:
            return NODE_KEY.sign(data)

    class Clock:
        def now(self) -> datetime:
            return NOW

        def monotonic(self) -> float:
            return 0.0

    batching = BatchingAttestor(OneKey(), node_id=NODE, clock=Clock())
    attestor = WireAttestor(batching)
    outcomes = list(Outcome)
    made = await asyncio.gather(
        *(attestor.attest(EvidencePurpose.RECOGNIZE_ANSWER, answer(outcome)) for outcome in outcomes)
    )
    await batching.aclose()
    assert isinstance(evidence_from_bytes(made[1]).proof, MerkleProof)
    for outcome, evidence in zip(outcomes, made, strict=True):
        assert await read_answer(evidence, Trust(TRUSTED)) == answer(outcome)
    moved = evidencev1.Evidence.FromString(made[1])
    moved.merkle.leaf_index = 0
    with pytest.raises(EvidenceRefusedError):
        await read_answer(moved.SerializeToString(), Trust(TRUSTED))


async def test_a_statement_is_signed_for_its_own_purpose_alone() -> None:
    with pytest.raises(ValueError, match="RECOGNIZE_ANSWER"):
        await WireAttestor(Signer()).attest(EvidencePurpose.SCAN_ANSWER, answer())


async def test_stored_bytes_are_signed_as_they_are_and_read_again() -> None:
    attestor = WireAttestor(Signer())
    statement = ScanAnswer(
        scan_id="sc_1",
        act=ScanAct.VERIFY,
        biz_serial="S-1",
        app_id="counter-app",
        outcome=Outcome.EXPIRED,
        decided_by=NODE,
        decided_at=NOW,
        valid_until=NOW,
        scene_no=1,
        code_text_digest=bytes(32),
    )
    kept = attestor.payload_of(statement)
    evidence = await attestor.attest_payload(EvidencePurpose.SCAN_ANSWER, ScanAnswer, kept)
    assert evidence_from_bytes(evidence).payload == kept
    assert attestor.statement_of(ScanAnswer, kept) == statement


# The hub's bundle


async def signed_bundle(key: Sm2PrivateKey = HUB_KEY, node_id: str = HUB, bundle: TrustBundle = TRUSTED) -> bytes:
    return await WireAttestor(Signer(key=key, node_id=node_id)).attest(EvidencePurpose.TRUST_BUNDLE, bundle)


@pytest.mark.req("7.3-03")
@pytest.mark.parametrize("key", [HUB_KEY, NEXT_HUB_KEY])
async def test_a_bundle_under_a_pinned_key_is_taken_whatever_is_held(key: Sm2PrivateKey) -> None:
    read = await reader_over(Trust(None)).read_bundle(await signed_bundle(key))
    assert read.statement == TRUSTED


@pytest.mark.req("7.3-03")
async def test_a_bundle_under_a_key_that_is_trusted_but_not_pinned_is_refused() -> None:
    trust = Trust(bundle_of(node_key(NODE_KEY), node_key(OTHER_KEY)))
    for evidence in (await signed_bundle(NODE_KEY, NODE), await signed_bundle(NODE_KEY, HUB)):
        with pytest.raises(EvidenceRefusedError, match="pinned"):
            await reader_over(trust).read_bundle(evidence)
    assert trust.asked == []


async def test_the_hubs_key_in_another_nodes_name_is_refused() -> None:
    with pytest.raises(EvidenceRefusedError):
        await reader_over(Trust(None)).read_bundle(await signed_bundle(HUB_KEY, NODE))


@pytest.mark.req("N-41")
async def test_a_consent_signature_offered_as_bundle_is_refused() -> None:
    signer = Signer(key=HUB_KEY, node_id=HUB, purpose_instead=EvidencePurpose.CONSENT)
    evidence = await WireAttestor(signer).attest(EvidencePurpose.TRUST_BUNDLE, TRUSTED)
    with pytest.raises(EvidenceRefusedError):
        await reader_over(Trust(None)).read_bundle(evidence)


@pytest.mark.req("7.3-03")
async def test_an_altered_bundle_is_refused() -> None:
    message = evidencev1.Evidence.FromString(await signed_bundle())
    message.payload = message.payload.replace(b"4201", b"4301")
    with pytest.raises(EvidenceRefusedError):
        await reader_over(Trust(None)).read_bundle(message.SerializeToString())


@pytest.mark.req("7.3-05")
async def test_a_signed_bundle_that_contradicts_itself_is_refused_whole() -> None:
    payload = codec_of(TrustBundle).encode(TRUSTED)
    twice = await WireAttestor(Signer(key=HUB_KEY, node_id=HUB)).attest_payload(
        EvidencePurpose.TRUST_BUNDLE, TrustBundle, payload + payload
    )
    with pytest.raises(BundleConflictError):
        await reader_over(Trust(None)).read_bundle(twice)


async def test_a_bundle_of_many_nodes_is_read() -> None:
    nodes = tuple(replace(TRUSTED.nodes[0], node_id=f"{number:06d}") for number in range(110_000, 110_600))
    large = replace(TRUSTED, nodes=nodes, routes=())
    evidence = await signed_bundle(bundle=large)
    assert len(evidence) > 64 * 1024
    assert (await reader_over(Trust(None)).read_bundle(evidence)).statement == large


# Registrations


def registration(*keys: NodeKey) -> NodeRegistration:
    return NodeRegistration(
        node_id=NODE,
        region_code=RegionCode(NODE),
        name_zh="武汉市",
        name_en="Wuhan",
        prefixes=("4201",),
        endpoints=("node:8443",),
        keys=keys,
        software_version="0.1.0",
        protocol_versions=(1,),
    )


FULL = registration(node_key(NODE_KEY), node_key(OTHER_KEY, NodeKeyPurpose.ENCRYPT))


async def signed_registration(statement: NodeRegistration = FULL, signer: Signer | None = None) -> bytes:
    return await WireAttestor(signer or Signer()).attest(EvidencePurpose.NODE_REGISTRATION, statement)


async def test_a_registration_under_its_own_key_is_read_without_any_bundle() -> None:
    read = await reader_over(Trust(None)).read_registration(await signed_registration())
    assert (read.statement, read.node_id) == (FULL, NODE)


@pytest.mark.parametrize(
    ("statement", "signer"),
    [
        (registration(node_key(OTHER_KEY), node_key(NODE_KEY, NodeKeyPurpose.ENCRYPT)), Signer()),
        (registration(node_key(OTHER_KEY)), Signer()),
        (FULL, Signer(key=OTHER_KEY)),
        (FULL, Signer(signed_at=NOW - 2 * DAY)),
        (FULL, Signer(purpose_instead=EvidencePurpose.TRUST_BUNDLE)),
    ],
    ids=["signed by the ENCRYPT key", "key not in it", "other key", "before the key began", "other purpose"],
)
async def test_a_registration_that_its_own_sign_key_does_not_prove_is_refused(
    statement: NodeRegistration, signer: Signer
) -> None:
    with pytest.raises(EvidenceRefusedError):
        await reader_over(Trust(None)).read_registration(await signed_registration(statement, signer))


async def test_a_point_under_anothers_key_id_is_refused() -> None:
    forged = replace(node_key(OTHER_KEY), key_id=id_of(NODE_KEY))
    payload = codec_of(NodeRegistration).encode(registration(forged, node_key(OTHER_KEY, NodeKeyPurpose.ENCRYPT)))
    signed = rules.signed_bytes(
        purpose=EvidencePurpose.NODE_REGISTRATION.value,
        payload_type=codec_of(NodeRegistration).payload_type,
        node_id=NODE,
        key_id=id_of(NODE_KEY),
        signed_time_ms=rules.milliseconds_of(NOW),
        payload=payload,
    )
    evidence = Evidence(
        payload=payload,
        payload_type=codec_of(NodeRegistration).payload_type,
        node_id=NODE,
        key_id=id_of(NODE_KEY),
        signed_time=NOW,
        proof=Sm2Proof(OTHER_KEY.sign(signed)),
    )
    with pytest.raises(EvidenceRefusedError):
        await reader_over(Trust(None)).read_registration(evidence_to_bytes(evidence))


async def test_a_proved_registration_with_a_bad_field_names_the_field() -> None:
    with pytest.raises(InvalidFieldError) as caught:
        await reader_over(Trust(None)).read_registration(await signed_registration(registration(node_key(NODE_KEY))))
    assert caught.value.field == "keys"


# The envelope

TIMES = st.integers(0, 4_000_000_000_000).map(rules.moment_of)
SIGNATURES = st.binary(min_size=64, max_size=64)


@st.composite
def merkle_proofs(draw: st.DrawFn) -> MerkleProof:
    count = draw(st.integers(1, 65_536))
    return MerkleProof(
        leaf_index=draw(st.integers(0, count - 1)),
        leaf_count=count,
        path=tuple(draw(st.lists(st.binary(min_size=32, max_size=32), max_size=16))),
        root_time=draw(TIMES),
        root_signature=draw(SIGNATURES),
    )


ENVELOPES = st.builds(
    Evidence,
    payload=st.binary(max_size=100),
    payload_type=st.text("abc.V1", min_size=1, max_size=20),
    node_id=st.from_regex(r"[0-9]{6}(-[a-z0-9]{1,16})?", fullmatch=True),
    key_id=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    signed_time=TIMES,
    proof=st.builds(Sm2Proof, SIGNATURES) | merkle_proofs(),
)


@given(ENVELOPES)
def test_an_envelope_comes_back_as_it_was_made(evidence: Evidence) -> None:
    assert evidence_from_proto(evidence_to_proto(evidence)) == evidence
    assert evidence_from_bytes(evidence_to_bytes(evidence)) == evidence


@given(st.binary(max_size=300))
def test_bytes_that_are_no_evidence_are_refused_and_nothing_else(data: bytes) -> None:
    try:
        evidence_from_bytes(data)
    except InvalidEvidenceError:
        return


@pytest.mark.parametrize(
    "spoil", ["no proof", "fine time", "fine root time", "no time zone name", "bad node", "bad key"]
)
def test_an_envelope_that_could_not_be_checked_is_refused(spoil: str) -> None:
    message = evidencev1.Evidence(payload_type="a.B", node_id=NODE, key_id="00ff00ff00ff00ff", sm2_signature=bytes(64))
    evidence_from_proto(message)
    match spoil:
        case "no proof":
            message.ClearField("sm2_signature")
        case "fine time":
            message.signed_time.nanos = 1
        case "fine root time":
            message.merkle.leaf_count = 1
            message.merkle.root_signature = bytes(64)
            message.merkle.root_time.nanos = 1_000_001
        case "no time zone name":
            message.signed_time.seconds = -5
        case "bad node":
            message.node_id = "420100\n"
        case "bad key":
            message.key_id = "KEY"
    with pytest.raises(InvalidEvidenceError):
        evidence_from_proto(message)


def test_kept_evidence_goes_out_as_it_is_and_absent_evidence_stays_absent() -> None:
    data = evidence_to_bytes(
        Evidence(
            payload=b"p",
            payload_type="a.B",
            node_id=NODE,
            key_id=id_of(NODE_KEY),
            signed_time=NOW,
            proof=Sm2Proof(bytes(64)),
        )
    )
    message = kept_evidence_to_proto(data)
    assert message is not None
    assert message.SerializeToString(deterministic=True) == data
    assert kept_evidence_to_proto(b"") is None
