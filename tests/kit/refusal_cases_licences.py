"""Refusals about using what was granted: fetching, reporting, fields that come whole, and what nodes ask for that."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.business.v1 import business_management_service_pb2 as businessv1
from govcode.business.v1 import registry_pb2 as registryv1
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.common.v1 import evidence_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode_node.domain.authorizations import (
    DecidedItem,
    Grant,
    LegalBasis,
    QuestionKind,
    RequestedItem,
    StatutoryDuty,
    UseState,
    Withdrawal,
    WithdrawalReason,
)
from govcode_node.domain.catalogue import AskedItem
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.licenses import (
    LicenseSealInvalidError,
    LicenseServiceQuotaError,
    LicenseServiceUnavailableError,
    LicenseStatus,
)
from govcode_node.domain.rate_limits import GcraLimiter, NamedLimit
from govcode_node.domain.recognition import REQUEST_WINDOW, HomeNodeUnreachableError
from kit.federation import SHANGHAI, WUHAN
from kit.good_authorizations import (
    ARCHIVE,
    AUTHORIZATION,
    DUTY_MATTER,
    LICENCE,
    MATTER,
    NOBODYS,
    PERIOD,
    TWO_ITEMS,
    Asked,
    a_place,
    a_scene_code,
    asked,
    by_archive,
    foreign_request,
    forwarding,
    granted,
    matter,
    scanned,
    service,
    signed,
    using,
    wondering,
)
from kit.good_calls import BASE, FEDERATION, GOOD, MARKED, Attempt, World, a_code, by_counter
from kit.nodes import RunningNode
from kit.obliging_licences import spoilt
from kit.players import serial
from kit.refusal_cases_authorizations import place_of_a_lost_matter
from kit.refusal_cases_codes import no_keys, no_store, suspend
from kit.refusal_cases_fields import conflicting, set_field, wrong
from kit.refusal_registry import case, patched, setting, varied
from kit.serving import begin

FETCH: Final = AUTHORIZATION + "FetchLicense"
INTROSPECT: Final = AUTHORIZATION + "IntrospectGrant"
REPORT: Final = AUTHORIZATION + "ReportGrantUse"
RESOLVE: Final = BASE + "ResolveCode"
ASK: Final = FEDERATION + "ForwardAuthorization"
USE: Final = FEDERATION + "ForwardLicenseFetch"
NOTIFY: Final = FEDERATION + "NotifyWithdrawal"

_TRIED: Final = frozenset({"license_uses"})
"""A use that was begun in vain is kept as such; it does not count."""
_SUBJECT: Final = authorizationv1.AuthorizationItem(license_type="subject", field_names=["name"])


# Fetching.

varied("AUTHORIZATION_NOT_FOUND", [FETCH], setting(authorization_id=NOBODYS))
varied("ITEM_NOT_GRANTED", [FETCH], setting(item_no=2))
varied("MATTER_MISMATCH", [FETCH], setting(matter_code=DUTY_MATTER))
varied("STORE_UNAVAILABLE", [FETCH, REPORT], no_store)
varied("KEY_UNAVAILABLE", [FETCH], no_keys)


async def _over(w: World, attempt: Attempt) -> None:
    w.pass_time(PERIOD + timedelta(seconds=1))


varied("GRANT_EXPIRED", [FETCH, REPORT], _over)


@case(FETCH, "AUTHORIZATION_STATE_CONFLICT")
async def fetched_before_the_decision(w: World) -> Attempt:
    return by_counter(w, (await asked(w)).fetching())


@case(FETCH, "GRANT_EXHAUSTED")
async def fetched_twice(w: World) -> Attempt:
    one = await granted(w)
    await one.fetch()
    return by_counter(w, one.fetching())


@case(FETCH, "GRANT_WITHDRAWN")
async def fetched_after_the_withdrawal(w: World) -> Attempt:
    one = await granted(w)
    await one.withdraw()
    return by_counter(w, one.fetching())


@case(FETCH, "SERIAL_CONFLICT")
async def another_item_under_the_same_serial(w: World) -> Attempt:
    one = await granted(w, (1, 2), items=TWO_ITEMS)
    number = serial("fetch")
    await one.fetch(biz_serial=number)
    return by_counter(w, one.fetching(biz_serial=number, item_no=2))


@case(FETCH, "LOCATOR_REQUIRED")
async def fetched_without_a_number(w: World) -> Attempt:
    return by_counter(w, (await granted(w, holder=await w.holder(MARKED))).fetching())


async def _other_counter(w: World) -> str:
    """Another application of Wuhan's hall, which may ask for the same; it has no key."""
    app_id = f"app-{w.number()}"
    desk = w.wuhan.operator
    listed = await desk.stub.ListApplications(businessv1.ListApplicationsRequest(page_size=1000))
    owner = next(one.relying_party_id for one in listed.applications if one.app_id == "counter-app")
    kind = registryv1.APPLICATION_KIND_RELYING_PARTY
    await desk.application(app_id, relying_party_id=owner, kind=kind, scene_nos=(1,))
    await desk.stub.RegisterMatter(matter(MATTER, app_id=app_id))
    return app_id


