"""A code of one region shown in another: its home decides, and the visited node believes nothing else."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from govcode.common.v1 import evidence_pb2 as evidencev1
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import Caller, IdentityMismatchError
from govcode_node.domain.codes import Carrier, CodeProfile
from govcode_node.domain.disclosure import DisclosedField, FieldName, FieldRule
from govcode_node.domain.errors import RateLimitedError, SerialConflictError
from govcode_node.domain.events import CodeScanned
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.keys import KeyPurpose, UnknownKeyError
from govcode_node.domain.nodes import NodeSuspendedError
from govcode_node.domain.outcomes import Decision, Outcome, decision_of
from govcode_node.domain.parties import RegistrationState
from govcode_node.domain.recognition import (
    EvidenceRefusedError,
    EvidenceStaleError,
    HopLimitError,
    LoopDetectedError,
    RecognizeAnswer,
    RecognizeRequest,
)
from govcode_node.domain.routes import RevokedKey
from govcode_node.domain.scans import ScanAct, ScanAnswer
from govcode_node.domain.scenes import SceneClass
from govcode_node.domain.zwm1 import Zwm1Codec
from kit.clocks import MovableClock
from kit.federation_in_memory import FederationInMemory, NodeInMemory, parse
from kit.people_in_memory import (
    ENTITY,
    OTHER_USCC,
    PERSON,
    TRACE,
    Counter,
    Holder,
    MobileApp,
    OperatorDesk,
    call_of,
    furnish,
    masked,
)

HOME, VISITED = "420100", "110000"
AWAY = {Outcome.HOME_NODE_UNREACHABLE, Outcome.HOME_NODE_TIMEOUT}


@dataclass
class TwoNodes:
    """Wuhan, where the holder lives, and Beijing, which the holder visits."""

    federation: FederationInMemory
    home: NodeInMemory
    visited: NodeInMemory
    holder: Holder
    counter: Counter
    clock: MovableClock

    async def answer_of(self, **fields: Any) -> ScanAnswer:
        code = await self.holder.present(**fields)
        return (await self.counter.scan(code)).answer


@pytest.fixture(params=["once", "rerun"])
async def two(federation: FederationInMemory, request: pytest.FixtureRequest) -> TwoNodes:
    rerun = request.param == "rerun"
    home = federation.add(
        HOME,
        prefixes=("42",),
        name_zh="武汉市",
        rerun=rerun,
        disclosure={SceneClass.COUNTER: masked(FieldName.NAME, FieldName.PHONE)},
    )
    visited = federation.add(VISITED, prefixes=("11",), name_zh="北京市", rerun=rerun)
    federation.publish()
    counter = await furnish(visited)
    return TwoNodes(federation, home, visited, await MobileApp(home).open_account(), counter, federation.clock)


def altered(change: Callable[[evidencev1.Evidence], None]) -> Callable[[bytes], bytes]:
    """A hand on the way that changes something of the evidence."""

    def tamper(data: bytes) -> bytes:
        message = evidencev1.Evidence.FromString(data)
        change(message)
        return message.SerializeToString()

    return tamper


@pytest.mark.req("6.2-01")
async def test_a_code_of_wuhan_is_good_in_beijing_though_its_holder_is_unknown_there(two: TwoNodes) -> None:
    code = await two.holder.present()

    result = await two.counter.scan(code)

    answer = result.answer
    assert (answer.outcome, answer.decided_by, answer.home_region) == (Outcome.VALID, HOME, HOME)
    assert (answer.cross_region, answer.subject_kind, answer.code_id) == (True, PERSON, code.code.code_id)
    assert answer.valid_until == two.clock.now() + timedelta(seconds=60)
    assert answer.freshness.bundle_age == timedelta(0)
    assert result.home_region_name == "武汉市"
    assert await two.visited.database.read(lambda tx: tx.accounts.get(two.holder.account.account_id)) is None
    read = await two.visited.reader.read(
        result.home_evidence, purpose=EvidencePurpose.RECOGNIZE_ANSWER, kind=RecognizeAnswer, signer=HOME
    )
    assert read.statement.scan_id != answer.scan_id


@pytest.mark.req("6.2-02")
@pytest.mark.parametrize(
    ("issuing", "routes"),
    [
        ("420106", [("420106", "420106"), ("4201", "420100"), ("42", "420000"), ("11", VISITED)]),
        ("420100", [("420106", "420106"), ("4201", "420100"), ("42", "420000"), ("11", VISITED)]),
        ("420000", [("420106", "420106"), ("4201", "420100"), ("42", "420000"), ("11", VISITED)]),
    ],
)
async def test_codes_of_county_city_and_province_find_their_homes_by_the_longest_prefix(
    federation: FederationInMemory, issuing: str, routes: list[tuple[str, str]]
) -> None:
    for node_id in ("420106", "420100", "420000", VISITED):
        federation.add(node_id)
    federation.publish(routes=routes)
    counter = await furnish(federation.nodes[VISITED])
    code = await (await MobileApp(federation.nodes[issuing]).open_account()).present()

    answer = (await counter.scan(code)).answer

    assert (answer.outcome, answer.decided_by) == (Outcome.VALID, issuing)
    assert [question.asked for question in federation.questions] == [issuing]


@pytest.mark.req("6.2-02")
async def test_a_region_that_nobody_is_home_to_is_looked_up_once_more_then_unknown(two: TwoNodes) -> None:
    code = await two.holder.present()
    two.federation.publish(to=[two.visited], routes=[("11", VISITED)])

    assert (await two.counter.scan(code)).answer.outcome is Outcome.ISSUER_UNKNOWN
    assert len(two.visited.trust.asked) == 1
    two.visited.trust.newer = two.federation.publish(to=[two.home])
    assert (await two.counter.scan(code)).answer.outcome is Outcome.VALID


async def test_without_a_bundle_only_own_codes_are_judged(two: TwoNodes) -> None:
    code = await two.holder.present()
    two.visited.trust.held = None
    own = await (await MobileApp(two.visited).open_account()).present()

    assert (await two.counter.scan(code)).answer.outcome is Outcome.ISSUER_UNKNOWN
    assert (await two.counter.scan(own)).answer.outcome is Outcome.VALID


@pytest.mark.req("6.2-04")
async def test_a_refusal_of_the_home_node_stays_a_refusal(two: TwoNodes) -> None:
    code = await two.holder.present()
    await two.holder.change("revoke", code.code)

    answer = (await two.counter.scan(code)).answer

    assert (answer.outcome, answer.decided_by) == (Outcome.REVOKED, HOME)
    assert (answer.subject_kind, answer.pairwise_id, answer.fields) == (None, "", ())


@pytest.mark.req("6.2-04")
async def test_a_one_time_code_that_was_used_at_home_is_used_everywhere(two: TwoNodes) -> None:
    at_home = await furnish(two.home)
    code = await two.holder.present(one_time=True)

    assert (await two.counter.verify(code)).answer.outcome is Outcome.VALID
    assert (await two.counter.scan(code)).answer.outcome is Outcome.VALID
    assert (await at_home.scan(code)).answer.outcome is Outcome.CONSUMED
    assert (await two.counter.scan(code)).answer.outcome is Outcome.CONSUMED


async def answer_again(two: TwoNodes, **changes: Any) -> Callable[[bytes], bytes]:
    """A home node that answers something else than it should, under its own good signature."""
    answers: list[bytes] = []
    original = two.home.attestor.attest

    async def attest(purpose: EvidencePurpose, statement: Any) -> bytes:
        if isinstance(statement, RecognizeAnswer):
            statement = replace(statement, **changes)
        answers.append(await original(purpose, statement))
        return answers[-1]

    two.home.attestor.attest = attest  # type: ignore[method-assign]
    return lambda data: data


@pytest.mark.req("6.2-05")
@pytest.mark.parametrize(
    "changes",
    [
        {"request_digest": bytes(32)},
        {"visited_node": "310000"},
        {"act": ScanAct.VERIFY},
        {"app_id": "other-app"},
        {"biz_serial": "another"},
        {"code_id": bytes(16)},
        {"code_id": b""},
        {"outcome": Outcome.OFFLINE_VALID},
        {"sealed_fields": b"not sealed"},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_an_answer_to_something_else_counts_as_none(two: TwoNodes, changes: dict[str, Any]) -> None:
    await answer_again(two, **changes)

    await assert_answer_refused(two)


@pytest.mark.req("6.2-05", "8.1-04")
@pytest.mark.parametrize(
    "tamper",
    [
        altered(lambda evidence: evidence.ClearField("proof")),
        altered(lambda evidence: setattr(evidence, "sm2_signature", bytes(64))),
        altered(lambda evidence: setattr(evidence, "payload", evidence.payload + b"\x00")),
        altered(lambda evidence: setattr(evidence, "payload", evidence.payload.replace(b"believe-me", b"BELIEVE-ME"))),
        altered(lambda evidence: setattr(evidence, "node_id", VISITED)),
        altered(lambda evidence: setattr(evidence, "key_id", "0" * 16)),
        altered(lambda evidence: setattr(evidence, "payload_type", "govcode.code.v1.ScanAnswer")),
        altered(lambda evidence: setattr(evidence.signed_time, "seconds", evidence.signed_time.seconds + 1)),
        lambda data: b"",
        lambda data: b"\xff" * 40,
    ],
    ids=["unsigned", "zero", "longer", "serial", "signer", "key", "type", "time", "empty", "noise"],
)
async def test_an_altered_or_unsigned_answer_counts_as_none(two: TwoNodes, tamper: Callable[[bytes], bytes]) -> None:
    two.visited.peers.tamper = tamper

    await assert_answer_refused(two)


@pytest.mark.req("6.2-05")
async def test_the_answer_to_another_scan_counts_as_none(two: TwoNodes) -> None:
    await two.answer_of()
    kept = two.federation.answers[-1]
    two.visited.peers.tamper = lambda _: kept

    await assert_answer_refused(two)


@pytest.mark.req("6.2-05")
@pytest.mark.parametrize(("seconds", "refused"), [(60, False), (60.001, True), (3600, True)])
async def test_an_answer_is_believed_for_a_minute(two: TwoNodes, seconds: float, refused: bool) -> None:
    def hold_up(data: bytes) -> bytes:
        two.clock.advance(seconds)
        return data

    two.visited.peers.tamper = hold_up
    if refused:
        await assert_answer_refused(two)
    else:
        assert (await two.answer_of()).outcome is Outcome.VALID


@pytest.mark.req("6.2-05")
@pytest.mark.parametrize(("seconds", "refused"), [(30, False), (30.001, True)])
async def test_an_answer_from_the_future_counts_as_none(two: TwoNodes, seconds: float, refused: bool) -> None:
    def put_back(data: bytes) -> bytes:
        two.clock.advance(-seconds)
        return data

    two.visited.peers.tamper = put_back
    if refused:
        await assert_answer_refused(two)
    else:
        assert (await two.answer_of()).outcome is Outcome.VALID


@pytest.mark.req("6.2-05")
async def test_an_answer_under_a_revoked_key_counts_as_none(two: TwoNodes) -> None:
    key_id = two.home.keyring.current_key_id(KeyPurpose.NODE_SIGN)
    revoked = (RevokedKey(HOME, key_id, two.clock.now()),)
    two.federation.publish(to=[two.visited], revoked_keys=revoked)

    await assert_answer_refused(two)


async def assert_answer_refused(two: TwoNodes) -> None:
    """It scans a good code and finds the answer refused: no VALID, no fields, and a security event."""
    code = await two.holder.present(profile=CodeProfile.SIGNED)
    await OperatorDesk(two.visited).scene(1, offline_allowed=True)
    two.visited.trust.lists[HOME] = await fresh_list(two)

    result = await two.counter.scan(code, biz_serial="believe-me")

    answer = result.answer
    assert (answer.outcome, answer.decided_by) == (Outcome.HOME_NODE_UNREACHABLE, VISITED)
    assert (answer.subject_kind, answer.pairwise_id, answer.fields) == (None, "", ())
    assert result.home_evidence == b""
    assert decision_of(answer.outcome) is Decision.ASK_OPERATOR
    (event,) = await OperatorDesk(two.visited).audit(AuditAction.PEER_ANSWER_REFUSED)
    assert (event.entry.actor, event.entry.biz_serial, event.entry.trace_id) == (HOME, "believe-me", TRACE)


async def fresh_list(two: TwoNodes) -> Any:
    """The home node's own revocation list, fetched and checked as the exchange does."""
    from govcode_node.domain.recognition import RevocationList

    evidence = await two.home.steps.revocation_lists.newest()
    read = await two.home.reader.read(evidence, purpose=EvidencePurpose.REVOCATION_LIST, kind=RevocationList)
    return read.statement


