"""Refusals about authorizations: asking, deciding, taking back, mandates, scene codes, the catalogue."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import authorization_service_pb2 as servicev1
from govcode.authorization.v1 import statement_pb2 as statementv1
from govcode.business.v1 import business_management_service_pb2 as businessv1
from govcode.business.v1 import catalogue_pb2 as cataloguev1
from govcode.business.v1 import registry_pb2 as registryv1
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.common.v1 import subject_pb2
from govcode_node.domain.accounts import AccountId
from govcode_node.domain.digests import sm3
from govcode_node.domain.licenses import LicenseServiceQuotaError, LicenseServiceUnavailableError
from govcode_node.domain.recognition import HomeNodeUnreachableError
from govcode_node.ports.authorization_stores import SceneOffer
from kit.good_authorizations import (
    AUTHORIZATION,
    DUTY_MATTER,
    LICENCE,
    NOBODYS,
    SENSITIVE,
    Asked,
    a_place,
    a_scene_code,
    asked,
    entity,
    giving,
    granted,
    licence_type,
    make_scene_code,
    matter,
    requesting,
    scene_scanning,
    service,
)
from kit.good_calls import APP, BUSINESS, GOOD, MARKED, WEAK, Attempt, World, a_code, by_holder, by_operator
from kit.nodes import RunningNode
from kit.obliging_licences import spoilt
from kit.players import serial
from kit.questions import moved
from kit.refusal_cases_codes import (
    disabled_application,
    finished_before,
    no_keys,
    no_provider,
    no_store,
    of_tomorrow,
    suspend,
    too_late,
    wrong_blob,
    wrong_signature,
)
from kit.refusal_cases_fields import conflicting, set_field, wrong
from kit.refusal_registry import case, each, patched, setting, varied

FAR_AWAY: Final = "990100"
TIMED_OUT: Final = timedelta(seconds=121)
_TOO_LONG: Final = Duration(seconds=31)

_OF_ONE: Final = each(AUTHORIZATION, "GetAuthorization", "LocateLicenses", "BeginStepUp", "ExportAuthorization")
_ITSELF: Final = each(AUTHORIZATION, "DecideAuthorization", "WithdrawAuthorization")
"""Acts whose authorization stands in what the device has signed."""
_BY_SESSION: Final = [
    *_OF_ONE,
    *_ITSELF,
    *each(AUTHORIZATION, "ListAuthorizations", "ListLicenseUses", "GiveMandate", "CancelMandate", "ListMandates"),
    APP + "ScanSceneCode",
]

varied("SESSION_INVALID", _BY_SESSION, setting(session_token="0" * 32))
varied("SUBJECT_SUSPENDED", _BY_SESSION, suspend)
varied("CURSOR_INVALID", each(AUTHORIZATION, "ListAuthorizations", "ListLicenseUses"), setting(page_token="somewhere"))
varied("CURSOR_INVALID", each(BUSINESS, "ListLicenseTypes", "ListMatters"), setting(page_token="Some where"))


# Whose it is.

varied("AUTHORIZATION_NOT_FOUND", [*_OF_ONE, AUTHORIZATION + "WaitAuthorization"], setting(authorization_id=NOBODYS))


async def _of_nobody(w: World, attempt: Attempt) -> None:
    """The device signs about an authorization that there is not."""
    one = _mine(w, attempt, NOBODYS)
    attempt.request = await _signed_anew(w, attempt, one)


async def _another_session(w: World, attempt: Attempt) -> None:
    """Somebody else's session and device for the same authorization."""
    stranger = await w.holder()
    if attempt.request.DESCRIPTOR.name in {"DecideAuthorizationRequest", "WithdrawAuthorizationRequest"}:
        mine = await asked(w)
        page = await mine.page()
        one = Asked(w, w.wuhan, stranger, mine.authorization_id)
        attempt.request = await _signed_anew(w, attempt, one, page=page)
    else:
        attempt.request.session_token = stranger.token


def _mine(w: World, attempt: Attempt, authorization_id: str) -> Asked:
    assert attempt.holder is not None
    return Asked(w, w.wuhan, attempt.holder, authorization_id)


async def _signed_anew(
    w: World, attempt: Attempt, one: Asked, page: authorizationv1.ConsentPage | None = None, **facts: Any
) -> Any:
    """The act of an attempt, signed by another or about another authorization."""
    if attempt.request.DESCRIPTOR.name == "WithdrawAuthorizationRequest":
        return one.withdrawing()
    return await one.deciding(page=page or _some_page(), **facts)


