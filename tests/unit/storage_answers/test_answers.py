"""Remembered answers: what goes in comes out, across neighbour versions, and nothing else comes out."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from govcode_node.domain.accounts import Account, AccountId, AccountState, Session, SessionEndReason
from govcode_node.domain.codes import (
    CodeId,
    CodeMode,
    CodeProfile,
    CodeState,
    SubjectKind,
    TerminalType,
)
from govcode_node.domain.disclosure import FieldName, FieldRule
from govcode_node.domain.issued_codes import IssuedCode, StoredCode
from govcode_node.domain.parties import RegistrationState, RelyingParty
from govcode_node.domain.scenes import Scene, SceneClass
from govcode_node.storage.answers import CattrsAnswerCodec
from hypothesis import given
from hypothesis import strategies as st

A = TypeVar("A")

CODEC = CattrsAnswerCodec()
NOW = datetime(2026, 11, 24, 8, 0, 0, 123_456, tzinfo=UTC)
TIMES = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2106, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants naive bounds
TEXTS = st.text(max_size=20)
IDS = st.text(min_size=1, max_size=40).map(AccountId)

STORED_CODES = st.builds(
    StoredCode,
    code_id=st.binary(min_size=16, max_size=16).map(CodeId),
    account_id=IDS,
    presenter_account_id=st.none() | IDS,
    subject_kind=st.sampled_from(SubjectKind),
    mode=st.sampled_from(CodeMode),
    profile=st.sampled_from(CodeProfile),
    terminal_type=st.sampled_from(TerminalType),
    scene_no=st.integers(0, 65_535),
    one_time=st.booleans(),
    key_no=st.integers(0, 65_535),
    issued_at=TIMES,
    expires_at=st.none() | TIMES,
    app_id=TEXTS,
    state=st.sampled_from(CodeState),
    state_at=st.none() | TIMES,
    reason=TEXTS,
)
ISSUED_CODES = st.builds(
    IssuedCode,
    code=STORED_CODES,
    code_text=TEXTS,
    refresh_after=st.none() | st.timedeltas(timedelta(0), timedelta(days=400)),
)
SESSIONS = st.builds(
    Session,
    token_hash=st.binary(min_size=32, max_size=32),
    account_id=IDS,
    app_id=TEXTS,
    device_key_id=TEXTS,
    created_at=TIMES,
    expires_at=TIMES,
    ended_at=st.none() | TIMES,
    end_reason=st.none() | st.sampled_from(SessionEndReason),
)
ACCOUNTS = st.builds(
    Account,
    account_id=IDS,
    subject_kind=st.sampled_from(SubjectKind),
    state=st.sampled_from(AccountState),
    assurance_level=st.integers(0, 3),
    terms_version=TEXTS,
    device_key_id=TEXTS,
    device_public_key=st.binary(max_size=65),
    opened_at=TIMES,
    closed_at=st.none() | TIMES,
)
SCENES = st.builds(
    Scene,
    scene_no=st.integers(1, 65_535),
    version=st.integers(1, 100),
    name=TEXTS,
    scene_class=st.sampled_from(SceneClass),
    subject_kinds=st.frozensets(st.sampled_from(SubjectKind)),
    validity=st.none() | st.timedeltas(timedelta(seconds=60), timedelta(seconds=600)),
    refresh_after=st.none() | st.timedeltas(timedelta(seconds=5), timedelta(seconds=59)),
    profile=st.sampled_from(CodeProfile),
    one_time=st.booleans(),
    offline_allowed=st.booleans(),
    fields=st.lists(st.builds(FieldRule, st.sampled_from(FieldName), st.booleans()), max_size=6).map(tuple),
    assurance_level=st.integers(1, 3),
    effective_at=TIMES,
)
RELYING_PARTIES = st.builds(
    RelyingParty,
    relying_party_id=TEXTS,
    name=TEXTS,
    uscc=TEXTS,
    purpose=TEXTS,
    contact=TEXTS,
    state=st.sampled_from(RegistrationState),
    registered_at=TIMES,
)
SCENE = Scene(
    scene_no=7,
    version=1,
    name="窗口",
    scene_class=SceneClass.COUNTER,
    subject_kinds=frozenset({SubjectKind.THING, SubjectKind.PERSON}),
    validity=timedelta(seconds=60),
    fields=(FieldRule(FieldName.NAME),),
    effective_at=NOW,
)


@given(answer=ISSUED_CODES | SESSIONS | ACCOUNTS | SCENES | RELYING_PARTIES)
def test_answer_comes_back_as_it_was(answer: object) -> None:
    loaded = CODEC.load(type(answer), CODEC.dump(answer))
    assert loaded == answer
    assert _types(loaded) == _types(answer)


def _types(value: object) -> object:
    """The types all the way down: 1 equals SubjectKind.PERSON, and must not take its place."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _types(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_types(one) for one in value]
    if isinstance(value, frozenset):
        return {type(one) for one in value}
    return type(value)


def test_equal_answers_have_equal_bytes_whatever_the_order_of_a_set() -> None:
    other = dataclasses.replace(SCENE, subject_kinds=frozenset({SubjectKind.PERSON, SubjectKind.THING}))
    assert CODEC.dump(SCENE) == CattrsAnswerCodec().dump(other)
    assert json.loads(CODEC.dump(SCENE))["subject_kinds"] == [1, 3]


def test_time_is_not_rounded() -> None:
    assert CODEC.load(Scene, CODEC.dump(SCENE)).effective_at == NOW


def test_keys_of_a_newer_version_are_skipped() -> None:
    content = json.loads(CODEC.dump(SCENE))
    content["a_field_of_next_year"] = {"x": 1}
    content["fields"][0]["colour"] = "red"
    assert CODEC.load(Scene, json.dumps(content).encode()) == SCENE


def test_missing_keys_of_an_older_version_take_their_default() -> None:
    content = json.loads(CODEC.dump(SCENE))
    for key in ("fields", "validity"):
        del content[key]
    assert CODEC.load(Scene, json.dumps(content).encode()) == dataclasses.replace(SCENE, fields=(), validity=None)


@pytest.mark.parametrize(
    "change",
    [
        {"scene_no": "7"},
        {"scene_no": True},
        {"scene_no": None},
        {"name": None},
        {"name": 5},
        {"one_time": 1},
        {"scene_class": 99},
        {"effective_at": "2026"},
        {"subject_kinds": 3},
        {"validity": 1},
    ],
)
def test_bytes_of_another_form_are_a_value_error_that_repeats_nothing(change: dict[str, object]) -> None:
    content = json.loads(CODEC.dump(SCENE)) | change
    with pytest.raises(ValueError, match=r"^the bytes are no Scene$") as refusal:
        CODEC.load(Scene, json.dumps(content).encode())
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b"\xff", b"{" * 100_000])
def test_bytes_that_are_no_answer_are_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^the bytes are no Session$"):
        CODEC.load(Session, data)


def test_what_is_no_dataclass_cannot_be_remembered() -> None:
    with pytest.raises(TypeError, match="dict"):
        CODEC.dump({"a": 1})