@pytest.mark.req("6.1-08", "6.2-04")
async def test_what_a_home_node_adds_to_a_refusal_is_dropped(two: TwoNodes) -> None:
    await answer_again(two, outcome=Outcome.FROZEN)

    answer = await two.answer_of()

    assert answer.outcome is Outcome.FROZEN
    assert (answer.subject_kind, answer.proxy, answer.pairwise_id, answer.fields) == (None, False, "", ())


async def test_an_answer_may_not_be_relied_on_longer_than_a_minute_whatever_it_says(two: TwoNodes) -> None:
    await answer_again(two, valid_until=two.clock.now() + timedelta(days=365))

    answer = await two.answer_of()

    assert answer.valid_until == two.clock.now() + timedelta(seconds=60)


@pytest.mark.req("6.2-06")
async def test_only_the_fields_that_the_home_allows_across_regions_leave_it(two: TwoNodes) -> None:
    await OperatorDesk(two.visited).scene(1, fields=tuple(FieldRule(name, unmasked=True) for name in FieldName))

    answer = await two.answer_of()

    assert answer.fields == (
        DisclosedField(name=FieldName.NAME, value="张**", masked=True),
        DisclosedField(name=FieldName.PHONE, value="100******01", masked=True),
    )
    assert "张**".encode() not in two.federation.answers[-1]