@case(FETCH, "ENCRYPTION_KEY_MISSING")
async def nothing_to_seal_to(w: World) -> Attempt:
    app_id = await _other_counter(w)
    one = await granted(w, app_id=app_id)
    return Attempt(w.wuhan, w.wuhan.as_app(app_id), one.fetching())


@case(FETCH, "HOME_NODE_UNREACHABLE")
async def fetched_while_home_is_away(w: World) -> Attempt:
    def fail(node_id: str, **_: Any) -> Any:
        raise HomeNodeUnreachableError(node_id)

    one = await granted(w, node=w.shanghai)
    attempt = Attempt(w.shanghai, w.shanghai.as_app("counter-app"), one.fetching())
    attempt.meanwhile = lambda: patched(w.shanghai.app.ground.peers, forward_license_fetch=fail)
    return attempt


@case(FETCH, "EVIDENCE_INVALID")
async def fetched_in_the_name_of_a_node_that_home_does_not_believe(w: World) -> Attempt:
    class Forger:
        """It signs what it likes, badly."""

        async def attest(self, purpose: EvidencePurpose, statement: Any) -> bytes:
            evidence = await signed(w.shanghai, purpose, statement)
            spoil(evidence)
            return evidence.SerializeToString()

    one = await granted(w, node=w.shanghai)
    attempt = Attempt(w.shanghai, w.shanghai.as_app("counter-app"), one.fetching())
    fetching = w.shanghai.app.steps.authorizations.fetching
    attempt.meanwhile = lambda: patched(fetching, _attestor=Forger())
    return attempt


def spoil(evidence: evidence_pb2.Evidence) -> None:
    """Break the proof of evidence."""
    if evidence.HasField("sm2_signature"):
        evidence.sm2_signature = bytes([evidence.sm2_signature[0] ^ 1]) + evidence.sm2_signature[1:]
    else:
        evidence.payload += b"\x00"


_FAULTS: Final[dict[str, dict[str, Any]]] = {
    "LICENSE_NOT_FOUND": {"absent": True},
    "LICENSE_NOT_VALID": {"status": LicenseStatus.REVOKED},
    "LICENSE_SEAL_INVALID": {"fault": LicenseSealInvalidError("SIGNATURE")},
    "HOLDER_MISMATCH": {"holder_number": "420100190001019999"},
    "LICENSE_SERVICE_UNAVAILABLE": {"fault": LicenseServiceUnavailableError(WUHAN)},
    "LICENSE_SERVICE_QUOTA": {"fault": LicenseServiceQuotaError(WUHAN)},
}


def _faulty(reason: str, changes: dict[str, Any]) -> None:
    async def change(w: World, attempt: Attempt) -> None:
        attempt.meanwhile = lambda: spoilt(w.wuhan, **changes)
        attempt.keeps = _TRIED

    varied(reason, [FETCH, USE], change)


for _reason, _changes in _FAULTS.items():
    _faulty(_reason, _changes)
wrong(FETCH, "item_no", set_field("item_no", 17))


# Grant-only mode.


async def _broken_grant(w: World, attempt: Attempt) -> None:
    spoil(attempt.request.grant)


