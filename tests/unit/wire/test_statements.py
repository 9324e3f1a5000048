"""Every statement of a node survives its way over the wire, and a neighbour's release is understood."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from govcode.code.v1 import scan_pb2 as scanv1
from govcode.federation.v1 import recognition_pb2 as recognitionv1
from govcode.hub.v1 import node_pb2 as nodev1
from govcode.operations.v1 import node_status_pb2 as statusv1
from govcode.routing.v1 import trust_bundle_pb2 as trustv1
from govcode_client.sm2 import key_id_of
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.disclosure import DisclosedField, FieldName
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.nodes import (
    Impairment,
    NodeCondition,
    NodeKey,
    NodeKeyPurpose,
    NodeRegistration,
    NodeState,
    NodeStatus,
    NodeTrust,
    OutcomeCount,
    PeerCondition,
    RevocationListDigest,
    StatusSummary,
)
from govcode_node.domain.outcomes import Decision, Outcome, decision_of
from govcode_node.domain.recognition import PeerAnswerRefusedError, RecognizeAnswer, RecognizeRequest, RevocationList
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.routes import BundleConflictError, RevokedKey, RouteEntry, TrustBundle
from govcode_node.domain.scans import Freshness, ScanAct, ScanAnswer
from govcode_node.domain.scenes import SceneClass
from govcode_node.ports.security import Statement
from govcode_node.wire.fields import WireFieldsCodec
from govcode_node.wire.recognition import recognize_answer_from_proto, recognize_request_to_proto
from govcode_node.wire.scans import scan_answer_from_proto, scan_answer_to_proto
from govcode_node.wire.statements import UnreadableStatementError, codec_of
from govcode_node.wire.status import node_status_from_proto, node_status_to_proto
from govcode_node.wire.trust import (
    node_key_from_proto,
    node_trust_from_proto,
    node_trust_to_proto,
    registration_from_proto,
    registration_to_proto,
    trust_bundle_to_proto,
)
from hypothesis import given
from hypothesis import strategies as st
from kit.texts import shown_texts

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 4_000_000_000_000).map(lambda ms: _BEGIN + timedelta(milliseconds=ms))
SECONDS = st.integers(0, 2**31).map(lambda seconds: timedelta(seconds=seconds))
SHOWN = shown_texts()
NAMES = st.just("") | SHOWN
IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
DIGESTS = st.binary(min_size=32, max_size=32)
CODE_IDS = st.binary(min_size=16, max_size=16)
PREFIXES = st.integers(1, 3).flatmap(lambda pairs: st.text("123456789", min_size=2 * pairs, max_size=2 * pairs))
REGIONS = st.integers(11, 99).map(lambda province: RegionCode(f"{province}0000"))
NODE_IDS = REGIONS.map(str)
POINTS = st.binary(min_size=64, max_size=64).map(lambda rest: b"\x04" + rest)
ENDPOINTS = st.integers(1, 65535).map(lambda port: f"node.example:{port}")

FIELDS = st.builds(DisclosedField, name=st.sampled_from(FieldName), value=NAMES, masked=st.booleans())
FRESHNESS = st.builds(Freshness, bundle_age=st.none() | SECONDS, revocation_list_age=st.none() | SECONDS)
SCAN_ANSWERS = st.builds(
    ScanAnswer,
    scan_id=IDS,
    act=st.sampled_from(ScanAct),
    biz_serial=IDS,
    app_id=IDS,
    outcome=st.sampled_from(Outcome),
    code_id=CODE_IDS | st.just(b""),
    subject_kind=st.none() | st.sampled_from(SubjectKind),
    proxy=st.booleans(),
    pairwise_id=IDS | st.just(""),
    fields=st.lists(FIELDS, max_size=4).map(tuple),
    decided_by=NODE_IDS,
    home_region=NODE_IDS | st.just(""),
    cross_region=st.booleans(),
    decided_at=MOMENTS,
    valid_until=MOMENTS,
    freshness=FRESHNESS,
    scene_no=st.integers(0, 65535),
    code_text_digest=DIGESTS,
)
REQUESTS = st.builds(
    RecognizeRequest,
    visited_node=NODE_IDS,
    home_node=NODE_IDS,
    act=st.sampled_from(ScanAct),
    code_text=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=1024),
    app_id=IDS,
    biz_serial=IDS,
    relying_party_name=SHOWN,
    relying_party_uscc=IDS,
    scene_class=st.sampled_from(SceneClass),
    place=NAMES,
    scanned_at=MOMENTS,
)
ANSWERS = st.builds(
    RecognizeAnswer,
    request_digest=DIGESTS,
    visited_node=NODE_IDS,
    home_node=NODE_IDS,
    act=st.sampled_from(ScanAct),
    app_id=IDS,
    biz_serial=IDS,
    scan_id=IDS,
    code_id=CODE_IDS | st.just(b""),
    outcome=st.sampled_from(Outcome),
    subject_kind=st.none() | st.sampled_from(SubjectKind),
    proxy=st.booleans(),
    pairwise_id=IDS | st.just(""),
    sealed_fields=st.binary(max_size=100),
    decided_at=MOMENTS,
    valid_until=MOMENTS,
)


@st.composite
def node_keys(draw: st.DrawFn, purpose: NodeKeyPurpose | None = None) -> NodeKey:
    point = draw(POINTS)
    return NodeKey(
        key_id=key_id_of(point),
        purpose=purpose or draw(st.sampled_from(NodeKeyPurpose)),
        public_key=point,
        key_no=draw(st.integers(0, 65535)),
        starts_at=draw(MOMENTS),
        ends_at=draw(st.none() | MOMENTS),
    )


NODES = st.builds(
    NodeTrust,
    node_id=NODE_IDS,
    region_code=REGIONS,
    name_zh=NAMES,
    name_en=NAMES,
    state=st.sampled_from(NodeState),
    endpoints=st.lists(ENDPOINTS, max_size=3).map(tuple),
    certificate_name=NAMES,
    keys=st.lists(node_keys(), max_size=3).map(tuple),
    revocation_list=st.none() | st.builds(RevocationListDigest, list_time=MOMENTS, digest=DIGESTS),
)


@st.composite
def bundles(draw: st.DrawFn) -> TrustBundle:
    nodes = draw(st.lists(NODES, unique_by=lambda node: node.node_id, min_size=1, max_size=4))
    homes = st.sampled_from([node.node_id for node in nodes])
    prefixes = draw(st.lists(PREFIXES, unique=True, max_size=4))
    return TrustBundle(
        version=draw(st.integers(0, 2**64 - 1)),
        issued_at=draw(MOMENTS),
        routes=tuple(RouteEntry(prefix, draw(homes)) for prefix in prefixes),
        nodes=tuple(nodes),
        revoked_keys=tuple(draw(st.lists(st.builds(RevokedKey, NODE_IDS, POINTS.map(key_id_of), MOMENTS), max_size=3))),
    )


@st.composite
def registrations(draw: st.DrawFn) -> NodeRegistration:
    keys = [
        draw(node_keys(NodeKeyPurpose.SIGN)),
        draw(node_keys(NodeKeyPurpose.ENCRYPT)),
        *draw(st.lists(node_keys(), max_size=2)),
    ]
    return NodeRegistration(
        node_id=draw(NODE_IDS),
        region_code=draw(REGIONS),
        name_zh=draw(SHOWN),
        name_en=draw(SHOWN),
        prefixes=tuple(draw(st.lists(PREFIXES, unique=True, min_size=1, max_size=4))),
        endpoints=tuple(draw(st.lists(ENDPOINTS, min_size=1, max_size=8))),
        keys=tuple(keys),
        software_version=draw(IDS),
        protocol_versions=tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))),
    )


SUMMARIES = st.builds(
    StatusSummary,
    node_id=NODE_IDS,
    minute=MOMENTS,
    codes_issued=st.integers(0, 2**64 - 1),
    outcomes=st.lists(
        st.builds(
            OutcomeCount,
            visited_node=NODE_IDS,
            home_node=NODE_IDS | st.just(""),
            outcome=IDS,
            count=st.integers(0, 2**64 - 1),
        ),
        max_size=4,
    ).map(tuple),
)
LISTS = st.builds(RevocationList, node_id=NODE_IDS, list_time=MOMENTS, code_ids=st.frozensets(CODE_IDS, max_size=5))
STATUSES = st.builds(
    NodeStatus,
    node_id=NODE_IDS,
    region_code=REGIONS,
    condition=st.sampled_from(NodeCondition),
    impairments=st.lists(st.sampled_from(Impairment), unique=True).map(tuple),
    software_version=IDS,
    started_at=MOMENTS,
    taken_at=MOMENTS,
    keystore=IDS,
    bundle_version=st.integers(0, 2**64 - 1),
    bundle_age=SECONDS,
    calls_per_second=st.floats(0, 1e6),
    p99_ms=st.floats(0, 1e6),
    fault_ratio=st.floats(0, 1),
    store_queue=st.integers(0, 2**32 - 1),
    slowest_loop_age=SECONDS,
    peers=st.lists(
        st.builds(PeerCondition, node_id=NODE_IDS, available=st.booleans(), answer_ms=st.integers(0, 2**32 - 1)),
        max_size=3,
    ).map(tuple),
)
STATEMENTS = st.one_of(SCAN_ANSWERS, REQUESTS, ANSWERS, bundles(), registrations(), SUMMARIES, LISTS)


@given(STATEMENTS)
def test_every_statement_comes_back_as_it_was_stated(statement: Statement) -> None:
    codec = codec_of(type(statement))
    assert codec.decode(codec.encode(statement)) == statement


@given(STATEMENTS)
def test_the_same_statement_always_makes_the_same_payload(statement: Statement) -> None:
    codec = codec_of(type(statement))
    assert codec.encode(statement) == codec.encode(codec.decode(codec.encode(statement)))


@given(
    st.sampled_from(
        [ScanAnswer, RecognizeRequest, RecognizeAnswer, TrustBundle, NodeRegistration, StatusSummary, RevocationList]
    ),
    st.binary(max_size=200),
)
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(kind: type[Statement], data: bytes) -> None:
    try:
        statement = codec_of(kind).decode(data)
    except (UnreadableStatementError, BundleConflictError):
        return
    assert isinstance(statement, kind)


@given(STATUSES)
def test_a_status_comes_back_as_it_was_reported(status: NodeStatus) -> None:
    assert node_status_from_proto(node_status_to_proto(status)) == status


@given(st.lists(FIELDS, max_size=6).map(tuple))
def test_sealed_fields_come_back_as_they_were_disclosed(fields: tuple[DisclosedField, ...]) -> None:
    codec = WireFieldsCodec()
    assert codec.load(codec.dump(fields)) == fields


def test_bytes_that_are_no_fields_make_the_answer_refused() -> None:
    with pytest.raises(PeerAnswerRefusedError):
        WireFieldsCodec().load(b"\x0a\xff")


def test_a_field_of_a_newer_release_is_left_out() -> None:
    message = recognitionv1.SealedFields()
    message.fields.add(name="birthday", value="2001")
    message.fields.add(name="name", value="张*", masked=True)
    assert WireFieldsCodec().load(message.SerializeToString()) == (DisclosedField(FieldName.NAME, "张*", True),)


def test_the_signed_decision_is_that_of_the_outcome_and_cannot_be_read_from_elsewhere() -> None:
    message = scan_answer_to_proto(_answer(Outcome.REVOKED))
    assert message.decision == scanv1.ScanAnswer(decision=2).decision
    message.decision = 1
    assert decision_of(scan_answer_from_proto(message).outcome) is Decision.REJECT


def test_an_outcome_of_a_newer_home_node_is_a_refusal() -> None:
    message = recognitionv1.RecognizeAnswer(act=1, outcome=0)
    assert decision_of(recognize_answer_from_proto(message).outcome) is Decision.REJECT
    newer = recognitionv1.RecognizeAnswer.FromString(message.SerializeToString() + b"\x48\xe7\x07")
    assert newer.outcome == 999
    assert decision_of(recognize_answer_from_proto(newer).outcome) is Decision.REJECT


@pytest.mark.req("N-41")
def test_a_neighbours_message_with_unknown_fields_is_read() -> None:
    request = _request()
    message = recognize_request_to_proto(request)
    newer = message.SerializeToString() + b"\xfa\x3e\x03new"
    assert len(UnknownFieldSet(recognitionv1.RecognizeRequest.FromString(newer))) == 1
    assert codec_of(RecognizeRequest).decode(newer) == request


def test_unknown_words_of_a_newer_hub_never_make_a_node_or_key_trusted() -> None:
    node = NodeTrust(
        node_id="420100",
        region_code=RegionCode("420100"),
        name_zh="武汉市",
        name_en="Wuhan",
        state=NodeState.ACTIVE,
        endpoints=("n:1",),
        certificate_name="x",
        keys=(),
    )
    message = node_trust_to_proto(node)
    message.ClearField("state")
    newer = trustv1.NodeTrust.FromString(message.SerializeToString() + b"\x28\x63")
    newer.keys.add(key_id="00ff00ff00ff00ff", public_key=bytes(65)).MergeFromString(b"\x10\x63")
    read = node_trust_from_proto(newer)
    assert (read.state, read.keys) == (NodeState.SUSPENDED, ())


def test_a_key_without_a_purpose_is_refused() -> None:
    with pytest.raises(InvalidFieldError):
        node_key_from_proto(trustv1.NodeKey(key_id="00ff00ff00ff00ff", public_key=bytes(65)), "keys")


def test_unknown_conditions_count_as_degraded_and_unknown_impairments_are_left_out() -> None:
    message = statusv1.NodeStatus(node_id="420100", region_code="420100", impairments=["STORE", "WEATHER"])
    message.MergeFromString(b"\x10\x63")
    status = node_status_from_proto(message)
    assert (status.condition, status.impairments) == (NodeCondition.DEGRADED, (Impairment.STORE,))


@pytest.mark.req("7.3-05")
def test_a_bundle_with_two_equal_prefixes_is_refused_whole() -> None:
    message = trustv1.TrustBundle(version=1)
    message.nodes.add(node_id="420000", region_code="420000", state=trustv1.NODE_STATE_ACTIVE)
    for _ in range(2):
        message.routes.add(prefix="42", node_id="420000")
    with pytest.raises(BundleConflictError):
        codec_of(TrustBundle).decode(message.SerializeToString())


def test_a_nodes_keys_can_be_left_out_of_a_route_answer() -> None:
    point = b"\x04" + bytes(64)
    key = NodeKey(key_id=key_id_of(point), purpose=NodeKeyPurpose.SIGN, public_key=point, starts_at=_BEGIN)
    bundle = TrustBundle(version=1, issued_at=_BEGIN, routes=(), nodes=(_node(keys=(key,)),))
    assert len(trust_bundle_to_proto(bundle).nodes[0].keys) == 1
    assert len(node_trust_to_proto(bundle.nodes[0], with_keys=False).keys) == 0


@given(registrations(), st.data())
def test_a_registration_with_one_bad_field_is_refused(registration: NodeRegistration, data: st.DataObject) -> None:
    message = registration_to_proto(registration)
    spoil = data.draw(st.sampled_from(list(_SPOILERS)))
    _SPOILERS[spoil](message)
    with pytest.raises(InvalidFieldError):
        registration_from_proto(message)


def _drop_encrypt(message: nodev1.NodeRegistration) -> None:
    kept = [key for key in message.keys if key.purpose != trustv1.NODE_KEY_PURPOSE_ENCRYPT]
    del message.keys[:]
    message.keys.extend(kept)


def _swap_key_id(message: nodev1.NodeRegistration) -> None:
    message.keys[0].key_id = "0123456789abcdef"


def _nameless(message: nodev1.NodeRegistration) -> None:
    message.name_zh = ""


def _bad_prefix(message: nodev1.NodeRegistration) -> None:
    message.prefixes.append("420")


def _same_prefix(message: nodev1.NodeRegistration) -> None:
    message.prefixes.append(message.prefixes[0])


def _no_endpoint(message: nodev1.NodeRegistration) -> None:
    del message.endpoints[:]


def _bad_endpoint(message: nodev1.NodeRegistration) -> None:
    message.endpoints[0] = "http://node"


def _bad_node(message: nodev1.NodeRegistration) -> None:
    message.node_id = "../hub"


_SPOILERS = {
    spoiler.__name__: spoiler
    for spoiler in (
        _drop_encrypt,
        _swap_key_id,
        _nameless,
        _bad_prefix,
        _same_prefix,
        _no_endpoint,
        _bad_endpoint,
        _bad_node,
    )
}


def _node(keys: tuple[NodeKey, ...]) -> NodeTrust:
    return NodeTrust(
        node_id="420100",
        region_code=RegionCode("420100"),
        name_zh="武汉市",
        name_en="Wuhan",
        state=NodeState.ACTIVE,
        endpoints=("n:1",),
        certificate_name="x",
        keys=keys,
    )


def _answer(outcome: Outcome) -> ScanAnswer:
    return ScanAnswer(
        scan_id="sc_1",
        act=ScanAct.SCAN,
        biz_serial="S-1",
        app_id="counter-app",
        outcome=outcome,
        decided_by="420100",
        decided_at=_BEGIN,
        valid_until=_BEGIN,
        scene_no=1,
        code_text_digest=bytes(32),
    )


def _request() -> RecognizeRequest:
    return RecognizeRequest(
        visited_node="310000",
        home_node="420100",
        act=ScanAct.SCAN,
        code_text="ZWM1:X",
        app_id="counter-app",
        biz_serial="S-1",
        relying_party_name="江汉区政务服务中心",
        relying_party_uscc="91350100M000100Y43",
        scene_class=SceneClass.COUNTER,
        place="",
        scanned_at=_BEGIN,
    )