@pytest.mark.req("6.2-06")
@pytest.mark.parametrize("scene_class", [kind for kind in SceneClass if kind is not SceneClass.COUNTER])
async def test_a_kind_of_scene_without_a_rule_gets_no_field(two: TwoNodes, scene_class: SceneClass) -> None:
    await OperatorDesk(two.visited).scene(1, scene_class=scene_class)

    answer = await two.answer_of()

    assert (answer.outcome, answer.fields) == (Outcome.VALID, ())


async def test_a_verification_across_regions_discloses_nothing(two: TwoNodes) -> None:
    answer = (await two.counter.verify(await two.holder.present())).answer

    assert (answer.outcome, answer.fields) == (Outcome.VALID, ())


async def test_fields_for_a_node_without_an_encryption_key_stay_at_home(two: TwoNodes) -> None:
    bundle = two.home.trust.held
    assert bundle is not None
    bare = [
        replace(node, keys=tuple(key for key in node.keys if key.purpose != "ENCRYPT"))
        if node.node_id == VISITED
        else node
        for node in bundle.nodes
    ]
    two.home.trust.held = replace(bundle, nodes=tuple(bare))

    answer = await two.answer_of()

    assert (answer.outcome, answer.fields) == (Outcome.VALID, ())


@pytest.mark.req("7.5-03")
async def test_one_organisation_has_one_id_of_a_holder_wherever_its_counters_are(two: TwoNodes) -> None:
    at_home = await furnish(two.home)
    party_id = await OperatorDesk(two.visited).relying_party(OTHER_USCC)
    await OperatorDesk(two.visited).application("other-app", party_id=party_id)
    other = Counter(two.visited, "other-app", party_id, OTHER_USCC)

    here = (await two.counter.scan(await two.holder.present(one_time=True))).answer.pairwise_id
    there = (await at_home.scan(await two.holder.present(one_time=True))).answer.pairwise_id
    others = (await other.scan(await two.holder.present(one_time=True))).answer.pairwise_id

    assert here == there != others