async def _grant_of(node: RunningNode, **changes: Any) -> evidence_pb2.Evidence:
    """A grant that a node signs although it has decided nothing."""
    now = node.clock.now()
    item = DecidedItem(
        item_no=1, asked=AskedItem(license_type=LICENCE, field_names=("class",)), sensitive=False, granted=True
    )
    facts: dict[str, Any] = {
        "authorization_id": NOBODYS,
        "home_node": node.node_id,
        "visited_node": WUHAN,
        "app_id": "counter-app",
        "relying_party_uscc": "12420100MB0TEXT337",
        "matter_code": MATTER,
        "items": (item,),
        "max_uses": 1,
        "starts_at": now,
        "ends_at": now + PERIOD,
        "legal_basis": LegalBasis.CONSENT,
        "consent_digest": bytes(32),
    }
    return await signed(node, EvidencePurpose.GRANT, Grant(**facts | changes))


async def _unknown_grant(w: World, attempt: Attempt) -> None:
    attempt.request.grant.CopyFrom(await _grant_of(w.wuhan))


async def _grant_of_a_silent_home(w: World, attempt: Attempt) -> None:
    async def fail(node_id: str, **_: Any) -> bytes:
        raise HomeNodeUnreachableError(node_id)

    attempt.request.grant.CopyFrom(await _grant_of(w.shanghai))
    attempt.meanwhile = lambda: patched(w.wuhan.app.ground.peers, ask_authorization=fail)


varied("EVIDENCE_INVALID", [INTROSPECT, REPORT], _broken_grant)
varied("AUTHORIZATION_NOT_FOUND", [INTROSPECT, REPORT], _unknown_grant)
varied("HOME_NODE_UNREACHABLE", [INTROSPECT, REPORT], _grant_of_a_silent_home)
varied("AUDIENCE_MISMATCH", [REPORT], setting(presenter_app_id="clinic-app"))
varied("ITEM_NOT_GRANTED", [REPORT], setting(item_no=2))
varied("AUTHORIZATION_STATE_CONFLICT", [REPORT], setting(use_state=authorizationv1.LICENSE_USE_STATE_DELIVERED))
wrong(INTROSPECT, "grant", lambda request: request.ClearField("grant"))
wrong(REPORT, "use_state", set_field("use_state", 0))


async def _reported(w: World, attempt: Attempt) -> None:
    """It is reported under this serial, and the next report comes under another."""
    await begin(attempt.channel, REPORT, request=attempt.request)
    attempt.request.biz_serial = serial("report")


varied("GRANT_EXHAUSTED", [REPORT], _reported)


@case(REPORT, "GRANT_WITHDRAWN")
async def reported_after_the_withdrawal(w: World) -> Attempt:
    one = await granted(w)
    attempt = by_archive(w, await one.reporting())
    await one.withdraw()
    return attempt


conflicting(REPORT, set_field("item_no", 2))


# Fields that come whole.


async def _resolving(w: World, one: Asked, **fields: Any) -> Attempt:
    """The counter is about to see the name of the holder whom it has asked."""
    scan = await scanned(w.wuhan, one.holder)
    request = basev1.ResolveCodeRequest(
        scan_id=scan.answer.scan_id, field_names=["name"], authorization_id=one.authorization_id
    )
    return by_counter(w, request)


varied("CONSENT_REQUIRED", [RESOLVE], setting(whole=True))
varied("AUTHORIZATION_NOT_FOUND", [RESOLVE], setting(authorization_id=NOBODYS))


async def _subject_granted(w: World, **options: Any) -> Asked:
    return await granted(w, items=[_SUBJECT], **options)


async def resolve_by_consent(w: World) -> Attempt:
    """A call that would give the name whole."""
    return await _resolving(w, await _subject_granted(w))


@case(RESOLVE, "ITEM_NOT_GRANTED")
async def resolved_by_a_grant_of_a_licence(w: World) -> Attempt:
    return await _resolving(w, await granted(w))


@case(RESOLVE, "AUDIENCE_MISMATCH")
async def resolved_by_the_grant_of_another(w: World) -> Attempt:
    return await _resolving(w, await _subject_granted(w, app_id=await _other_counter(w)))


@case(RESOLVE, "GRANT_EXHAUSTED")
async def resolved_twice(w: World) -> Attempt:
    attempt = await resolve_by_consent(w)
    await begin(attempt.channel, RESOLVE, request=attempt.request)
    return attempt


@case(RESOLVE, "GRANT_EXPIRED")
async def resolved_too_late(w: World) -> Attempt:
    attempt = await resolve_by_consent(w)
    await _over(w, attempt)
    return attempt