def _some_page() -> authorizationv1.ConsentPage:
    return authorizationv1.ConsentPage(notice_version="2026-11", notice_text="甲", notice_hash=sm3("甲".encode()))


varied("AUTHORIZATION_NOT_FOUND", _ITSELF, _of_nobody)
varied("NOT_OWNER", [*_OF_ONE, *_ITSELF], _another_session)


async def _agent_without_mandate(w: World, attempt: Attempt) -> None:
    """A person whose mandate was cancelled acts on what a company is asked."""
    company, agent = await entity(w), await w.holder()
    given = await giving(w, company=company, agent=agent.account.account_id)
    mandate = (await service(given.channel).GiveMandate(given.request)).mandate
    one = await asked(w, holder=company)
    page = await one.page()
    number = serial("mandate")
    proof = company.device.prove_cancel_mandate(
        session_token=company.token, mandate_id=mandate.mandate_id, biz_serial=number
    )
    await service(given.channel).CancelMandate(
        servicev1.CancelMandateRequest(biz_serial=number, session_token=company.token, proof=proof)
    )
    acting = Asked(w, w.wuhan, agent, one.authorization_id)
    if attempt.request.DESCRIPTOR.name == "DecideAuthorizationRequest":
        attempt.request = await acting.deciding(page=page, mandate_id=mandate.mandate_id)
    elif attempt.request.DESCRIPTOR.name == "WithdrawAuthorizationRequest":
        attempt.request = acting.withdrawing()
    else:
        attempt.request.session_token, attempt.request.authorization_id = agent.token, one.authorization_id


varied("MANDATE_INVALID", [*_OF_ONE, *_ITSELF], _agent_without_mandate)


# Asking.

REQUEST: Final = AUTHORIZATION + "RequestAuthorization"


def _nowhere(node: RunningNode, method: str) -> Any:
    """The node's channels to others lead nowhere for one kind of question."""

    async def fail(node_id: str, **_: Any) -> bytes:
        raise HomeNodeUnreachableError(node_id)

    return patched(node.app.ground.peers, **{method: fail})


async def _closed_session(w: World, attempt: Attempt) -> None:
    assert attempt.holder is not None
    await attempt.holder.backend.stub.CloseSession(appv1.CloseSessionRequest(session_token=attempt.holder.token))


varied("SCAN_NOT_FOUND", [REQUEST], setting(scan_id="sc_" + "0" * 32))
varied("SCAN_TOO_OLD", [REQUEST], too_late)
varied("SCOPE_NOT_REGISTERED", [REQUEST], setting(matter_code="M-9"))
varied("AUTHORIZATION_OUT_OF_POLICY", [REQUEST], setting(max_uses=4))
varied("SUBJECT_UNREACHABLE", [REQUEST], _closed_session)
varied("SUBJECT_SUSPENDED", [REQUEST], suspend)
varied("APP_DISABLED", [REQUEST, APP + "ScanSceneCode"], disabled_application)
varied("STORE_UNAVAILABLE", [REQUEST, APP + "ScanSceneCode"], no_store)
varied("KEY_UNAVAILABLE", [REQUEST, *_ITSELF, APP + "ScanSceneCode"], no_keys)


@case(REQUEST, "EXCESSIVE_SCOPE")
async def one_field_more(w: World) -> Attempt:
    item = authorizationv1.AuthorizationItem(license_type=LICENCE, field_names=["class", "photo"])
    return await requesting(w, items=[item])


@case(REQUEST, "STATUTORY_NOT_ALLOWED")
async def duty_without_a_name(w: World) -> Attempt:
    return await requesting(w, matter_code=DUTY_MATTER, legal_basis=authorizationv1.LEGAL_BASIS_STATUTORY_DUTY)


async def _known_in_shanghai(w: World, **fields: Any) -> tuple[str, str]:
    """A licence type that only Shanghai's catalogue has, and a matter there that needs it."""
    name, code = f"type-{w.number()}", f"M-{w.number()}-far"
    desk = w.shanghai.operator.stub
    await desk.RegisterLicenseType(licence_type(name))
    await desk.RegisterMatter(matter(code, items=[cataloguev1.MatterItem(license_type=name, field_names=["class"])]))
    return name, code


@case(REQUEST, "LICENSE_TYPE_UNKNOWN")
async def type_that_the_home_node_does_not_know(w: World) -> Attempt:
    name, code = await _known_in_shanghai(w)
    item = authorizationv1.AuthorizationItem(license_type=name, field_names=["class"])
    attempt = await requesting(w, node=w.shanghai, matter_code=code, items=[item])
    # The copy of a request that found no holder is over by itself.
    attempt.keeps = frozenset({"authorizations"})
    return attempt


