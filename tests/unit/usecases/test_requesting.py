"""A relying party asks: only after its own scan, only within the scope of the matter, and once for each serial."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from govcode_node.authorization_steps import LicenceRules
from govcode_node.domain.accounts import AccountState, SubjectSuspendedError
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AuthorizationEntry,
    AuthorizationNotFoundError,
    AuthorizationState,
    ConsentRequest,
    LegalBasis,
    StatutoryDuty,
    StatutoryNotAllowedError,
    SubjectUnreachableError,
)
from govcode_node.domain.callers import AppDisabledError
from govcode_node.domain.catalogue import (
    AskedItem,
    AuthorizationOutOfPolicyError,
    ExcessiveScopeError,
    LicenseTypeUnknownError,
    ScopeNotRegisteredError,
    StatutoryBasis,
)
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.events import AuthorizationChanged, AuthorizationRequested
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.parties import RegistrationState
from govcode_node.domain.recognition import (
    HomeNodeTimeoutError,
    HomeNodeUnreachableError,
    PeerAnswerRefusedError,
    PeerRefusedError,
)
from govcode_node.domain.scans import ScanNotFoundError, ScanTooOldError
from kit.clocks import MovableClock
from kit.consent_in_memory import (
    BIRTH,
    DRIVING,
    LICENCES_FILE,
    MATTER,
    NAME_AND_BORN,
    WITH_DOCUMENT,
    AskingCounter,
    DecidingHolder,
    Regions,
    asking_counter,
    deciding_entity,
    deciding_holder,
    register_matter,
    replace,
    scene_code,
    told,
)
from kit.federation_in_memory import FederationInMemory, NodeInMemory
from kit.people_in_memory import Counter, MobileApp, OperatorDesk, call_of, serial

STATUTE = "行政许可法第三十四条"
DUTY = StatutoryDuty(statute=STATUTE, approval_reference="市监局 2026-17 号")


async def scan_of(counter: AskingCounter, holder: DecidingHolder) -> str:
    return (await counter.counter.scan(await holder.holder.present())).answer.scan_id


@pytest.mark.req("6.3-02", "6.3-03", "7.1-01")
async def test_the_holder_is_asked_with_all_that_the_law_wants_named(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    asked = await licensed_counter.ask(
        asked_holder.holder,
        NAME_AND_BORN,
        purpose="核验出生信息",
        max_uses=2,
        retention=timedelta(days=7),
        period=timedelta(minutes=30),
    )

    request = asked.request
    assert asked.state is AuthorizationState.PENDING
    assert asked.decide_before - licensed.clock.now() == timedelta(seconds=120)
    assert request.entry is AuthorizationEntry.RELYING_PARTY_SCANNED
    assert (request.relying_party_name, request.relying_party_uscc) == ("政务服务中心", licensed_counter.counter.uscc)
    assert (request.matter_code, request.purpose, request.max_uses) == (MATTER, "核验出生信息", 2)
    assert (request.retention, request.period) == (timedelta(days=7), timedelta(minutes=30))
    assert [(item.item_no, item.asked) for item in request.items] == [(1, NAME_AND_BORN)]
    (event,) = await told(licensed, "mobile-app", AuthorizationRequested)
    assert event.authorization_id == asked.authorization_id
    (record,) = await OperatorDesk(licensed).audit(AuditAction.AUTHORIZATION_REQUESTED)
    assert record.entry.object == asked.authorization_id


@pytest.mark.req("6.3-04")
@pytest.mark.parametrize(
    ("item", "field"),
    [
        (AskedItem(license_type=BIRTH, field_names=("name", "father")), "father"),
        (AskedItem(license_type=BIRTH, document=True), "document"),
        (AskedItem(license_type=DRIVING, field_names=("class",)), ""),
    ],
)
async def test_what_the_matter_does_not_need_cannot_be_asked(
    licensed: NodeInMemory,
    licensed_counter: AskingCounter,
    asked_holder: DecidingHolder,
    item: AskedItem,
    field: str,
) -> None:
    scope = (AskedItem(license_type=BIRTH, field_names=("name", "born")),)
    await register_matter(licensed, licensed_counter.counter.app_id, items=scope)
    scan_id = await scan_of(licensed_counter, asked_holder)

    with pytest.raises(ExcessiveScopeError) as refused:
        await licensed_counter.request(scan_id, NAME_AND_BORN, item)

    assert (refused.value.license_type, refused.value.field) == (item.license_type, field)
    assert await asked_holder.list_authorizations() == []
    assert await told(licensed, "mobile-app", AuthorizationRequested) == []


@pytest.mark.req("6.3-04")
@pytest.mark.parametrize(
    ("limit", "wish"),
    [
        ("max_uses", {"max_uses": 31}),
        ("max_uses", {"max_uses": 0}),
        ("period", {"period": timedelta(days=30, seconds=1)}),
        ("period", {"period": timedelta()}),
        ("retention", {"retention": timedelta(days=31)}),
        ("retention", {"retention": timedelta(seconds=-1)}),
    ],
)
async def test_more_uses_or_time_than_the_matter_allows_are_refused(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder, limit: str, wish: dict[str, Any]
) -> None:
    scan_id = await scan_of(licensed_counter, asked_holder)

    with pytest.raises(AuthorizationOutOfPolicyError) as refused:
        await licensed_counter.request(scan_id, **wish)

    assert refused.value.field == limit


@pytest.mark.req("6.3-04")
async def test_a_matter_for_entities_asks_no_person(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    await register_matter(
        licensed, licensed_counter.counter.app_id, subject_kinds=frozenset({SubjectKind.LEGAL_ENTITY})
    )

    with pytest.raises(AuthorizationOutOfPolicyError) as refused:
        await licensed_counter.ask(asked_holder.holder)

    assert refused.value.field == "subject_kind"


async def test_an_entity_is_not_asked_for_a_licence_of_persons(
    licensed: NodeInMemory, licensed_counter: AskingCounter
) -> None:
    company = await deciding_entity(licensed)

    with pytest.raises(AuthorizationOutOfPolicyError) as refused:
        await licensed_counter.ask(company.holder, NAME_AND_BORN)

    assert (refused.value.field, refused.value.limit) == ("license_type", "LEGAL_ENTITY")


@pytest.mark.req("6.3-04", "6.3-20")
async def test_a_matter_that_is_not_registered_for_the_application_is_refused(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    scan_id = await scan_of(licensed_counter, asked_holder)

    with pytest.raises(ScopeNotRegisteredError):
        await licensed_counter.request(scan_id, matter_code="M-0002")


@pytest.mark.req("6.3-01", "6.3-02")
async def test_only_an_own_fresh_and_valid_scan_lets_ask(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    desk = OperatorDesk(licensed)
    party_id = await desk.relying_party("91310000MA9TEXT273")
    await desk.application("other-app", party_id=party_id)
    await register_matter(licensed, "other-app")
    other = AskingCounter(Counter(licensed, "other-app", party_id, "91310000MA9TEXT273"))
    code = await asked_holder.holder.present(one_time=True)
    verified = (await licensed_counter.counter.verify(code)).answer.scan_id
    valid = (await licensed_counter.counter.scan(code)).answer.scan_id
    consumed = (await licensed_counter.counter.scan(code)).answer.scan_id

    for asker, scan_id in (
        (licensed_counter, verified),
        (licensed_counter, consumed),
        (other, valid),
        (licensed_counter, "sc_" + "0" * 32),
    ):
        with pytest.raises(ScanNotFoundError):
            await asker.request(scan_id)
    clock.advance(timedelta(minutes=10, milliseconds=1))
    with pytest.raises(ScanTooOldError):
        await licensed_counter.request(valid)


async def test_a_suspended_application_asks_nothing(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    scan_id = await scan_of(licensed_counter, asked_holder)
    await OperatorDesk(licensed).move_application(licensed_counter.counter.app_id, RegistrationState.SUSPENDED)

    with pytest.raises(AppDisabledError):
        await licensed_counter.request(scan_id)


async def test_a_holder_without_a_session_cannot_be_asked(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    scan_id = await scan_of(licensed_counter, asked_holder)
    holder = asked_holder.holder
    await licensed_counter.node.steps.accounts.close_session(
        call_of(holder.app.caller, "CloseSession"), session_token=holder.token, session_id=""
    )

    with pytest.raises(SubjectUnreachableError):
        await licensed_counter.request(scan_id)


async def test_a_suspended_subject_is_not_asked(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    scan_id = await scan_of(licensed_counter, asked_holder)
    licensed.database.set_account_state(asked_holder.holder.account, AccountState.SUSPENDED)

    with pytest.raises(SubjectSuspendedError):
        await licensed_counter.request(scan_id)


@pytest.mark.req("N-51")
async def test_the_same_serial_asks_once_and_another_content_is_a_conflict(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, clock: MovableClock
) -> None:
    scan_id = await scan_of(licensed_counter, asked_holder)
    call, command = licensed_counter.request_call(scan_id)
    requesting = licensed.steps.authorizations.requesting

    (first, replayed), (second, replayed_second) = await asyncio.gather(
        requesting.request(call, command), requesting.request(call, command)
    )
    assert (replayed, replayed_second) == (False, True)
    clock.advance(timedelta(hours=23))
    third, replayed_third = await requesting.request(call, command)

    assert first.authorization_id == second.authorization_id == third.authorization_id
    assert replayed_third
    assert len(await told(licensed, "mobile-app", AuthorizationRequested)) == 1
    other = replace(command, max_uses=2)
    with pytest.raises(SerialConflictError):
        await requesting.request(call_of(licensed_counter.caller, "RequestAuthorization", other), other)


@pytest.mark.req("N-51")
async def test_a_serial_that_a_holder_chose_for_a_scene_is_free_for_the_counter(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    number = serial("chosen")
    scanned = await asked_holder.scan_scene(await scene_code(licensed_counter), biz_serial=number)

    asked = await licensed_counter.ask(asked_holder.holder, biz_serial=number)

    assert asked.authorization_id != scanned.authorization_id


@pytest.mark.req("6.3-02")
async def test_the_home_node_of_another_region_asks_its_holder(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder, WITH_DOCUMENT)

    assert (asked.request.home_node, asked.request.visited_node) == ("420100", "110000")
    assert asked.account_id is None
    shown = await regions.holder.view(asked.authorization_id)
    assert shown.authorization.request == asked.request
    assert shown.authorization.account_id == regions.holder.holder.account.account_id
    read = await regions.home.reader.read(
        shown.authorization.request_evidence, purpose=EvidencePurpose.CONSENT_REQUEST, kind=ConsentRequest
    )
    assert (read.node_id, read.statement) == ("110000", asked.request)


@pytest.mark.req("6.3-02", "N-51")
async def test_a_lost_answer_of_the_home_node_is_asked_for_again_and_makes_no_second_request(regions: Regions) -> None:
    scan_id = await scan_of(regions.counter, regions.holder)
    call, command = regions.counter.request_call(scan_id)
    requesting = regions.visited.steps.authorizations.requesting
    regions.visited.peers.losing.add("420100")
    with pytest.raises(HomeNodeTimeoutError):
        await requesting.request(call, command)
    regions.visited.peers.losing.clear()

    asked, _ = await requesting.request(call, command)

    assert [one.authorization_id for one in await regions.holder.list_authorizations()] == [asked.authorization_id]
    assert len(await told(regions.home, "mobile-app", AuthorizationRequested)) == 1


@pytest.mark.req("N-51")
async def test_after_a_lost_answer_the_serial_stays_that_of_the_first_request(regions: Regions) -> None:
    scan_id = await scan_of(regions.counter, regions.holder)
    call, command = regions.counter.request_call(scan_id)
    requesting = regions.visited.steps.authorizations.requesting
    regions.visited.peers.unreachable.add("420100")
    with pytest.raises(HomeNodeUnreachableError):
        await requesting.request(call, command)
    regions.visited.peers.unreachable.clear()
    other = replace(command, purpose="另一目的")

    with pytest.raises(SerialConflictError):
        await requesting.request(call_of(regions.counter.caller, "RequestAuthorization", other), other)


async def test_a_home_node_that_is_away_is_told_honestly(regions: Regions) -> None:
    scan_id = await scan_of(regions.counter, regions.holder)
    regions.visited.peers.hanging.add("420100")

    with pytest.raises(HomeNodeTimeoutError):
        await regions.counter.request(scan_id)

    assert await regions.holder.list_authorizations() == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"visited_node": "310000"}, "EvidenceRefusedError"), ({"home_node": "310000"}, "IdentityMismatchError")],
)
async def test_a_request_in_the_name_of_another_node_or_for_another_is_refused(
    regions: Regions, changes: dict[str, str], why: str
) -> None:
    asked = await regions.counter.ask(regions.holder.holder)
    false = replace(asked.request, authorization_id="au_" + "7" * 32, **changes)
    evidence = await regions.visited.attestor.attest(EvidencePurpose.CONSENT_REQUEST, false)
    call = regions.counter.request_call("")[0]

    with pytest.raises(PeerRefusedError) as refused:
        await regions.visited.peers.forward_consent_request("420100", request=evidence, call=call)

    assert refused.value.reason == why


@pytest.mark.req("6.3-01")
async def test_a_node_cannot_ask_without_a_scan_of_its_own(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder)
    false = replace(asked.request, authorization_id="au_" + "7" * 32, scan_biz_serial="never")
    evidence = await regions.visited.attestor.attest(EvidencePurpose.CONSENT_REQUEST, false)

    with pytest.raises(PeerRefusedError) as refused:
        await regions.visited.peers.forward_consent_request(
            "420100", request=evidence, call=regions.counter.request_call("")[0]
        )

    assert refused.value.reason == "ScanNotFoundError"


async def test_a_node_cannot_claim_that_the_holder_scanned(regions: Regions) -> None:
    asked = await regions.counter.ask(regions.holder.holder)
    false = replace(
        asked.request, authorization_id="au_" + "7" * 32, entry=AuthorizationEntry.HOLDER_SCANNED, scan_biz_serial=""
    )
    evidence = await regions.visited.attestor.attest(EvidencePurpose.CONSENT_REQUEST, false)

    with pytest.raises(PeerRefusedError) as refused:
        await regions.visited.peers.forward_consent_request(
            "420100", request=evidence, call=regions.counter.request_call("")[0]
        )

    assert refused.value.reason == AuthorizationNotFoundError.__name__


async def test_an_old_request_of_another_node_is_stale(regions: Regions, clock: MovableClock) -> None:
    asked = await regions.counter.ask(regions.holder.holder)
    fresh = replace(asked.request, authorization_id="au_" + "7" * 32)
    evidence = await regions.visited.attestor.attest(EvidencePurpose.CONSENT_REQUEST, fresh)
    clock.advance(timedelta(minutes=6))

    with pytest.raises(PeerRefusedError) as refused:
        await regions.visited.peers.forward_consent_request(
            "420100", request=evidence, call=regions.counter.request_call("")[0]
        )

    assert refused.value.reason == "EvidenceStaleError"


async def test_an_answer_to_another_request_is_not_believed(regions: Regions) -> None:
    await regions.counter.ask(regions.holder.holder)
    earlier = regions.federation.answers[-1]
    scan_id = await scan_of(regions.counter, regions.holder)
    regions.visited.peers.tamper = lambda answer: earlier

    with pytest.raises(PeerAnswerRefusedError):
        await regions.counter.request(scan_id)


async def test_a_licence_type_that_the_home_node_does_not_know_is_told(federation: FederationInMemory) -> None:
    home = federation.add("420100", prefixes=("42",))
    visited = federation.add("110000", prefixes=("11",))
    federation.publish()
    counter = await asking_counter(visited)
    holder = await MobileApp(home).open_account()

    with pytest.raises(PeerRefusedError) as refused:
        await counter.ask(holder, NAME_AND_BORN)

    assert refused.value.reason == LicenseTypeUnknownError.__name__


class Office:
    """A counter whose matter may be handled by statutory duty, and a holder, at a node that allows it."""

    def __init__(self, node: NodeInMemory, counter: AskingCounter, holder: DecidingHolder) -> None:
        self.node, self.counter, self.holder = node, counter, holder

    async def ask(self, **changes: Any) -> Any:
        wish = {"legal_basis": LegalBasis.STATUTORY_DUTY, "statutory_duty": DUTY, **changes}
        return await self.counter.ask(self.holder.holder, NAME_AND_BORN, **wish)


async def office(
    federation: FederationInMemory, *, allowed: bool = True, untold: bool = False, configured: bool = True
) -> Office:
    rules = LicenceRules(statutory_matters=frozenset({MATTER} if allowed else ()))
    node = federation.add("310000", prefixes=("31",), licences=LICENCES_FILE, licence_rules=rules)
    federation.publish()
    basis = StatutoryBasis(statute=STATUTE, holder_untold=untold) if configured else None
    counter = await asking_counter(node, statutory_basis=basis)
    return Office(node, counter, await deciding_holder(node))


@pytest.mark.req("N-35", "6.3-01")
async def test_a_statutory_duty_is_a_grant_of_its_own_kind_and_no_consent(federation: FederationInMemory) -> None:
    at = await office(federation)

    opened = await at.ask()

    assert opened.state is AuthorizationState.GRANTED
    assert opened.statutory
    assert opened.consent == b""
    received = await at.counter.fetch(opened.authorization_id)
    assert received.fields["born"] == "1988-02-14"
    desk = OperatorDesk(at.node)
    assert await desk.audit(AuditAction.CONSENT_GRANTED) == []
    (record,) = await desk.audit(AuditAction.STATUTORY_USE_OPENED)
    assert record.entry.details["approval"] == DUTY.approval_reference
    (listed,) = await at.holder.list_authorizations()
    assert (listed.request.legal_basis, listed.request.statutory_duty) == (LegalBasis.STATUTORY_DUTY, DUTY)
    (use,) = await at.holder.list_uses()
    assert use.legal_basis is LegalBasis.STATUTORY_DUTY
    (event,) = await told(at.node, "mobile-app", AuthorizationChanged)
    assert event.legal_basis is LegalBasis.STATUTORY_DUTY


@pytest.mark.req("N-35")
async def test_where_the_law_forbids_it_the_holder_learns_nothing(federation: FederationInMemory) -> None:
    at = await office(federation, untold=True)

    opened = await at.ask()
    await at.counter.fetch(opened.authorization_id)

    assert await at.holder.list_authorizations() == []
    assert await at.holder.list_uses() == []
    assert await told(at.node, "mobile-app", AuthorizationChanged) == []
    for read in (at.holder.view, at.holder.export):
        with pytest.raises(AuthorizationNotFoundError):
            await read(opened.authorization_id)
    (record,) = await OperatorDesk(at.node).audit(AuditAction.STATUTORY_USE_OPENED)
    assert record.entry.object == opened.authorization_id


@pytest.mark.req("N-35")
@pytest.mark.parametrize(
    ("place", "wish"),
    [
        ({"configured": False}, {}),
        ({"allowed": False}, {}),
        ({}, {"statutory_duty": None}),
        ({}, {"statutory_duty": StatutoryDuty(statute="另一法律", approval_reference="1")}),
    ],
    ids=["matter not configured", "node does not allow it", "no duty named", "another statute"],
)
async def test_without_its_reference_or_its_configuration_a_duty_opens_nothing(
    federation: FederationInMemory, place: dict[str, bool], wish: dict[str, Any]
) -> None:
    at = await office(federation, **place)

    with pytest.raises(StatutoryNotAllowedError):
        await at.ask(**wish)

    assert await OperatorDesk(at.node).audit(AuditAction.STATUTORY_USE_OPENED) == []
    assert await at.holder.list_authorizations() == []