@case(RESOLVE, "GRANT_WITHDRAWN")
async def resolved_after_the_withdrawal(w: World) -> Attempt:
    one = await _subject_granted(w)
    attempt = await _resolving(w, one)
    await one.withdraw()
    return attempt


# What nodes ask each other.

_FIELDS: Final = {ASK: "consent_request", USE: "request", NOTIFY: "withdrawal"}


def _spoilt_field(field: str) -> Callable[[World, Attempt], Any]:
    async def change(w: World, attempt: Attempt) -> None:
        spoil(getattr(attempt.request, field))

    return change


async def _old(w: World, attempt: Attempt) -> None:
    w.pass_time(REQUEST_WINDOW + timedelta(seconds=1))


for _method, _field in _FIELDS.items():
    varied("EVIDENCE_INVALID", [_method], _spoilt_field(_field))
    wrong(_method, "content" if _method == ASK else _field, lambda request: request.Clear())
varied("EVIDENCE_STALE", [ASK, USE], _old)
varied("STORE_UNAVAILABLE", [ASK, USE, NOTIFY], no_store)


def _of_a_suspended_node(method: str, field: str, purpose: EvidencePurpose) -> None:
    async def make(w: World) -> Attempt:
        kit = await w.suspended(w.new_node())
        attempt = await GOOD[method](w)
        evidence = getattr(attempt.request, field)
        proved = await kit.signer.attest(purpose, evidence.payload_type, evidence.payload)
        evidence.ClearField("merkle")
        evidence.node_id, evidence.key_id = kit.node_id, proved.key_id
        evidence.sm2_signature = proved.proof.signature  # type: ignore[union-attr]
        return attempt

    case(method, "NODE_SUSPENDED")(make)


_of_a_suspended_node(ASK, "consent_request", EvidencePurpose.CONSENT_REQUEST)
_of_a_suspended_node(USE, "request", EvidencePurpose.LICENSE_USE)
_of_a_suspended_node(NOTIFY, "withdrawal", EvidencePurpose.WITHDRAWAL)


def _too_often(method: str, step: str) -> None:
    async def make(w: World) -> Attempt:
        once = GcraLimiter(count=1, per=timedelta(hours=1), monotonic=w.wuhan.clock.monotonic)
        first, second = await GOOD[method](w), await GOOD[method](w)
        target = getattr(w.wuhan.app.steps.authorizations, step)
        second.meanwhile = lambda: patched(target, _peer_limit=NamedLimit(once, limit="peer"))
        async with second.meanwhile():
            call = begin(first.channel, method, request=first.request)
            await (call.read() if method == USE else call)
            call.cancel()
        return second

    case(method, "RATE_LIMITED")(make)


_too_often(ASK, "requesting")
_too_often(USE, "fetching")
_too_often(NOTIFY, "withdrawing")


@case(NOTIFY, "IDENTITY_MISMATCH")
async def notice_of_another_node(w: World) -> Attempt:
    withdrawal = Withdrawal(
        authorization_id=NOBODYS,
        home_node=WUHAN,
        withdrawn_at=w.wuhan.clock.now(),
        reason=WithdrawalReason.ACCOUNT_CLOSED,
    )
    evidence = await signed(w.wuhan, EvidencePurpose.WITHDRAWAL, withdrawal)
    return Attempt(w.wuhan, w.wuhan.as_node(SHANGHAI), federationv1.NotifyWithdrawalRequest(withdrawal=evidence))


# A consent request of another node.


@case(ASK, "IDENTITY_MISMATCH")
async def asked_of_another_node(w: World) -> Attempt:
    return await forwarding(w, home_node="330000")


@case(ASK, "SCAN_NOT_FOUND")
async def nothing_was_scanned(w: World) -> Attempt:
    return await forwarding(w, scan_biz_serial="never")


@case(ASK, "SCAN_TOO_OLD")
async def scanned_long_ago(w: World) -> Attempt:
    number = (await scanned(w.shanghai, await w.holder())).answer.biz_serial
    w.pass_time(timedelta(minutes=10, seconds=1))
    return await forwarding(w, scan_biz_serial=number)


@case(ASK, "SUBJECT_UNREACHABLE")
async def nobody_there_to_decide(w: World) -> Attempt:
    holder = await w.holder()
    number = (await scanned(w.shanghai, holder)).answer.biz_serial
    await holder.backend.stub.CloseSession(appv1.CloseSessionRequest(session_token=holder.token))
    return await forwarding(w, scan_biz_serial=number)