@case(REQUEST, "HOME_NODE_UNREACHABLE")
async def home_that_does_not_answer(w: World) -> Attempt:
    """The request is kept, so that the same one can be asked again."""
    attempt = await requesting(w, node=w.shanghai)
    attempt.meanwhile = lambda: _nowhere(w.shanghai, "forward_consent_request")
    attempt.keeps = frozenset({"authorizations"})
    return attempt


def _far(method: str) -> None:
    async def make(w: World) -> Attempt:
        one = await asked(w, node=w.shanghai)
        attempt = await GOOD[method](w)
        attempt.node, attempt.channel = w.shanghai, w.shanghai.as_app("counter-app")
        attempt.request.authorization_id = one.authorization_id
        attempt.meanwhile = lambda: _nowhere(w.shanghai, "ask_authorization")
        return attempt

    case(method, "HOME_NODE_UNREACHABLE")(make)


for _method in each(AUTHORIZATION, "GetAuthorization", "WaitAuthorization"):
    _far(_method)


# Looking for licences, and the stronger check.

LOCATE: Final = AUTHORIZATION + "LocateLicenses"
STEP_UP: Final = AUTHORIZATION + "BeginStepUp"


def _licences_out(reason: str, fault: Exception) -> None:
    async def change(w: World, attempt: Attempt) -> None:
        attempt.meanwhile = lambda: spoilt(w.wuhan, fault=fault)

    varied(reason, [LOCATE], change)


_licences_out("LICENSE_SERVICE_UNAVAILABLE", LicenseServiceUnavailableError("420100"))
_licences_out("LICENSE_SERVICE_QUOTA", LicenseServiceQuotaError("420100"))


@case(LOCATE, "LOCATOR_REQUIRED")
async def nobody_knows_the_number(w: World) -> Attempt:
    one = await asked(w, holder=await w.holder(MARKED))
    request = servicev1.LocateLicensesRequest(authorization_id=one.authorization_id, session_token=one.holder.token)
    return by_holder(w, one.holder, request)


async def _decided_first(w: World, attempt: Attempt) -> None:
    await _mine(w, attempt, _authorization_of(attempt)).decide(granted=())


def _authorization_of(attempt: Attempt) -> str:
    """The authorization of a request, which may stand in the signed statement alone."""
    if attempt.request.DESCRIPTOR.name == "DecideAuthorizationRequest":
        signed = statementv1.DecideAuthorizationStatement.FromString(attempt.request.proof.statement)
        return str(signed.authorization_id)
    return str(attempt.request.authorization_id)


async def _too_late_to_decide(w: World, attempt: Attempt) -> None:
    w.pass_time(TIMED_OUT)


DECIDE: Final = AUTHORIZATION + "DecideAuthorization"
WITHDRAW: Final = AUTHORIZATION + "WithdrawAuthorization"
varied("AUTHORIZATION_STATE_CONFLICT", [STEP_UP, DECIDE], _decided_first)
varied("AUTHORIZATION_TIMED_OUT", [STEP_UP, DECIDE], _too_late_to_decide)
varied("IDENTITY_PROVIDER_UNAVAILABLE", [STEP_UP, DECIDE, AUTHORIZATION + "GiveMandate"], no_provider)


# Deciding and taking back.

_IDENTIFIED: Final = [DECIDE, AUTHORIZATION + "GiveMandate"]
varied("IDENTITY_FAILED", _IDENTIFIED, wrong_blob)
varied("IDENTIFICATION_EXPIRED", _IDENTIFIED, finished_before)
varied("HOLDER_PROOF_INVALID", [*_ITSELF, *each(AUTHORIZATION, "GiveMandate", "CancelMandate")], wrong_signature)


async def _of_a_sensitive_item(w: World, build: Callable[[Asked], Awaitable[Any]], *, level: int = 3) -> Attempt:
    one = await asked(w, holder=await w.holder(level), items=[SENSITIVE])
    return by_holder(w, one.holder, await build(one))


@case(DECIDE, "NOTICE_CHANGED")
async def another_text_was_shown(w: World) -> Attempt:
    return await _of_a_sensitive_item(w, lambda one: one.deciding(page=_some_page()))


@case(DECIDE, "SENSITIVE_NOT_CONFIRMED")
async def blanket_consent(w: World) -> Attempt:
    return await _of_a_sensitive_item(w, lambda one: one.deciding())