@pytest.mark.req("6.2-13", "6.1-09")
async def test_both_nodes_keep_a_record_under_one_serial_and_trace(two: TwoNodes) -> None:
    code = await two.holder.present()
    result = await two.counter.scan(code, biz_serial="one", place="2 号窗口")

    (at_home,) = await two.holder.records()
    here = await two.visited.database.read(lambda tx: tx.scans.get(result.answer.scan_id))

    assert here is not None
    assert (at_home.biz_serial, at_home.trace_id, at_home.code_id, at_home.outcome) == (
        here.biz_serial,
        here.trace_id,
        here.code_id,
        here.outcome,
    )
    assert (here.biz_serial, here.trace_id) == ("one", TRACE)
    assert (at_home.home_node, at_home.visited_node) == (here.home_node, here.visited_node) == (HOME, VISITED)
    assert (at_home.relying_party_name, at_home.place) == ("政务服务中心", "2 号窗口")
    assert (at_home.caller, here.caller) == ("node:110000/counter-app", "app:counter-app")
    logs = [await OperatorDesk(node).audit(AuditAction.CODE_SCANNED) for node in (two.home, two.visited)]
    ((record_home,), (record_here,)) = logs
    assert (record_home.entry.biz_serial, record_home.entry.trace_id) == ("one", TRACE)
    assert (record_here.entry.biz_serial, record_here.entry.trace_id) == ("one", TRACE)
    assert (record_home.entry.actor, record_here.entry.actor) == (VISITED, "counter-app")


async def test_the_holders_back_end_is_told_of_the_scan_in_another_region(two: TwoNodes) -> None:
    feed, watch = two.home.steps.feed, call_of(two.holder.app.caller, "WatchEvents")
    begun = await feed.list_events(watch, cursor="", page_size=10, wait=timedelta())

    await two.answer_of()

    (event,) = (await feed.list_events(watch, cursor=begun.cursor, page_size=10, wait=timedelta())).events
    assert isinstance(event.kind, CodeScanned)
    assert (event.kind.visited_node, event.kind.relying_party_name) == (VISITED, "政务服务中心")


async def test_the_audit_of_the_visited_node_goes_by_its_own_clock(two: TwoNodes) -> None:
    await answer_again(two, decided_at=two.clock.now() - timedelta(days=400))

    answer = await two.answer_of()

    (record,) = await OperatorDesk(two.visited).audit(AuditAction.CODE_SCANNED)
    assert record.entry.happened_at == two.clock.now()
    assert answer.outcome is Outcome.VALID


async def test_a_decision_of_tomorrow_is_not_believed(two: TwoNodes) -> None:
    await answer_again(two, decided_at=two.clock.now() + timedelta(days=1))

    assert (await two.answer_of()).outcome is Outcome.HOME_NODE_UNREACHABLE
    assert len(await OperatorDesk(two.visited).audit(AuditAction.PEER_ANSWER_REFUSED)) == 1


@pytest.mark.req("6.1-07", "N-51")
async def test_a_scan_in_another_region_repeated_has_the_same_answer_and_asks_nobody(two: TwoNodes) -> None:
    code = await two.holder.present(one_time=True)
    first = await two.counter.scan(code, biz_serial="one")
    two.clock.advance(timedelta(hours=23))

    again = await two.counter.scan(code, biz_serial="one")

    assert again.answer == first.answer
    assert again.home_evidence == first.home_evidence
    assert (first.replayed, again.replayed) == (False, True)
    assert len(two.federation.questions) == 1
    with pytest.raises(SerialConflictError):
        await two.counter.scan(await two.holder.present(), biz_serial="one")


@pytest.mark.req("6.1-07")
async def test_a_visited_node_that_lost_its_record_gets_the_same_answer_from_the_home(two: TwoNodes) -> None:
    code = await two.holder.present(one_time=True)
    call, command = two.counter.scan_call(code.code_text, biz_serial="one")
    scanning, database = two.visited.steps.scanning, two.visited.database
    kept = database.run

    async def crash(unit: Any) -> Any:
        raise ConnectionError

    database.run = crash  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        await scanning.scan(call, command)
    database.run = kept  # type: ignore[method-assign]
    two.clock.advance(30)

    result = await scanning.scan(call, command)

    assert (result.answer.outcome, result.replayed) == (Outcome.VALID, False)
    assert len(await two.holder.records()) == 1
    assert [field.value for field in result.answer.fields] == ["张**", "100******01"]


@pytest.mark.req("6.1-06")
async def test_equal_and_different_scans_at_once_in_two_regions_use_a_code_once(two: TwoNodes) -> None:
    at_home = await furnish(two.home)
    code = await two.holder.present(one_time=True)

    results = await asyncio.gather(
        *(two.counter.scan(code, biz_serial="same") for _ in range(5)),
        *(two.counter.scan(code) for _ in range(5)),
        *(at_home.scan(code) for _ in range(5)),
    )

    valid = {result.answer.scan_id for result in results if result.answer.outcome is Outcome.VALID}
    assert len(valid) == 1
    assert {result.answer.outcome for result in results} == {Outcome.VALID, Outcome.CONSUMED}


@pytest.mark.req("6.2-11")
@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [("unreachable", Outcome.HOME_NODE_UNREACHABLE), ("hanging", Outcome.HOME_NODE_TIMEOUT)],
)
async def test_a_home_node_that_does_not_answer_is_said_so(two: TwoNodes, trouble: str, outcome: Outcome) -> None:
    getattr(two.visited.peers, trouble).add(HOME)

    answer = await two.answer_of(profile=CodeProfile.SIGNED)

    assert (answer.outcome, answer.decided_by, answer.pairwise_id) == (outcome, VISITED, "")
    assert decision_of(answer.outcome) is Decision.ASK_OPERATOR


