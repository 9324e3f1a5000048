"""Every reason that the contract promises for a method, provoked over the wire from real nodes, and no other.

A case takes a good call (`kit.good_calls`) and changes one thing. The set of cases is compared with the `Errors:` lines
of the protos, so that neither can say what the other does not. After each refusal the store holds what it held before.
"""

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Final

import grpc
import kit.refusal_cases_codes
import kit.refusal_cases_fields
import kit.refusal_cases_nodes  # noqa: F401 - importing these modules enters their cases
import pytest
import pytest_asyncio
from kit.federation import SHANGHAI, WUHAN, open_federation
from kit.good_authorizations import prepare
from kit.good_calls import GOOD, Attempt, World, in_order, write_people
from kit.nodes import RunningNode, running_node
from kit.refusal_cases_authorizations import DECIDE, REQUEST, WITHDRAW
from kit.refusal_cases_licences import FETCH, REPORT, RESOLVE, resolve_by_consent
from kit.refusal_registry import CASES, with_people
from kit.serving import attempt, begin, details_of, method_descriptors, reason_of

ROOT = Path(__file__).resolve().parents[2]

CANNOT_BE_PROVOKED: Final = {
    ("/govcode.code.v1.CodeBaseService/RenderCode", "DATA_TOO_LONG"): (
        "a text of 1,024 characters, the longest that is a code, fits into a QR symbol at every level; "
        "a symbology that holds less would refuse it"
    ),
}
"""What is promised and no caller can bring about, and why."""

STATUS: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: {
        *("INVALID_FIELD", "CURSOR_INVALID", "CODE_MALFORMED", "CODE_VERSION_UNSUPPORTED", "SYMBOLOGY_UNSUPPORTED"),
        *("EXTENSION_TOO_LONG", "TERMINAL_RULE_VIOLATED", "USCC_INVALID", "SCENE_RULE_OUT_OF_BOUNDS"),
        "AUTHORIZATION_OUT_OF_POLICY",
    },
    grpc.StatusCode.NOT_FOUND: {
        *("ACCOUNT_NOT_FOUND", "SESSION_NOT_FOUND", "RELATION_UNKNOWN", "SCENE_UNKNOWN", "CODE_NOT_FOUND"),
        *("SCAN_NOT_FOUND", "PARTY_UNKNOWN", "NO_ROUTE", "NODE_UNKNOWN"),
        *("AUTHORIZATION_NOT_FOUND", "LICENSE_TYPE_UNKNOWN", "LICENSE_NOT_FOUND"),
    },
    grpc.StatusCode.ALREADY_EXISTS: {"SERIAL_CONFLICT", "ALREADY_OPEN", "DUPLICATE", "PREFIX_CONFLICT"},
    grpc.StatusCode.PERMISSION_DENIED: {
        *("APP_DISABLED", "DEVICE_UNKNOWN", "DEVICE_DISABLED", "IDENTITY_MISMATCH", "IDENTITY_FAILED"),
        *("HOLDER_PROOF_INVALID", "RELATION_NOT_PROVEN", "SCENE_NOT_ALLOWED", "SCOPE_DENIED", "NODE_SUSPENDED"),
        *("EVIDENCE_INVALID", "SCOPE_NOT_REGISTERED", "EXCESSIVE_SCOPE", "STATUTORY_NOT_ALLOWED", "NOT_OWNER"),
        *("MANDATE_INVALID", "ITEM_NOT_GRANTED", "MATTER_MISMATCH", "AUDIENCE_MISMATCH", "HOLDER_MISMATCH"),
    },
    grpc.StatusCode.FAILED_PRECONDITION: {
        *("IDENTIFICATION_EXPIRED", "ASSURANCE_TOO_LOW", "TERMS_NOT_ACCEPTED", "SUBJECT_SUSPENDED"),
        *("DEVICE_NOT_BOUND", "SESSION_INVALID", "TICKET_INVALID", "TICKET_EXPIRED", "TICKET_USED"),
        *("CODE_STATE_CONFLICT", "SCAN_TOO_OLD", "CROSS_REGION_UNSUPPORTED", "REGISTRATION_STATE_CONFLICT"),
        *("NODE_STATE_CONFLICT", "EVIDENCE_STALE", "LOOP_DETECTED", "HOP_LIMIT", "SUBJECT_UNREACHABLE"),
        *("SCENE_CODE_INVALID", "AUTHORIZATION_STATE_CONFLICT", "AUTHORIZATION_TIMED_OUT", "NOTICE_CHANGED"),
        *("SENSITIVE_NOT_CONFIRMED", "STEP_UP_REQUIRED", "STEP_UP_MISMATCH", "GRANT_EXPIRED", "GRANT_WITHDRAWN"),
        *("CONSENT_REQUIRED", "ENCRYPTION_KEY_MISSING", "LOCATOR_REQUIRED", "LICENSE_NOT_VALID"),
        "LICENSE_SEAL_INVALID",
    },
    grpc.StatusCode.RESOURCE_EXHAUSTED: {
        *("RATE_LIMITED", "STREAM_LIMIT_REACHED", "GRANT_EXHAUSTED", "LICENSE_SERVICE_QUOTA"),
    },
    grpc.StatusCode.UNAVAILABLE: {
        *("IDENTITY_PROVIDER_UNAVAILABLE", "TRUST_BUNDLE_MISSING", "HOME_NODE_UNREACHABLE", "STORE_UNAVAILABLE"),
        *("KEY_UNAVAILABLE", "LICENSE_SERVICE_UNAVAILABLE"),
    },
}
WITH_DELAY: Final = {*STATUS[grpc.StatusCode.UNAVAILABLE], "RATE_LIMITED", "LICENSE_SERVICE_QUOTA"}
WITH_FIELD: Final = {"INVALID_FIELD", "USCC_INVALID"}