@case(DECIDE, "STEP_UP_REQUIRED")
async def confirmed_without_a_check(w: World) -> Attempt:
    return await _of_a_sensitive_item(w, lambda one: one.deciding(confirmed=(1,)))


@case(DECIDE, "STEP_UP_MISMATCH")
async def check_of_another_request(w: World) -> Attempt:
    async def build(one: Asked) -> Any:
        other = await asked(w, holder=one.holder, items=[SENSITIVE])
        mine, moved_here = await one.checked(), await other.checked()
        mine.identification.CopyFrom(moved_here.identification)
        return mine

    return await _of_a_sensitive_item(w, build)


@case(DECIDE, "ASSURANCE_TOO_LOW")
async def check_that_is_no_stronger(w: World) -> Attempt:
    return await _of_a_sensitive_item(w, lambda one: one.checked(), level=WEAK)


@case(WITHDRAW, "AUTHORIZATION_STATE_CONFLICT")
async def taken_back_before(w: World) -> Attempt:
    one = await granted(w)
    await one.withdraw()
    return by_holder(w, one.holder, one.withdrawing())


async def _without_hub(w: World, attempt: Attempt) -> None:
    attempt.node, attempt.channel = w.lone, w.lone.as_operator("audit-1")


varied("TRUST_BUNDLE_MISSING", each(AUTHORIZATION, "ExportAuthorization"), _without_hub)


# Mandates.

GIVE: Final = AUTHORIZATION + "GiveMandate"


@case(GIVE, "MANDATE_INVALID")
async def for_two_years(w: World) -> Attempt:
    return await giving(w, end_time=w.wuhan.clock.now() + timedelta(days=730))


@case(GIVE, "ACCOUNT_NOT_FOUND")
async def for_nobody(w: World) -> Attempt:
    return await giving(w, agent="ac_" + "0" * 32)


@case(GIVE, "STEP_UP_REQUIRED")
async def given_without_a_check(w: World) -> Attempt:
    attempt = await giving(w)
    attempt.request.ClearField("identification")
    return attempt


@case(GIVE, "STEP_UP_MISMATCH")
async def check_of_somebody_else(w: World) -> Attempt:
    attempt, other = await giving(w), await giving(w)
    attempt.request.identification.CopyFrom(other.request.identification)
    return attempt


@case(GIVE, "ASSURANCE_TOO_LOW")
async def weakly_checked_company(w: World) -> Attempt:
    return await giving(w, company=await entity(w, weak=True))


@case(AUTHORIZATION + "CancelMandate", "MANDATE_INVALID")
async def mandate_that_there_is_not(w: World) -> Attempt:
    company, number = await entity(w), serial("mandate")
    proof = company.device.prove_cancel_mandate(
        session_token=company.token, mandate_id="ma_" + "0" * 32, biz_serial=number
    )
    request = servicev1.CancelMandateRequest(biz_serial=number, session_token=company.token, proof=proof)
    return by_holder(w, company, request)


# Scene codes.

SCENE: Final = APP + "ScanSceneCode"
varied("CODE_MALFORMED", [SCENE], setting(code_text="ZWM1.NOTHING"))
varied("CODE_VERSION_UNSUPPORTED", [SCENE], of_tomorrow)


@case(SCENE, "SCENE_CODE_INVALID")
async def code_of_a_person(w: World) -> Attempt:
    return await scene_scanning(w, await a_code(w))


async def place_of_a_lost_matter(w: World) -> str:
    """A place whose matter is gone, as no step leaves it, but a store may hold it."""
    account_id = await a_place(w)
    offer = SceneOffer(account_id=AccountId(account_id), app_id="counter-app", matter_code="M-9")

    def write(tx: Any) -> None:
        tx.catalogue.put_offer(offer)

    await w.wuhan.app.database.run(write)
    return str((await make_scene_code(w.wuhan, account_id)).code_text)


@case(SCENE, "SCOPE_NOT_REGISTERED")
async def place_without_its_matter(w: World) -> Attempt:
    return await scene_scanning(w, await place_of_a_lost_matter(w))


@case(SCENE, "AUTHORIZATION_OUT_OF_POLICY")
async def licence_of_companies(w: World) -> Attempt:
    name, code = f"type-{w.number()}", f"M-{w.number()}-firms"
    kind = licence_type(name)
    kind.license_type.subject_kinds[:] = [subject_pb2.SUBJECT_KIND_LEGAL_ENTITY]
    desk = w.wuhan.operator.stub
    await desk.RegisterLicenseType(kind)
    await desk.RegisterMatter(matter(code, items=[cataloguev1.MatterItem(license_type=name, field_names=["class"])]))
    return await scene_scanning(w, await a_scene_code(w, account_id=await a_place(w, matter_code=code)))