@case(ASK, "SUBJECT_SUSPENDED")
async def subject_is_suspended(w: World) -> Attempt:
    holder = await w.holder()
    number = (await scanned(w.shanghai, holder)).answer.biz_serial
    attempt = await forwarding(w, scan_biz_serial=number)
    attempt.holder = holder
    await suspend(w, attempt)
    return attempt


@case(ASK, "LICENSE_TYPE_UNKNOWN")
async def type_of_nobodys_catalogue(w: World) -> Attempt:
    item = RequestedItem(item_no=1, asked=AskedItem(license_type="nobodys-type", field_names=("class",)))
    return await forwarding(w, items=(item,))


@case(ASK, "AUTHORIZATION_OUT_OF_POLICY")
async def for_more_than_any_time(w: World) -> Attempt:
    return await forwarding(w, period=timedelta(days=91))


@case(ASK, "STATUTORY_NOT_ALLOWED")
async def duty_that_home_does_not_know(w: World) -> Attempt:
    duty = StatutoryDuty(statute="样例条例 第一条", approval_reference="样例 1")
    return await forwarding(w, legal_basis=LegalBasis.STATUTORY_DUTY, statutory_duty=duty)


@case(ASK, "SERIAL_CONFLICT")
async def another_request_under_the_same_id(w: World) -> Attempt:
    first = await foreign_request(w)
    evidence = await signed(w.shanghai, EvidencePurpose.CONSENT_REQUEST, first)
    request = federationv1.ForwardAuthorizationRequest(consent_request=evidence)
    await begin(w.wuhan.as_node(SHANGHAI), ASK, request=request)
    return await forwarding(w, authorization_id=first.authorization_id)


@case(ASK, "KEY_UNAVAILABLE")
async def answered_without_a_key(w: World) -> Attempt:
    """The request is taken in before the answer is signed: asked again, it is answered."""
    attempt = await forwarding(w)
    await no_keys(w, attempt)
    attempt.keeps = frozenset({"authorizations", "events"})
    return attempt


# A question of another node.


async def _reporting(w: World, one: Asked, **facts: Any) -> Attempt:
    """Shanghai is about to report a use by a licence system of its own."""
    defaults: dict[str, Any] = {
        "authorization_id": one.authorization_id,
        "app_id": "counter-app",
        "biz_serial": serial("report"),
        "licence_system": ARCHIVE,
        "item_no": 1,
        "use_state": UseState.BEGUN,
    }
    return await wondering(w, QuestionKind.REPORT_USE, **defaults | facts)


@case(ASK, "AUTHORIZATION_NOT_FOUND")
async def state_of_nothing(w: World) -> Attempt:
    return await wondering(w, QuestionKind.STATE, authorization_id=NOBODYS, app_id="counter-app")


@case(ASK, "AUDIENCE_MISMATCH")
async def grant_shown_by_another(w: World) -> Attempt:
    return await _reporting(w, await granted(w), app_id="clinic-app")


@case(ASK, "ITEM_NOT_GRANTED")
async def use_of_what_was_not_granted(w: World) -> Attempt:
    return await _reporting(w, await granted(w), item_no=2)


@case(ASK, "AUTHORIZATION_STATE_CONFLICT")
async def end_of_a_use_that_never_began(w: World) -> Attempt:
    return await _reporting(w, await granted(w), use_state=UseState.DELIVERED)


@case(ASK, "GRANT_EXHAUSTED")
async def one_use_too_many(w: World) -> Attempt:
    one = await granted(w)
    await one.fetch()
    return await _reporting(w, one)


@case(ASK, "GRANT_EXPIRED")
async def use_after_the_end(w: World) -> Attempt:
    one = await granted(w)
    w.pass_time(PERIOD + timedelta(seconds=1))
    return await _reporting(w, one)


@case(ASK, "GRANT_WITHDRAWN")
async def use_after_the_withdrawal(w: World) -> Attempt:
    one = await granted(w)
    await one.withdraw()
    return await _reporting(w, one)


async def _scene_question(w: World, code_text: str) -> Attempt:
    return await wondering(w, QuestionKind.SCENE, code_text=code_text, biz_serial=serial("scene"))


