"""Enums, times and single fields: what goes out comes back, and what cannot be is refused by name."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import verdict_pb2 as verdictv1
from govcode_node.domain.codes import CodeMode, CodeProfile, TerminalType
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.outcomes import Decision, Outcome, decision_of, describe
from govcode_node.wire import checks
from govcode_node.wire.accounts import ACCOUNT_STATES
from govcode_node.wire.codes import CARRIERS, CODE_MODES, CODE_PROFILES, CODE_STATES, SYMBOLOGIES, TERMINAL_TYPES
from govcode_node.wire.enums import EnumPair
from govcode_node.wire.registry import APPLICATION_KINDS, REGISTRATION_STATES, RELATION_KINDS
from govcode_node.wire.status import NODE_CONDITIONS
from govcode_node.wire.times import (
    moment_from_proto,
    moment_to_proto,
    span_from_proto,
    span_to_proto,
    whole_seconds,
)
from govcode_node.wire.trust import NODE_KEY_PURPOSES, NODE_STATES
from govcode_node.wire.verdicts import DECISIONS, OUTCOMES, decision_from_proto, outcome_from_proto, verdict_to_proto
from govcode_node.wire.vocabulary import SCAN_ACTS, SCENE_CLASSES, SUBJECT_KINDS, stated_scene_class
from hypothesis import given
from hypothesis import strategies as st

PAIRS = {
    "AccountState": ACCOUNT_STATES,
    "ApplicationKind": APPLICATION_KINDS,
    "Carrier": CARRIERS,
    "CodeMode": CODE_MODES,
    "CodeProfile": CODE_PROFILES,
    "CodeState": CODE_STATES,
    "Decision": DECISIONS,
    "NodeCondition": NODE_CONDITIONS,
    "NodeKeyPurpose": NODE_KEY_PURPOSES,
    "NodeState": NODE_STATES,
    "Outcome": OUTCOMES,
    "RegistrationState": REGISTRATION_STATES,
    "RelationKind": RELATION_KINDS,
    "ScanAct": SCAN_ACTS,
    "SceneClass": SCENE_CLASSES,
    "SubjectKind": SUBJECT_KINDS,
    "Symbology": SYMBOLOGIES,
    "TerminalType": TERMINAL_TYPES,
}


@pytest.mark.parametrize("name", PAIRS)
def test_every_value_of_the_contract_has_its_member_and_comes_back(name: str) -> None:
    pair = PAIRS[name]
    found = [pair.from_proto(value) for value in range(1, 64)]
    members = [member for member in found if member is not None]
    assert members
    assert len(set(members)) == len(members)
    for value, member in enumerate(found, start=1):
        if member is not None:
            assert pair.to_proto(member) == value


def test_outcomes_of_contract_and_domain_are_the_same_set() -> None:
    named = {name.removeprefix("OUTCOME_") for name in verdictv1.Outcome.keys()} - {"UNSPECIFIED"}  # noqa: SIM118 - an enum wrapper is no mapping
    assert named == {outcome.name for outcome in Outcome}


def test_a_member_without_a_word_in_the_contract_is_unspecified() -> None:
    assert CODE_MODES.to_proto(CodeMode.EMERGENCY) == codev1.CODE_MODE_UNSPECIFIED
    assert CODE_PROFILES.to_proto(CodeProfile.EMERGENCY) == codev1.CODE_PROFILE_UNSPECIFIED
    assert TERMINAL_TYPES.to_proto(TerminalType.ANY) == codev1.TERMINAL_TYPE_UNSPECIFIED
    assert OUTCOMES.to_proto(None) == verdictv1.OUTCOME_UNSPECIFIED


def test_a_member_that_the_contract_lacks_is_found_at_import() -> None:
    with pytest.raises(ValueError, match="EMERGENCY"):
        EnumPair(CodeMode, codev1.CodeMode.Value, prefix="CODE_MODE")


@pytest.mark.parametrize(("value", "why"), [(0, "is required"), (99, "has an unknown value")])
def test_a_request_must_name_a_known_value(value: int, why: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        TERMINAL_TYPES.require(value, "terminal_type")
    assert (caught.value.field, caught.value.why) == ("terminal_type", why)


def test_an_optional_wish_may_be_absent_but_not_unknown() -> None:
    assert CARRIERS.choose(0, "carrier") is None
    with pytest.raises(InvalidFieldError):
        CARRIERS.choose(99, "carrier")


@given(st.integers(-(2**31), 2**31 - 1))
def test_no_number_that_is_not_valid_reads_as_acceptance(value: int) -> None:
    outcome = outcome_from_proto(value)
    if value != verdictv1.OUTCOME_VALID:
        assert decision_of(outcome) is not Decision.ACCEPT
    if OUTCOMES.from_proto(value) is None:
        assert decision_of(outcome) is Decision.REJECT
    if value != verdictv1.DECISION_ACCEPT:
        assert decision_from_proto(value) is not Decision.ACCEPT


@pytest.mark.parametrize("outcome", Outcome)
def test_a_verdict_carries_the_words_of_its_outcome(outcome: Outcome) -> None:
    verdict = verdict_to_proto(outcome)
    note = describe(outcome)
    assert verdict == verdictv1.Verdict(
        decision=DECISIONS.to_proto(note.decision),
        outcome=OUTCOMES.to_proto(outcome),
        advice=note.advice.value,
        text_zh=note.text_zh,
        text_en=note.text_en,
    )
    assert (verdict.decision == verdictv1.DECISION_ACCEPT) == (outcome is Outcome.VALID)


def test_a_scene_class_of_a_newer_peer_counts_as_general_and_none_is_refused() -> None:
    assert stated_scene_class(99, "scene_class").name == "GENERAL"
    with pytest.raises(InvalidFieldError):
        stated_scene_class(0, "scene_class")


MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants naive bounds


@given(MOMENTS)
def test_moments_come_back_cut_to_milliseconds(moment: datetime) -> None:
    read = moment_from_proto(moment_to_proto(moment), "at")
    assert read == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert read.utcoffset() == timedelta(0)


def test_a_moment_of_another_zone_is_told_in_utc() -> None:
    beijing = datetime(2026, 12, 1, 16, 0, tzinfo=timezone(timedelta(hours=8)))
    assert moment_to_proto(beijing) == Timestamp(seconds=1796112000)


def test_a_moment_without_a_zone_is_not_told() -> None:
    with pytest.raises(ValueError, match="time zone"):
        moment_to_proto(datetime(2026, 12, 1))  # noqa: DTZ001 - the fault under test


@pytest.mark.parametrize(
    "stamp",
    [
        Timestamp(seconds=-1),
        Timestamp(seconds=253_402_300_800),
        Timestamp(nanos=-1),
        Timestamp(nanos=1_000_000_000),
        Timestamp(seconds=2**62),
    ],
)
def test_impossible_times_are_refused_by_field(stamp: Timestamp) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        moment_from_proto(stamp, "from_time")
    assert caught.value.field == "from_time"


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=100_000)))
def test_spans_come_back_cut_to_milliseconds(span: timedelta) -> None:
    assert span_from_proto(span_to_proto(span), "wait") == span // timedelta(milliseconds=1) * timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "duration", [Duration(seconds=-1), Duration(nanos=-1), Duration(seconds=2**62), Duration(nanos=1_000_000_000)]
)
def test_impossible_spans_are_refused_by_field(duration: Duration) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        span_from_proto(duration, "wait")
    assert caught.value.field == "wait"


def test_an_age_is_never_negative() -> None:
    assert whole_seconds(timedelta(seconds=-3)) == 0
    assert whole_seconds(timedelta(seconds=3, milliseconds=999)) == 3


@pytest.mark.req("N-51")
@pytest.mark.parametrize("serial", ["S", "S-1", "a b", "~" * 64])
def test_a_serial_of_1_to_64_printable_characters_is_taken(serial: str) -> None:
    assert checks.biz_serial(serial) == serial


@pytest.mark.req("N-51")
@pytest.mark.parametrize("serial", ["", "x" * 65, "序列", "a\nb", "a\x7f", "a\u00a0"])
def test_any_other_serial_is_refused(serial: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        checks.biz_serial(serial)
    assert caught.value.field == "biz_serial"
    assert serial not in caught.value.why or not serial


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.region_code, "420106", ["", "42010", "4201061", "000106", "４２０１０６"]),
        (checks.node_id, "420100-b", ["", "42010", "420100-B", "420100-", "hub"]),
        (checks.key_id, "00ff00ff00ff00ff", ["", "00FF00FF00FF00FF", "00ff", "0x00ff00ff00ff00"]),
        (checks.prefix, "4201", ["", "4", "420", "42010", "42010600", "x2"]),
        (checks.registered_name, "counter-app", ["", "Counter", "a_b", "a" * 65, "a.b"]),
        (checks.endpoint, "n1.hb.gov.cn:8443", ["", "host", "host:", ":1", "host:0", "host:65536", "a b:1"]),
        (checks.endpoint, "[::1]:8443", ["[::1]", "::1:x"]),
    ],
)
def test_names_are_taken_in_their_one_form(check: object, good: str, bad: list[str]) -> None:
    assert callable(check)
    assert str(check(good, "field")) == good
    for text in bad:
        with pytest.raises(InvalidFieldError):
            check(text, "field")


@pytest.mark.parametrize(("length", "fine"), [(0, False), (1, True), (1024, True), (1025, False)])
def test_a_code_text_has_1_to_1024_characters(length: int, fine: bool) -> None:
    if fine:
        assert checks.code_text("x" * length) == "x" * length
    else:
        with pytest.raises(InvalidFieldError):
            checks.code_text("x" * length)


def test_lengths_count_characters_and_control_characters_are_refused() -> None:
    assert checks.text("江" * 64, "place", longest=64) == "江" * 64
    assert checks.text("", "place", longest=64, shortest=0) == ""
    for bad in ("江" * 65, "a\x00b", "a\x85b", "a\nb"):
        with pytest.raises(InvalidFieldError):
            checks.text(bad, "place", longest=64)


@pytest.mark.parametrize(
    "mark", ["\u202e", "\u2066", "\u200b", "\u200f", "\u2028", "\ufeff", "\u061c", "\U000e0041", "\u2060"]
)
def test_a_name_has_no_marks_that_make_it_look_like_another(mark: str) -> None:
    with pytest.raises(InvalidFieldError):
        checks.text(f"武汉{mark}市", "name", longest=64)


@pytest.mark.parametrize("blank", [" ", "\u3000", " \u00a0 "])
def test_blanks_alone_are_no_name(blank: str) -> None:
    with pytest.raises(InvalidFieldError):
        checks.text(blank, "name", longest=64)
    assert checks.text(blank, "place", longest=64, shortest=0) == blank


@pytest.mark.parametrize(
    "name", ["新疆维吾尔自治区", "شىنجاڭ", "ᠥᠪᠥᠷ\u180b ᠮᠣᠩᠭᠣᠯ", "𠮷野县", "Wuhan No. 1", "拉萨 ལྷ་ས།"]
)
def test_names_of_all_scripts_are_names(name: str) -> None:
    assert checks.text(name, "name", longest=64) == name


def test_pages_have_a_default_and_a_limit() -> None:
    assert checks.page_size(0, default=50, most=200) == 50
    assert checks.page_size(200, default=50, most=200) == 200
    for bad in (-1, 201):
        with pytest.raises(InvalidFieldError):
            checks.page_size(bad, default=50, most=200)


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_a_code_id_has_16_bytes(size: int) -> None:
    with pytest.raises(InvalidFieldError):
        checks.code_id(bytes(size))
    assert checks.code_id(bytes(16)) == bytes(16)