@pytest.mark.req("6.1-07", "6.2-11")
@pytest.mark.parametrize("trouble", ["unreachable", "hanging", "losing"])
async def test_asked_again_once_the_home_is_back_the_same_serial_gets_the_homes_answer(
    two: TwoNodes, trouble: str
) -> None:
    """Above all where the home had consumed the code and only its answer was lost."""
    code = await two.holder.present(one_time=True)
    getattr(two.visited.peers, trouble).add(HOME)
    first = await two.counter.scan(code, biz_serial="S-1")
    again = await two.counter.scan(code, biz_serial="S-1")
    getattr(two.visited.peers, trouble).clear()

    answered = await two.counter.scan(code, biz_serial="S-1")
    replayed = await two.counter.scan(code, biz_serial="S-1")

    assert first.answer.outcome in AWAY
    assert (again.answer, again.replayed) == (first.answer, True)
    assert (answered.answer.outcome, answered.answer.decided_by, answered.replayed) == (Outcome.VALID, HOME, False)
    assert (replayed.answer, replayed.replayed) == (answered.answer, True)


@dataclass
class Offline:
    """Two nodes, the home away, everything in place for OFFLINE_VALID."""

    two: TwoNodes

    async def scan(self, **fields: Any) -> ScanAnswer:
        fields.setdefault("profile", CodeProfile.SIGNED)
        code = await self.two.holder.present(**fields)
        return (await self.two.counter.scan(code)).answer


@pytest.fixture(params=["unreachable", "hanging", "losing"])
async def offline(two: TwoNodes, request: pytest.FixtureRequest) -> Offline:
    await OperatorDesk(two.visited).scene(1, offline_allowed=True)
    two.visited.trust.lists[HOME] = await fresh_list(two)
    getattr(two.visited.peers, request.param).add(HOME)
    return Offline(two)


@pytest.mark.req("6.2-11", "N-48")
async def test_a_signed_code_passes_offline_where_the_scene_allows_it(offline: Offline) -> None:
    offline.two.clock.advance(timedelta(hours=1))

    answer = await offline.scan()

    assert (answer.outcome, answer.decided_by, answer.cross_region) == (Outcome.OFFLINE_VALID, VISITED, True)
    assert (answer.pairwise_id, answer.fields) == ("", ())
    assert answer.freshness.bundle_age == answer.freshness.revocation_list_age == timedelta(hours=1)
    assert decision_of(answer.outcome) is Decision.ASK_OPERATOR


@pytest.mark.req("6.2-11")
@pytest.mark.parametrize("fields", [{"profile": CodeProfile.MAC}, {"one_time": True}], ids=["mac", "one-time"])
async def test_what_only_the_home_can_judge_never_passes_offline(offline: Offline, fields: dict[str, Any]) -> None:
    assert (await offline.scan(**fields)).outcome in AWAY


@pytest.mark.req("6.2-11")
async def test_a_scene_that_does_not_allow_it_passes_nothing_offline(offline: Offline) -> None:
    await OperatorDesk(offline.two.visited).scene(1, offline_allowed=False)

    assert (await offline.scan()).outcome in AWAY


@pytest.mark.req("6.2-11", "N-48")
@pytest.mark.parametrize(
    ("age", "good"),
    [
        (timedelta(hours=4), True),
        (timedelta(hours=4, milliseconds=1), False),
    ],
)
async def test_the_revocation_list_may_be_four_hours_old_and_no_older(
    offline: Offline, age: timedelta, good: bool
) -> None:
    offline.two.clock.advance(age)

    answer = await offline.scan()

    assert (answer.outcome is Outcome.OFFLINE_VALID) is good
    assert good or answer.outcome in AWAY


@pytest.mark.req("6.2-11", "N-48")
async def test_without_a_revocation_list_nothing_passes_offline(offline: Offline) -> None:
    offline.two.visited.trust.lists.clear()

    assert (await offline.scan()).outcome in AWAY


async def test_a_list_from_a_clock_that_is_ahead_has_no_negative_age(offline: Offline) -> None:
    two = offline.two
    two.visited.trust.lists[HOME] = replace(
        two.visited.trust.lists[HOME], list_time=two.clock.now() + timedelta(seconds=10)
    )

    answer = await offline.scan()

    assert answer.outcome is Outcome.OFFLINE_VALID
    assert answer.freshness.revocation_list_age == timedelta(0)


@pytest.mark.req("6.2-11")
async def test_a_code_on_the_list_is_revoked_offline_too(offline: Offline) -> None:
    two = offline.two
    code = await two.holder.present(profile=CodeProfile.SIGNED)
    await two.holder.change("revoke", code.code)
    two.clock.advance(5)
    two.visited.trust.lists[HOME] = await fresh_list(two)

    answer = (await two.counter.scan(code)).answer

    assert (answer.outcome, answer.decided_by) == (Outcome.REVOKED, VISITED)
    assert answer.subject_kind is None


@pytest.mark.req("6.2-11")
async def test_a_frozen_code_and_one_of_a_closed_account_are_on_the_list(two: TwoNodes) -> None:
    frozen = await two.holder.make_static(profile=CodeProfile.SIGNED)
    await two.holder.change("freeze", frozen.code)
    assert (await fresh_list(two)).code_ids == {frozen.code.code_id}
    shown = await two.holder.present(profile=CodeProfile.SIGNED)
    await two.holder.close()
    two.clock.advance(5)

    assert (await fresh_list(two)).code_ids == {frozen.code.code_id, shown.code.code_id}


@pytest.mark.req("6.2-11")
async def test_a_forged_code_does_not_pass_offline(offline: Offline) -> None:
    two = offline.two
    parsed = parse((await two.holder.present(profile=CodeProfile.SIGNED)).code_text)
    forged = Zwm1Codec().assemble(parsed.sealed_bytes, bytes([parsed.seal[0] ^ 1]) + parsed.seal[1:], Carrier.SCREEN)

    assert (await two.counter.scan(forged)).answer.outcome is Outcome.SEAL_INVALID