@case(ASK, "SCENE_CODE_INVALID")
async def question_about_a_person(w: World) -> Attempt:
    return await _scene_question(w, await a_code(w))


@case(ASK, "SCOPE_NOT_REGISTERED")
async def question_about_a_lost_matter(w: World) -> Attempt:
    return await _scene_question(w, await place_of_a_lost_matter(w))


@case(ASK, "CODE_MALFORMED")
async def question_about_no_code(w: World) -> Attempt:
    return await _scene_question(w, "ZWM1.NOTHING")


@case(ASK, "CODE_VERSION_UNSUPPORTED")
async def question_about_a_code_of_tomorrow(w: World) -> Attempt:
    return await _scene_question(w, "ZWM2.ABCDEFGH")


@case(ASK, "APP_DISABLED")
async def place_of_a_suspended_application(w: World) -> Attempt:
    app_id = await _other_counter(w)
    code_text = await a_scene_code(w, account_id=await a_place(w, app_id=app_id))
    await w.wuhan.operator.move_application(app_id, registryv1.REGISTRATION_STATE_SUSPENDED)
    return await _scene_question(w, code_text)


# A use that another node asks for.


@case(USE, "IDENTITY_MISMATCH")
async def use_of_another_nodes_authorization(w: World) -> Attempt:
    return await using(w, await granted(w))


@case(USE, "AUTHORIZATION_NOT_FOUND")
async def use_of_nothing(w: World) -> Attempt:
    return await using(w, Asked(w, w.shanghai, await w.holder(), NOBODYS))


@case(USE, "AUTHORIZATION_STATE_CONFLICT")
async def use_before_the_decision(w: World) -> Attempt:
    return await using(w, await asked(w, node=w.shanghai))


@case(USE, "AUDIENCE_MISMATCH")
async def use_by_another(w: World) -> Attempt:
    return await using(w, await granted(w, node=w.shanghai), app_id="clinic-app")


@case(USE, "ITEM_NOT_GRANTED")
async def use_of_another_item(w: World) -> Attempt:
    return await using(w, await granted(w, node=w.shanghai), item_no=2)


@case(USE, "MATTER_MISMATCH")
async def use_for_another_matter(w: World) -> Attempt:
    return await using(w, await granted(w, node=w.shanghai), matter_code=DUTY_MATTER)


@case(USE, "GRANT_EXHAUSTED")
async def used_twice(w: World) -> Attempt:
    one = await granted(w, node=w.shanghai)
    await one.fetch()
    return await using(w, one)


@case(USE, "GRANT_EXPIRED")
async def used_too_late(w: World) -> Attempt:
    one = await granted(w, node=w.shanghai)
    w.pass_time(PERIOD + timedelta(seconds=1))
    return await using(w, one)


@case(USE, "GRANT_WITHDRAWN")
async def used_after_the_withdrawal(w: World) -> Attempt:
    one = await granted(w, node=w.shanghai)
    await one.withdraw()
    return await using(w, one)


@case(USE, "SERIAL_CONFLICT")
async def used_for_another_item(w: World) -> Attempt:
    one = await granted(w, (1, 2), node=w.shanghai, items=TWO_ITEMS)
    number = serial("use")
    await one.fetch(biz_serial=number)
    return await using(w, one, biz_serial=number, item_no=2)


@case(USE, "LOCATOR_REQUIRED")
async def used_without_a_number(w: World) -> Attempt:
    return await using(w, await granted(w, node=w.shanghai, holder=await w.holder(MARKED)))


async def _held_at(w: World, place: str) -> Attempt:
    """The holder has picked a place where the licence is held."""
    one = await asked(w, node=w.shanghai)
    decision = await one.deciding((1,), places={1: place})
    await service(w.wuhan.as_app("holder-app")).DecideAuthorization(decision)
    attempt = await using(w, one)
    attempt.keeps = _TRIED
    return attempt


@case(USE, "HOME_NODE_UNREACHABLE")
async def held_by_a_node_that_there_is_not(w: World) -> Attempt:
    return await _held_at(w, "990100")


@case(USE, "KEY_UNAVAILABLE")
async def forwarded_without_a_key(w: World) -> Attempt:
    attempt = await _held_at(w, SHANGHAI)
    await no_keys(w, attempt)
    return attempt