@case(SCENE, "LICENSE_TYPE_UNKNOWN")
async def scene_that_asks_for_what_is_unknown_at_home(w: World) -> Attempt:
    _, code = await _known_in_shanghai(w)
    account_id = await a_place(w, w.shanghai, matter_code=code)
    return await scene_scanning(w, await a_scene_code(w, w.shanghai, account_id=account_id))


@case(SCENE, "NO_ROUTE")
async def scene_of_nowhere(w: World) -> Attempt:
    return await scene_scanning(w, moved(await a_scene_code(w), FAR_AWAY))


@case(SCENE, "HOME_NODE_UNREACHABLE")
async def scene_of_a_node_that_does_not_answer(w: World) -> Attempt:
    attempt = await scene_scanning(w, await a_scene_code(w, w.shanghai))
    attempt.meanwhile = lambda: _nowhere(w.wuhan, "ask_authorization")
    return attempt


@case(SCENE, "EVIDENCE_INVALID")
async def scene_of_a_node_that_signs_nothing(w: World) -> Attempt:
    async def lie(node_id: str, **_: Any) -> bytes:
        return b"\x0a\x01x"

    attempt = await scene_scanning(w, await a_scene_code(w, w.shanghai))
    attempt.meanwhile = lambda: patched(w.wuhan.app.ground.peers, ask_authorization=lie)
    return attempt


# The catalogue.

varied(
    "PARTY_UNKNOWN",
    each(BUSINESS, "RegisterMatter"),
    lambda w, attempt: _on(attempt.request.matter, app_id="nobodys-app"),
)
varied(
    "PARTY_UNKNOWN",
    each(BUSINESS, "RegisterApplicationKey"),
    lambda w, attempt: _on(attempt.request.key, app_id="nobodys-app"),
)
varied(
    "AUTHORIZATION_OUT_OF_POLICY",
    each(BUSINESS, "RegisterMatter"),
    lambda w, attempt: _on(attempt.request.matter, max_uses=1001),
)
varied(
    "LICENSE_TYPE_UNKNOWN",
    each(BUSINESS, "RegisterMatter"),
    lambda w, attempt: _on(attempt.request.matter.items[0], license_type="nobodys-type"),
)


async def _on(message: Any, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(message, name, value)


@case(BUSINESS + "RegisterPlacedSubject", "SCOPE_NOT_REGISTERED")
async def place_for_no_matter(w: World) -> Attempt:
    subject = registryv1.PlacedSubject(
        subject_kind=subject_pb2.SUBJECT_KIND_MATTER, name="样例事项", app_id="counter-app", matter_code="M-9"
    )
    return by_operator(w, businessv1.RegisterPlacedSubjectRequest(biz_serial=serial("placed"), subject=subject))


# A field that is wrong, and a serial that was used for something else.

_SERIALS: Final[dict[str, Callable[[Any], None]]] = {
    REQUEST: set_field("max_uses", 2),
    **dict.fromkeys(
        [*_ITSELF, *each(AUTHORIZATION, "GiveMandate", "CancelMandate")],
        lambda request: setattr(request.proof, "sm2_signature", bytes(64)),
    ),
    SCENE: set_field("code_text", "ZWM1.NOTHING"),
    BUSINESS + "RegisterLicenseType": lambda request: setattr(request.license_type, "name", "另一证照"),
    BUSINESS + "RegisterMatter": lambda request: setattr(request.matter, "name", "另一事项"),
    BUSINESS + "RegisterApplicationKey": lambda request: setattr(request.key, "app_id", "counter-app"),
}
for _method, _other in _SERIALS.items():
    wrong(_method, "biz_serial", set_field("biz_serial", ""))
    conflicting(_method, _other)
for _method in _OF_ONE:
    wrong(_method, "authorization_id", set_field("authorization_id", "au_1"))
wrong(AUTHORIZATION + "WaitAuthorization", "wait", lambda request: request.wait.CopyFrom(_TOO_LONG))
wrong(AUTHORIZATION + "ListMandates", "session_token", set_field("session_token", ""))
for _method in each(AUTHORIZATION, "ListAuthorizations", "ListLicenseUses"):
    wrong(_method, "page_size", set_field("page_size", 201))
for _method in each(BUSINESS, "ListLicenseTypes", "ListMatters"):
    wrong(_method, "page_size", set_field("page_size", 501))