@pytest.mark.req("6.2-11")
async def test_a_forged_code_does_not_pass_offline_when_its_key_becomes_known_meanwhile(offline: Offline) -> None:
    two = offline.two
    parsed = parse((await two.holder.present(profile=CodeProfile.SIGNED)).code_text)
    forged = Zwm1Codec().assemble(parsed.sealed_bytes, bytes(64), Carrier.SCREEN)
    whole = two.visited.trust.held
    assert whole is not None
    keyless = tuple(replace(node, keys=tuple(k for k in node.keys if k.purpose != "CODE_SEAL")) for node in whole.nodes)
    two.visited.trust.held = replace(whole, nodes=keyless)
    two.visited.peers.meanwhile = lambda: setattr(two.visited.trust, "held", whole)

    assert (await two.counter.scan(forged)).answer.outcome is Outcome.SEAL_INVALID


@pytest.mark.req("6.2-11", "N-48")
async def test_a_code_that_ends_while_its_home_is_waited_for_does_not_pass_offline(offline: Offline) -> None:
    two = offline.two
    code = await two.holder.present(profile=CodeProfile.SIGNED)
    assert code.code.expires_at is not None
    two.clock.advance(code.code.expires_at - two.clock.now() - timedelta(seconds=1))
    two.visited.peers.meanwhile = lambda: two.clock.advance(2)

    assert (await two.counter.scan(code)).answer.outcome is Outcome.EXPIRED


async def test_a_key_that_is_revoked_while_its_home_is_waited_for_passes_nothing_offline(offline: Offline) -> None:
    two = offline.two
    code = await two.holder.present(profile=CodeProfile.SIGNED)
    (info,) = [info for info in two.home.keyring.infos() if info.purpose is KeyPurpose.CODE_SEAL]
    revoked = (RevokedKey(HOME, info.key_id, two.clock.now()),)
    two.visited.peers.meanwhile = lambda: two.federation.publish(to=[two.visited], revoked_keys=revoked)

    assert (await two.counter.scan(code)).answer.outcome is Outcome.KEY_REVOKED


async def test_a_home_that_is_suspended_while_it_is_waited_for_passes_nothing_offline(offline: Offline) -> None:
    two = offline.two
    two.visited.peers.meanwhile = lambda: two.federation.publish(to=[two.visited], suspended=[HOME])

    assert (await offline.scan()).outcome is Outcome.ISSUER_SUSPENDED


@pytest.mark.parametrize(
    ("spoil", "outcome"),
    [
        (lambda parsed: (parsed.sealed_bytes, bytes(64)), Outcome.SEAL_INVALID),
        (
            lambda parsed: (
                Zwm1Codec().encode(replace(parsed.content, scene_no=9)),
                parsed.seal,
            ),
            Outcome.SEAL_INVALID,
        ),
    ],
)
async def test_a_forged_signed_code_does_not_load_its_home(
    two: TwoNodes, spoil: Callable[[Any], tuple[bytes, bytes]], outcome: Outcome
) -> None:
    parsed = parse((await two.holder.present(profile=CodeProfile.SIGNED)).code_text)
    forged = Zwm1Codec().assemble(*spoil(parsed), Carrier.SCREEN)

    answer = (await two.counter.scan(forged)).answer

    assert (answer.outcome, two.federation.questions) == (outcome, [])


async def test_an_expired_signed_code_does_not_load_its_home(two: TwoNodes) -> None:
    code = await two.holder.present(profile=CodeProfile.SIGNED)
    two.clock.advance(180)

    answer = (await two.counter.scan(code)).answer

    assert (answer.outcome, two.federation.questions) == (Outcome.EXPIRED, [])


async def test_a_signed_code_under_a_revoked_key_is_refused_here(two: TwoNodes) -> None:
    code = await two.holder.present(profile=CodeProfile.SIGNED)
    (info,) = [info for info in two.home.keyring.infos() if info.purpose is KeyPurpose.CODE_SEAL]
    two.federation.publish(to=[two.visited], revoked_keys=(RevokedKey(HOME, info.key_id, two.clock.now()),))

    assert (await two.counter.scan(code)).answer.outcome is Outcome.KEY_REVOKED


@pytest.mark.req("6.2-04")
async def test_a_test_code_of_another_region_is_no_code_here(federation: FederationInMemory) -> None:
    home = federation.add(HOME, prefixes=("42",), test_environment=True)
    visited = federation.add(VISITED, prefixes=("11",))
    federation.publish()
    counter = await furnish(visited)
    code = await (await MobileApp(home).open_account()).present()

    assert (await counter.scan(code)).answer.outcome is Outcome.TEST_CODE


async def test_a_suspended_home_is_not_asked(two: TwoNodes) -> None:
    code = await two.holder.present()
    two.federation.publish(to=[two.visited], suspended=[HOME])

    assert (await two.counter.scan(code)).answer.outcome is Outcome.ISSUER_SUSPENDED
    assert two.federation.questions == []


async def test_a_suspended_visitor_is_told_nothing(two: TwoNodes) -> None:
    code = await two.holder.present()
    two.federation.publish(to=[two.home], suspended=[VISITED])

    answer = (await two.counter.scan(code)).answer

    assert answer.outcome is not Outcome.VALID
    assert await two.holder.records() == []


