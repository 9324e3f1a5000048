"""The local identity provider: who is confirmed, who is not, and that nothing of the proof stays behind."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.disclosure import FieldName
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.identification import (
    IdentificationExpiredError,
    IdentifiedSubject,
    IdentityFailedError,
    IdentityProviderUnavailableError,
)
from govcode_node.domain.numbers import parse_citizen_id, parse_uscc
from govcode_node.ports.identity import IdentityProvider
from govcode_node.providers.identity.local import LocalIdentityProvider
from govcode_node.providers.identity.local_kit import device_kit_blob
from govcode_node.providers.identity.local_subjects import SyntheticSubjectsError, load_synthetic_subjects
from hypothesis import given
from hypothesis import strategies as st

SUBJECTS = Path(__file__).parents[3] / "deploy" / "demo" / "synthetic_subjects.toml"
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
ZHANG = "420100198802149916"
ZHANG_SECRET = "demo-zhang"
LI = "420100199006209927"
SUSPENDED = "11000019831024998X"
WUHAN_COMPANY = "91420100MA9TEXT198"
SHANGHAI_COMPANY = "91310000MA9TEXT273"
PERSON = """
[[person]]
synthetic = true
name = "张样例"
id_number = "420100198802149916"
phone = "10000000001"
secret = "demo-zhang"
assurance_level = 3
"""
COMPANY = """
[[company]]
synthetic = true
entity_name = "样例公司"
uscc = "91420100MA9TEXT198"
legal_representative = "420100198802149916"
assurance_level = 3
"""


class HandClock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def provider(clock: HandClock) -> LocalIdentityProvider:
    return LocalIdentityProvider.from_file(SUBJECTS, clock=clock)


def blob(identification_id: str, id_number: str = ZHANG, secret: str = "", uscc: str | None = None) -> bytes:
    return device_kit_blob(
        identification_id=identification_id, id_number=id_number, secret=secret or ZHANG_SECRET, uscc=uscc
    )


@pytest.mark.req("6.1-01")
async def test_person_is_identified_with_time_and_assurance(provider: IdentityProvider, clock: HandClock) -> None:
    begun = await provider.begin(SubjectKind.PERSON)
    assert (begun.provider, begun.expires_at) == ("local", NOW + timedelta(minutes=5))
    clock.at = begun.expires_at - timedelta(milliseconds=1)
    subject = await provider.finish(begun.identification_id, blob(begun.identification_id))
    assert subject.subject_kind is SubjectKind.PERSON
    assert (subject.unique_number, subject.assurance_level, subject.identified_at) == (ZHANG, 3, clock.at)
    assert subject.fields == {
        FieldName.NAME: "张样例",
        FieldName.ID_NUMBER: ZHANG,
        FieldName.PHONE: "10000000001",
    }
    assert subject.acting_person_number == ""


async def test_company_is_identified_by_its_legal_representative(provider: LocalIdentityProvider) -> None:
    begun = await provider.begin(SubjectKind.LEGAL_ENTITY)
    subject = await provider.finish(
        begun.identification_id, blob(begun.identification_id, LI, "demo-li", WUHAN_COMPANY)
    )
    assert subject.subject_kind is SubjectKind.LEGAL_ENTITY
    assert (subject.unique_number, subject.acting_person_number) == (WUHAN_COMPANY, LI)
    assert subject.fields == {
        FieldName.ENTITY_NAME: "武汉样例贸易有限公司（虚构）",
        FieldName.USCC: WUHAN_COMPANY,
    }


async def test_company_is_known_no_better_than_the_weaker_of_both_checks(provider: LocalIdentityProvider) -> None:
    begun = await provider.begin(SubjectKind.LEGAL_ENTITY)
    proof = blob(begun.identification_id, "110000199511119959", "demo-shangguan", SHANGHAI_COMPANY)
    assert (await provider.finish(begun.identification_id, proof)).assurance_level == 2


@pytest.mark.req("6.1-01")
@pytest.mark.parametrize(
    ("id_number", "secret"),
    [(ZHANG, "demo-li"), (ZHANG, " "), ("420100198802149991", "demo-zhang"), ("", ""), (SUSPENDED, "demo-suspended")],
    ids=["wrong secret", "no secret", "unknown person", "nobody", "suspended person"],
)
async def test_person_who_proves_nothing_is_not_identified(
    provider: LocalIdentityProvider, id_number: str, secret: str
) -> None:
    begun = await provider.begin(SubjectKind.PERSON)
    with pytest.raises(IdentityFailedError) as refusal:
        await provider.finish(begun.identification_id, blob(begun.identification_id, id_number, secret))
    assert refusal.value.provider == "local"
    assert id_number == "" or id_number not in str(refusal.value)


@pytest.mark.parametrize("uscc", [SHANGHAI_COMPANY, "91420100MA9TEXT1XX", "", None])
async def test_person_cannot_act_for_a_company_of_somebody_else(
    provider: LocalIdentityProvider, uscc: str | None
) -> None:
    begun = await provider.begin(SubjectKind.LEGAL_ENTITY)
    with pytest.raises(IdentityFailedError):
        await provider.finish(begun.identification_id, blob(begun.identification_id, LI, "demo-li", uscc))


async def test_suspended_company_is_not_identified(tmp_path: Path, clock: HandClock) -> None:
    path = tmp_path / "subjects.toml"
    path.write_text(PERSON + COMPANY + "suspended = true\n", encoding="utf-8")
    provider = LocalIdentityProvider.from_file(path, clock=clock)
    begun = await provider.begin(SubjectKind.LEGAL_ENTITY)
    with pytest.raises(IdentityFailedError):
        await provider.finish(begun.identification_id, blob(begun.identification_id, uscc=WUHAN_COMPANY))


@pytest.mark.req("N-30")
async def test_check_gives_back_what_it_was_begun_for(provider: IdentityProvider) -> None:
    for bound_to in (b"", b"digest of one decision"):
        begun = await provider.begin(SubjectKind.PERSON, bound_to=bound_to)
        subject = await provider.finish(begun.identification_id, blob(begun.identification_id))
        assert subject.bound_to == bound_to
    begun = await provider.begin(SubjectKind.LEGAL_ENTITY, bound_to=b"for the company")
    proof = blob(begun.identification_id, LI, "demo-li", WUHAN_COMPANY)
    assert (await provider.finish(begun.identification_id, proof)).bound_to == b"for the company"


def mid_only(tmp_path: Path, clock: HandClock) -> LocalIdentityProvider:
    path = tmp_path / "mid.toml"
    path.write_text(f"{PERSON}mid_only = true\n{COMPANY}mid_only = true\n", encoding="utf-8")
    return LocalIdentityProvider.from_file(path, clock=clock)


@pytest.mark.req("N-21")
async def test_subject_known_by_a_mark_alone_gives_number_and_name_for_one_act_only(
    tmp_path: Path, clock: HandClock
) -> None:
    provider = mid_only(tmp_path, clock)

    async def identified(kind: SubjectKind, bound_to: bytes) -> IdentifiedSubject:
        begun = await provider.begin(kind, bound_to=bound_to)
        uscc = WUHAN_COMPANY if kind is SubjectKind.LEGAL_ENTITY else None
        return await provider.finish(begun.identification_id, blob(begun.identification_id, uscc=uscc))

    opened = await identified(SubjectKind.PERSON, b"")
    assert opened.fields == {}
    assert ZHANG not in opened.unique_number
    asked = await identified(SubjectKind.PERSON, b"one act")
    assert asked.unique_number == opened.unique_number
    assert asked.fields == {FieldName.NAME: "张样例", FieldName.ID_NUMBER: ZHANG}
    assert (await identified(SubjectKind.PERSON, b"")).fields == {}

    company = await identified(SubjectKind.LEGAL_ENTITY, b"")
    assert company.fields == {}
    assert WUHAN_COMPANY not in company.unique_number
    assert company.acting_person_number == opened.unique_number
    named = await identified(SubjectKind.LEGAL_ENTITY, b"one act")
    assert named.fields[FieldName.USCC] == WUHAN_COMPANY
    assert named.unique_number == company.unique_number


@pytest.mark.req("N-07")
async def test_standing_of_a_company_follows_the_register(provider: LocalIdentityProvider) -> None:
    standing = await provider.standing(WUHAN_COMPANY)
    assert (standing.active, standing.representative_number) == (True, LI)
    assert LI not in repr(standing)
    company = provider.subjects.companies[WUHAN_COMPANY]

    def register(**changes: object) -> None:
        changed = replace(company, **changes)  # type: ignore[arg-type]
        provider.subjects = replace(provider.subjects, companies={WUHAN_COMPANY: changed})

    register(legal_representative=ZHANG)
    assert (await provider.standing(WUHAN_COMPANY)).representative_number == ZHANG
    register(suspended=True)
    assert not (await provider.standing(WUHAN_COMPANY)).active
    assert not (await provider.standing(SHANGHAI_COMPANY)).active
    provider.available = False
    with pytest.raises(IdentityProviderUnavailableError):
        await provider.standing(WUHAN_COMPANY)


async def test_representative_known_by_a_mark_is_the_same_in_the_register_and_at_the_check(
    tmp_path: Path, clock: HandClock
) -> None:
    provider = mid_only(tmp_path, clock)
    begun = await provider.begin(SubjectKind.PERSON)
    person = await provider.finish(begun.identification_id, blob(begun.identification_id))
    assert (await provider.standing(WUHAN_COMPANY)).representative_number == person.unique_number


async def test_identification_is_finished_once(provider: LocalIdentityProvider) -> None:
    begun = await provider.begin(SubjectKind.PERSON)
    await provider.finish(begun.identification_id, blob(begun.identification_id))
    with pytest.raises(IdentificationExpiredError):
        await provider.finish(begun.identification_id, blob(begun.identification_id))


async def test_failed_attempt_uses_the_identification_up(provider: LocalIdentityProvider) -> None:
    begun = await provider.begin(SubjectKind.PERSON)
    with pytest.raises(IdentityFailedError):
        await provider.finish(begun.identification_id, blob(begun.identification_id, secret="guess"))
    with pytest.raises(IdentificationExpiredError):
        await provider.finish(begun.identification_id, blob(begun.identification_id))


async def test_late_identification_is_refused(provider: LocalIdentityProvider, clock: HandClock) -> None:
    begun = await provider.begin(SubjectKind.PERSON)
    clock.at = begun.expires_at
    with pytest.raises(IdentificationExpiredError):
        await provider.finish(begun.identification_id, blob(begun.identification_id))


async def test_blob_of_another_identification_proves_nothing(provider: LocalIdentityProvider) -> None:
    first = await provider.begin(SubjectKind.PERSON)
    second = await provider.begin(SubjectKind.PERSON)
    with pytest.raises(IdentityFailedError):
        await provider.finish(second.identification_id, blob(first.identification_id))


async def test_unknown_identification_is_refused(provider: LocalIdentityProvider) -> None:
    with pytest.raises(IdentificationExpiredError):
        await provider.finish("0" * 32, blob("0" * 32))


async def test_things_are_not_identified(provider: LocalIdentityProvider) -> None:
    with pytest.raises(InvalidFieldError):
        await provider.begin(SubjectKind.THING)


async def test_identification_survives_an_outage_of_the_provider(provider: LocalIdentityProvider) -> None:
    begun = await provider.begin(SubjectKind.PERSON)
    provider.available = False
    with pytest.raises(IdentityProviderUnavailableError):
        await provider.begin(SubjectKind.PERSON)
    with pytest.raises(IdentityProviderUnavailableError):
        await provider.finish(begun.identification_id, blob(begun.identification_id))
    provider.available = True
    assert (await provider.finish(begun.identification_id, blob(begun.identification_id))).unique_number == ZHANG


async def test_oldest_identification_gives_way_when_too_many_are_open(clock: HandClock) -> None:
    provider = LocalIdentityProvider(load_synthetic_subjects(SUBJECTS), clock=clock, max_pending=3)
    begun = [(await provider.begin(SubjectKind.PERSON)).identification_id for _ in range(4)]
    with pytest.raises(IdentificationExpiredError):
        await provider.finish(begun[0], blob(begun[0]))
    for identification_id in begun[1:]:
        assert (await provider.finish(identification_id, blob(identification_id))).unique_number == ZHANG


async def test_ids_and_challenges_differ_each_time(provider: LocalIdentityProvider) -> None:
    begun = [await provider.begin(SubjectKind.PERSON) for _ in range(50)]
    assert len({one.identification_id for one in begun}) == 50
    assert len({one.challenge for one in begun}) == 50
    assert all(len(bytes.fromhex(one.identification_id)) == 16 for one in begun)


@given(
    garbage=st.binary(max_size=200)
    | st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
async def test_any_blob_is_a_refusal_and_never_a_crash(garbage: bytes) -> None:
    provider = LocalIdentityProvider.from_file(SUBJECTS, clock=HandClock())
    begun = await provider.begin(SubjectKind.PERSON)
    with pytest.raises(IdentityFailedError):
        await provider.finish(begun.identification_id, garbage)


@pytest.mark.parametrize(
    "strange",
    [
        b"[" * 4000,
        b'{"identification_id": "%s", "id_number": 5, "secret": []}',
        b'{"identification_id": "%s", "id_number": "420100198802149916", "secret": "\\ud800"}',
        b" " * 5000,
    ],
)
async def test_strange_json_is_a_refusal(provider: LocalIdentityProvider, strange: bytes) -> None:
    begun = await provider.begin(SubjectKind.PERSON)
    with pytest.raises(IdentityFailedError):
        await provider.finish(begun.identification_id, strange.replace(b"%s", begun.identification_id.encode()))


async def test_nothing_of_the_blob_is_kept_shown_or_logged(
    provider: LocalIdentityProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    begun = await provider.begin(SubjectKind.PERSON)
    other = await provider.begin(SubjectKind.PERSON)
    subject = await provider.finish(begun.identification_id, blob(begun.identification_id))
    with pytest.raises(IdentityFailedError) as refusal:
        await provider.finish(other.identification_id, blob(other.identification_id, secret="canary-secret"))
    shown = f"{subject!r} {refusal.value!r} {refusal.value} {vars(provider)['_pending']} {caplog.text}"
    people = load_synthetic_subjects(SUBJECTS).people
    shown += repr(people[ZHANG])
    for planted in (ZHANG, "demo-zhang", "canary-secret", "张样例", "10000000001"):
        assert planted not in shown


def test_demo_file_has_every_kind_of_subject_that_the_demo_tells_of() -> None:
    subjects = load_synthetic_subjects(SUBJECTS)
    people = subjects.people.values()
    assert len(people) == 8
    assert {person.relation for person in people if person.presenter} == {"GUARDIAN", "FAMILY"}
    assert any("·" in person.name for person in people)
    assert any(ord(character) > 0xFFFF for person in people for character in person.name)
    assert {person.assurance_level for person in people} == {1, 2, 3}
    assert all(parse_citizen_id(number) for number in subjects.people)
    assert len(subjects.companies) == 2
    assert all(parse_uscc(number) for number in subjects.companies)


@pytest.mark.parametrize(
    ("content", "entry", "word"),
    [
        (PERSON.replace("synthetic = true\n", ""), "person 1", "synthetic"),
        (PERSON.replace("synthetic = true", "synthetic = 1"), "person 1", "synthetic"),
        (PERSON + COMPANY.replace("synthetic = true\n", ""), "company 1", "synthetic"),
        (PERSON.replace("420100198802149916", "420100198802149917"), "person 1", "check digit"),
        (PERSON.replace("420100198802149916", "11010519491231002X"), "person 1", "sequence"),
        (PERSON.replace("10000000001", "13900000001"), "person 1", "phone"),
        (PERSON.replace("level = 3", "level = 4"), "person 1", "assurance_level"),
        (PERSON.replace("level = 3", "level = true"), "person 1", "assurance_level"),
        (PERSON.replace("demo-zhang", "short"), "person 1", "secret"),
        (PERSON + "mid_only = 1\n", "person 1", "mid_only"),
        (PERSON + "nickname = 'x'\n", "person 1", "nickname"),
        (PERSON + PERSON, "person 2", "repeats"),
        (PERSON + 'presenter = "420100198802149916"\nrelation = "GUARDIAN"\n', "person 1", "presenter"),
        (PERSON + 'presenter = "420100199006209927"\nrelation = "FRIEND"\n', "person 1", "relation"),
        (PERSON + COMPANY.replace("91420100MA9TEXT198", "91350100M000100Y43"), "company 1", "MA9TEXT"),
        (COMPANY, "company 1", "legal_representative"),
        (PERSON + COMPANY + COMPANY, "company 2", "repeats"),
        ("person = 5", "person", "[[person]]"),
        ("person = [5]", "person 1", "table"),
        ("[[animal]]", "file", "animal"),
        ("[[person", "file", "cannot be read"),
    ],
)
def test_file_with_a_fault_is_refused_whole(tmp_path: Path, content: str, entry: str, word: str) -> None:
    path = tmp_path / "subjects.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SyntheticSubjectsError) as refusal:
        load_synthetic_subjects(path)
    assert refusal.value.entry == entry
    assert word in refusal.value.why
    assert "42010019" not in str(refusal.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SyntheticSubjectsError):
        load_synthetic_subjects(tmp_path / "nothing.toml")