KEPT: Final = (
    *("accounts", "sessions", "relations", "tickets", "codes", "live_codes", "scans", "acts", "events"),
    *("relying_parties", "applications", "scanners", "scenes", "nodes"),
    *("authorizations", "license_uses", "mandates", "license_types", "matters"),
    *("application_keys", "scene_offers"),
)
"""Tables in which acts leave something; the audit trail and what loops write are not among them."""


def promised() -> set[tuple[str, str]]:
    """Every method of the protos with each reason of its `Errors:` line."""
    found = set()
    for path in sorted((ROOT / "protos").rglob("*_service.proto")):
        text = path.read_text(encoding="utf-8")
        package = re.search(r"^package ([\w.]+);", text, re.MULTILINE)
        service = re.search(r"^service (\w+) {", text, re.MULTILINE)
        assert package is not None
        assert service is not None
        for errors, method in re.findall(r"^  // Errors: ([^\n]+)\n  rpc (\w+)\(", text, re.MULTILINE):
            reasons = [] if errors == "none of its own" else errors.split(", ")
            found |= {(f"/{package[1]}.{service[1]}/{method}", reason) for reason in reasons}
    return found


def zh_texts() -> dict[str, str]:
    """The Chinese sentence of each reason as the documentation has it."""
    rows = (line.strip("|").split(" | ") for line in (ROOT / "docs" / "errors.md").read_text("utf-8").splitlines())
    return {cells[1].strip("` "): cells[-1].strip() for cells in rows if len(cells) == 7}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("documented")
    people, companies, file = write_people(folder / "people.toml")
    async with (
        open_federation(folder / "federation", SHANGHAI, WUHAN, changes=with_people(file)) as federation,
        running_node(folder / "lone", "110000") as lone,
    ):
        world = World(federation, lone, people, companies)
        await prepare(world)
        yield world


def counts(node: RunningNode) -> dict[str, int]:
    """How many rows each table has, past all the node's own code."""
    with closing(sqlite3.connect(f"file:{node.folder / 'store.db'}?mode=ro", uri=True)) as store:
        return {table: store.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in KEPT}  # noqa: S608


async def make(call: Attempt, method: str) -> grpc.aio.AioRpcError | None:
    metadata = (("accept-language", "zh-CN"), *call.metadata)
    async with (call.meanwhile or in_order)():
        return await attempt(call.channel, method, request=call.request, metadata=metadata)


def test_cases_are_what_the_contract_promises() -> None:
    assert set(CASES) | set(CANNOT_BE_PROVOKED) == promised()
    assert not set(CASES) & set(CANNOT_BE_PROVOKED)


def test_every_reason_has_one_expected_status() -> None:
    reasons = [reason for members in STATUS.values() for reason in members]
    assert len(reasons) == len(set(reasons))
    assert {reason for _, reason in CASES} == set(reasons)


def test_there_is_a_good_call_for_every_method() -> None:
    assert set(GOOD) == set(method_descriptors())


@pytest.mark.req("7.1-01")
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", sorted(GOOD))
async def test_the_good_call_is_good(world: World, method: str) -> None:
    assert await make(await GOOD[method](world), method) is None