@pytest.mark.req("7.3-04", "N-48")
@pytest.mark.parametrize(
    ("age", "outcome"),
    [
        (timedelta(hours=1), Outcome.VALID),
        (timedelta(hours=72), Outcome.VALID),
        (timedelta(hours=72, milliseconds=1), Outcome.TRUST_DATA_STALE),
    ],
)
async def test_other_regions_are_asked_by_a_bundle_of_up_to_72_hours_and_own_codes_always(
    two: TwoNodes, age: timedelta, outcome: Outcome
) -> None:
    two.clock.advance(age)
    own = await (await MobileApp(two.visited).open_account()).present()

    answer = (await two.counter.scan(await two.holder.present())).answer

    assert answer.outcome is outcome
    assert answer.freshness.bundle_age == timedelta(seconds=age // timedelta(seconds=1))
    assert (await two.counter.scan(own)).answer.outcome is Outcome.VALID
    if outcome is not Outcome.VALID:
        assert (answer.decided_by, answer.subject_kind, two.federation.questions) == (VISITED, None, [])


async def test_a_kind_of_subject_that_the_scene_does_not_take_is_not_asked_about(two: TwoNodes) -> None:
    await OperatorDesk(two.visited).scene(1, subject_kinds=frozenset({ENTITY}))

    answer = await two.answer_of()

    assert (answer.outcome, two.federation.questions) == (Outcome.SCENE_MISMATCH, [])


@pytest.mark.parametrize(
    ("scene_class", "outcome"), [(SceneClass.COUNTER, Outcome.VALID), (SceneClass.GATE, Outcome.SCENE_MISMATCH)]
)
async def test_across_regions_the_kind_of_the_scene_counts_and_not_its_number(
    two: TwoNodes, scene_class: SceneClass, outcome: Outcome
) -> None:
    await OperatorDesk(two.home).scene(77, scene_class=scene_class)

    assert (await two.answer_of(scene_no=77)).outcome is outcome


@pytest.mark.req("6.2-12")
async def test_nodes_that_send_to_each_other_end_in_a_loop(federation: FederationInMemory) -> None:
    home = federation.add("310000", prefixes=("31",))
    left, right = federation.add("420000", prefixes=("42",)), federation.add("110000", prefixes=("11",))
    federation.publish(to=[home])
    federation.publish(to=[left], routes=[("31", "110000"), ("42", "420000")])
    federation.publish(to=[right], routes=[("31", "420000"), ("11", "110000")])
    counter = await furnish(right)
    code = await (await MobileApp(home).open_account()).present()

    answer = (await counter.scan(code)).answer

    assert answer.outcome is Outcome.LOOP_DETECTED
    assert [question.hops for question in federation.questions] == [("110000",), ("110000", "420000")]


CHAIN = ("110000", "120000", "130000", "140000", "150000", "210000", "220000")


@pytest.mark.req("6.2-12")
@pytest.mark.parametrize(("length", "outcome"), [(5, Outcome.VALID), (6, Outcome.LOOP_DETECTED)])
async def test_a_request_passes_five_nodes_and_no_more(
    federation: FederationInMemory, length: int, outcome: Outcome
) -> None:
    chain = [federation.add(node_id) for node_id in CHAIN[: length + 1]]
    federation.publish()
    target = chain[-1].node_id
    for node, following in itertools.pairwise(chain):
        node.peers.via[target] = following.node_id
    counter = await furnish(chain[0])
    code = await (await MobileApp(chain[-1]).open_account()).present()

    answer = (await counter.scan(code)).answer

    assert answer.outcome is outcome
    assert len(federation.questions[-1].hops) == length


@pytest.mark.req("6.2-12", "6.2-06")
async def test_a_relay_passes_request_and_answer_on_and_cannot_read_the_fields(federation: FederationInMemory) -> None:
    rules = {SceneClass.COUNTER: masked(FieldName.NAME)}
    visited, relay, home = (federation.add(node_id, disclosure=rules) for node_id in (VISITED, "000000", HOME))
    federation.publish()
    visited.peers.via[HOME] = relay.node_id
    counter = await furnish(visited)
    holder = await MobileApp(home).open_account()

    answer = (await counter.scan(await holder.present())).answer

    first, second = federation.questions
    assert (first.request, second.hops) == (second.request, (VISITED, "000000"))
    assert federation.answers[0] == federation.answers[1]
    assert (answer.outcome, answer.decided_by) == (Outcome.VALID, HOME)
    assert [field.value for field in answer.fields] == ["张**"]
    read = await relay.reader.read(
        federation.answers[0], purpose=EvidencePurpose.RECOGNIZE_ANSWER, kind=RecognizeAnswer
    )
    with pytest.raises(UnknownKeyError):
        await relay.keyring.open_for_node(read.statement.sealed_fields, read.statement.request_digest)
    (row,) = await holder.records()
    assert row.visited_node == VISITED
    assert await OperatorDesk(relay).audit(AuditAction.CODE_SCANNED) == []


@pytest.mark.req("6.2-05")
async def test_a_relay_that_answers_in_the_place_of_the_home_is_not_believed(two: TwoNodes) -> None:
    liar = two.federation.add("310000", prefixes=("31",))
    two.federation.publish()

    def answer_itself(data: bytes) -> bytes:
        message = evidencev1.Evidence.FromString(data)
        message.node_id = liar.node_id
        message.key_id = liar.keyring.current_key_id(KeyPurpose.NODE_SIGN)
        return message.SerializeToString()

    two.visited.peers.via[HOME] = liar.node_id
    two.visited.peers.tamper = answer_itself

    await assert_answer_refused(two)


async def raw_request(two: TwoNodes, code_text: str, **changes: Any) -> bytes:
    """A signed request of the visited node, made by hand."""
    request = RecognizeRequest(
        visited_node=VISITED,
        home_node=HOME,
        act=ScanAct.SCAN,
        code_text=code_text,
        app_id="counter-app",
        biz_serial="raw",
        relying_party_name="政务服务中心",
        relying_party_uscc=OTHER_USCC,
        scene_class=SceneClass.COUNTER,
        place="",
        scanned_at=two.clock.now(),
    )
    return await two.visited.attestor.attest(EvidencePurpose.RECOGNIZE_REQUEST, replace(request, **changes))


def from_node(node_id: str) -> Any:
    return call_of(Caller(caller_class=CallerClass.NODE, name=node_id), "RecognizeCode")


@pytest.mark.req("8.1-04", "6.2-04")
@pytest.mark.parametrize(
    ("caller", "hops", "changes", "error"),
    [
        ("310000", (VISITED,), {}, IdentityMismatchError),
        (VISITED, (), {}, IdentityMismatchError),
        ("310000", ("310000",), {}, IdentityMismatchError),
        (VISITED, (VISITED,), {"visited_node": "310000"}, IdentityMismatchError),
        (VISITED, (VISITED,), {"home_node": "310000"}, IdentityMismatchError),
        (VISITED, (HOME, VISITED), {}, LoopDetectedError),
        (VISITED, (*CHAIN[1:6], VISITED), {}, HopLimitError),
    ],
)
async def test_a_request_that_is_not_the_callers_is_refused(
    two: TwoNodes, caller: str, hops: tuple[str, ...], changes: dict[str, Any], error: type[Exception]
) -> None:
    code = await two.holder.present(one_time=True)
    request = await raw_request(two, code.code_text, **changes)

    with pytest.raises(error):
        await two.home.steps.recognition.recognize(from_node(caller), request=request, hops=hops)

    assert await two.holder.records() == []
    assert (await two.counter.scan(code)).answer.outcome is Outcome.VALID


@pytest.mark.req("8.1-04")
async def test_a_request_without_its_signature_is_refused(two: TwoNodes) -> None:
    code = await two.holder.present()
    request = altered(lambda evidence: evidence.ClearField("proof"))(await raw_request(two, code.code_text))

    with pytest.raises(EvidenceRefusedError):
        await two.home.steps.recognition.recognize(from_node(VISITED), request=request, hops=(VISITED,))

    assert await two.holder.records() == []


@pytest.mark.parametrize(("seconds", "good"), [(300, True), (300.001, False), (-30, True), (-30.001, False)])
async def test_a_request_is_good_for_five_minutes(two: TwoNodes, seconds: float, good: bool) -> None:
    code = await two.holder.make_static()
    request = await raw_request(two, code.code_text)
    two.clock.advance(seconds)
    asking = two.home.steps.recognition.recognize(from_node(VISITED), request=request, hops=(VISITED,))
    if good:
        await asking
        return
    with pytest.raises(EvidenceStaleError):
        await asking


async def test_a_suspended_node_is_refused_as_such(two: TwoNodes) -> None:
    request = await raw_request(two, (await two.holder.present()).code_text)
    two.federation.publish(to=[two.home], suspended=[VISITED])

    with pytest.raises(NodeSuspendedError):
        await two.home.steps.recognition.recognize(from_node(VISITED), request=request, hops=(VISITED,))


async def test_a_peer_that_asks_too_often_is_told_to_wait(federation: FederationInMemory) -> None:
    home = federation.add(HOME, prefixes=("42",), peer_limit=1)
    visited = federation.add(VISITED, prefixes=("11",))
    federation.publish()
    holder = await MobileApp(home).open_account()
    two = TwoNodes(federation, home, visited, holder, await furnish(visited), federation.clock)
    code = await holder.present()
    await home.steps.recognition.recognize(
        from_node(VISITED), request=await raw_request(two, code.code_text), hops=(VISITED,)
    )

    with pytest.raises(RateLimitedError):
        await home.steps.recognition.recognize(
            from_node(VISITED), request=await raw_request(two, code.code_text, biz_serial="2"), hops=(VISITED,)
        )


@pytest.mark.req("N-51")
async def test_a_serial_of_a_peer_for_another_scan_is_a_conflict(two: TwoNodes) -> None:
    recognition = two.home.steps.recognition
    first, second = await two.holder.present(), await two.holder.present(one_time=True)
    await recognition.recognize(from_node(VISITED), request=await raw_request(two, first.code_text), hops=(VISITED,))

    others = [
        await raw_request(two, second.code_text),
        await raw_request(two, first.code_text, relying_party_uscc="91420100MA9TEXT198"),
        await raw_request(two, first.code_text, scene_class=SceneClass.GATE),
    ]
    for request in others:
        with pytest.raises(SerialConflictError):
            await recognition.recognize(from_node(VISITED), request=request, hops=(VISITED,))


async def test_a_text_that_is_no_code_is_answered_as_such(two: TwoNodes) -> None:
    for text, outcome in (("RUBBISH", Outcome.MALFORMED), ("ZWM9:A", Outcome.VERSION_UNSUPPORTED)):
        evidence = await two.home.steps.recognition.recognize(
            from_node(VISITED), request=await raw_request(two, text, biz_serial=text), hops=(VISITED,)
        )
        read = await two.visited.reader.read(
            evidence, purpose=EvidencePurpose.RECOGNIZE_ANSWER, kind=RecognizeAnswer, signer=HOME
        )
        assert (read.statement.outcome, read.statement.code_id) == (outcome, b"")


async def test_a_counter_that_was_suspended_asks_no_other_node(two: TwoNodes) -> None:
    code = await two.holder.present()
    await OperatorDesk(two.visited).move_application("counter-app", RegistrationState.SUSPENDED)

    with pytest.raises(Exception, match="SUSPENDED"):
        await two.counter.scan(code)

    assert two.federation.questions == []