@pytest.mark.req("N-55")
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("method", "reason"), sorted(CASES))
async def test_documented_reason_is_given(world: World, method: str, reason: str) -> None:
    call = await CASES[method, reason](world)
    before = counts(call.node)
    refused = await make(call, method)
    after = counts(call.node)

    assert refused is not None
    assert reason_of(refused) == reason, refused.details()
    assert reason in STATUS[refused.code()]
    details = details_of(refused)
    assert ("BadRequest" in details) == (reason in WITH_FIELD)
    if reason in WITH_FIELD:
        (violation,) = details["BadRequest"].field_violations
        assert violation.field == call.field
        assert violation.description
    assert ("RetryInfo" in details) == (reason in WITH_DELAY)
    if reason in WITH_DELAY:
        assert details["RetryInfo"].retry_delay.ToTimedelta().total_seconds() > 0
    assert details["LocalizedMessage"].locale == "zh-CN"
    assert details["LocalizedMessage"].message == zh_texts()[reason]
    assert {table for table in KEPT if after[table] != before[table]} <= call.keeps


async def reasons(world: World, *cases: tuple[str, str]) -> list[str]:
    """With which reasons calls are refused, each made as its case makes it."""
    return [reason_of(await make(await CASES[one](world), one[0])) for one in cases]


async def refused_as_said(world: World, *cases: tuple[str, str]) -> bool:
    """Whether every case is refused with its own reason."""
    return await reasons(world, *cases) == [reason for _, reason in cases]


@pytest.mark.req("6.3-01")
@pytest.mark.asyncio(loop_scope="module")
async def test_without_a_grant_no_licence_is_released(world: World) -> None:
    assert await refused_as_said(world, (FETCH, "AUTHORIZATION_NOT_FOUND"), (FETCH, "AUTHORIZATION_STATE_CONFLICT"))


@pytest.mark.req("6.3-04")
@pytest.mark.asyncio(loop_scope="module")
async def test_one_field_beyond_the_scope_is_refused(world: World) -> None:
    assert await refused_as_said(world, (REQUEST, "EXCESSIVE_SCOPE"))


@pytest.mark.req("6.3-05")
@pytest.mark.asyncio(loop_scope="module")
async def test_a_blanket_word_does_not_grant_a_sensitive_item(world: World) -> None:
    assert await refused_as_said(world, (DECIDE, "SENSITIVE_NOT_CONFIRMED"))


@pytest.mark.req("6.3-07")
@pytest.mark.req("N-30")
@pytest.mark.asyncio(loop_scope="module")
async def test_a_sensitive_item_needs_a_check_made_for_this_request(world: World) -> None:
    assert await refused_as_said(world, (DECIDE, "STEP_UP_REQUIRED"), (DECIDE, "STEP_UP_MISMATCH"))


@pytest.mark.req("6.3-08")
@pytest.mark.asyncio(loop_scope="module")
async def test_another_session_neither_decides_nor_withdraws(world: World) -> None:
    assert await refused_as_said(world, (DECIDE, "NOT_OWNER"), (WITHDRAW, "NOT_OWNER"))


@pytest.mark.req("6.3-09")
@pytest.mark.asyncio(loop_scope="module")
async def test_after_two_minutes_nothing_can_be_decided(world: World) -> None:
    assert await refused_as_said(world, (DECIDE, "AUTHORIZATION_TIMED_OUT"))


@pytest.mark.req("6.3-11")
@pytest.mark.req("6.3-20")
@pytest.mark.asyncio(loop_scope="module")
async def test_each_bond_of_a_grant_has_its_own_refusal(world: World) -> None:
    bonds = ("ITEM_NOT_GRANTED", "MATTER_MISMATCH", "GRANT_EXHAUSTED", "GRANT_EXPIRED", "GRANT_WITHDRAWN")
    assert await refused_as_said(world, *((FETCH, reason) for reason in bonds), (REPORT, "AUDIENCE_MISMATCH"))


@pytest.mark.req("N-26")
@pytest.mark.asyncio(loop_scope="module")
async def test_the_licence_of_somebody_else_is_not_delivered(world: World) -> None:
    assert await refused_as_said(world, (FETCH, "HOLDER_MISMATCH"))


@pytest.mark.req("7.2-11")
@pytest.mark.asyncio(loop_scope="module")
async def test_a_field_comes_whole_by_consent_and_not_without(world: World) -> None:
    assert await refused_as_said(world, (RESOLVE, "CONSENT_REQUIRED"), (RESOLVE, "ITEM_NOT_GRANTED"))
    call = await resolve_by_consent(world)
    call.request.whole = True
    answer = await begin(call.channel, RESOLVE, request=call.request)
    assert [(field.name, field.masked) for field in answer.fields] == [("name", False)]
