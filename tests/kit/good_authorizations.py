"""Good calls of authorizations and licences, made anew each time, as `kit.good_calls` has them for other services."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import authorization_service_pb2 as servicev1
from govcode.authorization.v1 import authorization_service_pb2_grpc as servicev1_grpc
from govcode.business.v1 import business_management_service_pb2 as businessv1
from govcode.business.v1 import catalogue_pb2 as cataloguev1
from govcode.business.v1 import registry_pb2 as registryv1
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import evidence_pb2, holder_pb2, subject_pb2
from govcode.federation.v1 import federation_service_pb2 as federationv1
from govcode_client.sm2 import Sm2PrivateKey
from govcode_node.crypto.authorities import IssuedCertificate
from govcode_node.domain.authorizations import (
    AuthorizationEntry,
    AuthorizationQuestion,
    ConsentRequest,
    QuestionKind,
    RequestedItem,
    Withdrawal,
    WithdrawalReason,
)
from govcode_node.domain.catalogue import AskedItem
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.licenses import LicenseUseRequest
from govcode_node.domain.scenes import SceneClass
from govcode_node.ports.security import Statement
from govcode_node.providers.identity.local_kit import device_kit_blob
from grpc import aio
from kit.federation import SHANGHAI, WUHAN, loop_of
from kit.good_calls import APP, BUSINESS, FEDERATION, Attempt, World, by_counter, by_holder, by_operator, good
from kit.nodes import HALL_USCC, RunningNode
from kit.obliging_licences import install
from kit.players import CounterDesk, Holder, serial

AUTHORIZATION: Final = "/govcode.authorization.v1.AuthorizationService/"
MATTER: Final = "M-1"
"""What the counters may ask for: fields of a driving licence, one of them sensitive, and of the subject."""
DUTY_MATTER: Final = "M-2"
"""A matter that may be handled by a statutory duty."""
STATUTE: Final = "样例条例 第一条"
LICENCE: Final = "driving-licence"
ARCHIVE: Final = "archive"
"""A licence system of its own channel."""
PERIOD: Final = timedelta(seconds=60)
NOBODYS: Final = "au_" + "0" * 32

_PERSON, _ENTITY = subject_pb2.SUBJECT_KIND_PERSON, subject_pb2.SUBJECT_KIND_LEGAL_ENTITY
_ITEM = authorizationv1.AuthorizationItem


def service(channel: aio.Channel) -> Any:
    """The authorization service over a channel."""
    return servicev1_grpc.AuthorizationServiceStub(channel)


def licence_certificate(node: RunningNode) -> IssuedCertificate:
    """What the licence system with a channel of its own shows."""
    return node.pki.issue(CallerClass.LICENCE, ARCHIVE, region=node.node_id)


async def prepare(w: World) -> None:
    """Register catalogue, matters, keys and a licence system in Wuhan and Shanghai, which get licences to deliver.

    What nobody decided is swept in the background no more: rows of one story would change in the middle of another.
    """

    async def nothing() -> None:
        return None

    for node in (w.wuhan, w.shanghai):
        install(node)
        loop_of(node, "undecided")._step = nothing
        desk = node.operator.stub
        await desk.RegisterLicenseType(licence_type(LICENCE))
        for matter_code, basis in ((MATTER, None), (DUTY_MATTER, cataloguev1.StatutoryBasis(statute=STATUTE))):
            await desk.RegisterMatter(matter(matter_code, statutory_basis=basis))
        await desk.RegisterApplicationKey(application_key("counter-app"))
        listed = await desk.ListApplications(businessv1.ListApplicationsRequest())
        owner = next(one.relying_party_id for one in listed.applications if one.app_id == "counter-app")
        kind = registryv1.APPLICATION_KIND_LICENSE_SYSTEM
        await node.operator.application(ARCHIVE, relying_party_id=owner, kind=kind)


def licence_type(name: str) -> businessv1.RegisterLicenseTypeRequest:
    """An operator is about to register a licence type."""
    field = cataloguev1.LicenseTypeField
    return businessv1.RegisterLicenseTypeRequest(
        biz_serial=serial("type"),
        license_type=cataloguev1.LicenseType(
            license_type=name,
            name="机动车驾驶证",
            fields=[field(name="class", label="准驾车型"), field(name="number", label="证号", sensitive=True)],
            subject_kinds=[_PERSON, _ENTITY],
        ),
    )


def matter(matter_code: str, **fields: Any) -> businessv1.RegisterMatterRequest:
    """An operator is about to register a matter of the counter."""
    item = cataloguev1.MatterItem
    facts = {
        "matter_code": matter_code,
        "app_id": "counter-app",
        "name": "样例事项",
        "purpose": "核验",
        "handling_means": "核验后不留存",
        "items": [
            item(license_type=LICENCE, field_names=["class", "number"]),
            item(license_type="subject", field_names=["name", "id_number"]),
        ],
        "max_uses": 3,
        "max_period": Duration(seconds=86_400),
        "subject_kinds": [_PERSON, _ENTITY],
    }
    return businessv1.RegisterMatterRequest(
        biz_serial=serial("matter"),
        matter=cataloguev1.Matter(**facts | fields),  # type: ignore[arg-type]
    )


def application_key(app_id: str) -> businessv1.RegisterApplicationKeyRequest:
    """An operator is about to register an application's key."""
    key = cataloguev1.ApplicationKey(app_id=app_id, public_key=Sm2PrivateKey.generate().public_key.to_point())
    return businessv1.RegisterApplicationKeyRequest(biz_serial=serial("key"), key=key)


def asking(scan_id: str, **fields: Any) -> servicev1.RequestAuthorizationRequest:
    """A counter is about to ask whose code it has scanned for the class of a driving licence."""
    facts: dict[str, Any] = {
        "biz_serial": serial("ask"),
        "scan_id": scan_id,
        "matter_code": MATTER,
        "purpose": "核验",
        "handling_means": "核验后不留存",
        "items": [_ITEM(license_type=LICENCE, field_names=["class"])],
        "max_uses": 1,
        "period": Duration(seconds=int(PERIOD.total_seconds())),
    }
    return servicev1.RequestAuthorizationRequest(**facts | fields)


SENSITIVE: Final = _ITEM(license_type=LICENCE, field_names=["number"])
TWO_ITEMS: Final = (
    _ITEM(license_type=LICENCE, field_names=["class"]),
    _ITEM(license_type="subject", field_names=["name"]),
)


@dataclass
class Asked:
    """An authorization that a counter has asked of a holder of Wuhan.

    Attributes:
        node: The counter's node.
        holder: The holder.
        authorization_id: The authorization.
        app_id: The counter.
    """

    w: World
    node: RunningNode
    holder: Holder
    authorization_id: str
    app_id: str = "counter-app"

    @property
    def at_home(self) -> Any:
        return service(self.w.wuhan.as_app("holder-app"))

    @property
    def at_counter(self) -> Any:
        return service(self.node.as_app(self.app_id))

    async def page(self) -> authorizationv1.ConsentPage:
        """What the holder is shown."""
        request = servicev1.GetAuthorizationRequest(
            authorization_id=self.authorization_id, session_token=self.holder.token
        )
        page: authorizationv1.ConsentPage = (await self.at_home.GetAuthorization(request)).page
        return page

    async def deciding(self, granted: Collection[int] = (1,), **facts: Any) -> servicev1.DecideAuthorizationRequest:
        """The holder is about to decide."""
        number = serial("decide")
        page = facts.pop("page", None) or await self.page()
        identification = facts.pop("identification", None)
        proof = self.holder.device.prove_decide(
            session_token=self.holder.token,
            authorization_id=self.authorization_id,
            page=page,
            granted=granted,
            biz_serial=number,
            **facts,
        )
        return servicev1.DecideAuthorizationRequest(
            biz_serial=number, session_token=self.holder.token, proof=proof, identification=identification
        )

    async def decide(self, granted: Collection[int] = (1,)) -> servicev1.DecideAuthorizationResponse:
        """The holder decides."""
        answer: servicev1.DecideAuthorizationResponse = await self.at_home.DecideAuthorization(
            await self.deciding(granted)
        )
        return answer

    async def checked(self, granted: Collection[int] = (1,)) -> servicev1.DecideAuthorizationRequest:
        """The holder is about to decide with a stronger identity check, each sensitive item confirmed."""
        begun = await self.at_home.BeginStepUp(
            servicev1.BeginStepUpRequest(
                session_token=self.holder.token, authorization_id=self.authorization_id, item_nos=granted
            )
        )
        return await self.deciding(
            granted,
            confirmed=granted,
            step_up_digest=begun.step_up_digest,
            identification=finished(self.holder, begun.identification_id),
        )

    def withdrawing(self) -> servicev1.WithdrawAuthorizationRequest:
        """The holder is about to take it back."""
        number = serial("withdraw")
        proof = self.holder.device.prove_withdraw(
            session_token=self.holder.token, authorization_id=self.authorization_id, biz_serial=number
        )
        return servicev1.WithdrawAuthorizationRequest(biz_serial=number, session_token=self.holder.token, proof=proof)

    async def withdraw(self) -> None:
        """The holder takes it back."""
        await self.at_home.WithdrawAuthorization(self.withdrawing())

    async def grant(self) -> evidence_pb2.Evidence:
        """The grant as the counter gets it."""
        request = servicev1.GetAuthorizationRequest(authorization_id=self.authorization_id)
        grant: evidence_pb2.Evidence = (await self.at_counter.GetAuthorization(request)).grant
        return grant

    def fetching(self, **fields: Any) -> servicev1.FetchLicenseRequest:
        """The counter is about to fetch the first item."""
        facts: dict[str, Any] = {
            "biz_serial": serial("fetch"),
            "authorization_id": self.authorization_id,
            "item_no": 1,
            "matter_code": MATTER,
        }
        return servicev1.FetchLicenseRequest(**facts | fields)

    async def fetch(self, **fields: Any) -> list[servicev1.FetchLicenseResponse]:
        """The counter fetches the first item."""
        return [piece async for piece in self.at_counter.FetchLicense(self.fetching(**fields))]

    async def reporting(self, **fields: Any) -> servicev1.ReportGrantUseRequest:
        """A licence system is about to report the begin of a use of the first item."""
        facts: dict[str, Any] = {
            "biz_serial": serial("report"),
            "grant": await self.grant(),
            "presenter_app_id": "counter-app",
            "item_no": 1,
            "use_state": authorizationv1.LICENSE_USE_STATE_BEGUN,
        }
        return servicev1.ReportGrantUseRequest(**facts | fields)


def finished(holder: Holder, identification_id: str, *, uscc: str | None = None) -> holder_pb2.Identification:
    """A check that the holder's device kit has finished."""
    person = holder.person
    blob = device_kit_blob(
        identification_id=identification_id, id_number=person.id_number, secret=person.secret, uscc=uscc
    )
    return holder_pb2.Identification(identification_id=identification_id, provider_blob=blob)


async def scanned(node: RunningNode, holder: Holder, *, app_id: str = "counter-app") -> appv1.ScanCodeResponse:
    """A counter has just scanned a holder's code."""
    answer = await CounterDesk(node.as_app(app_id)).scan(str((await holder.present()).code.code_text))
    assert answer.answer.scan_id
    return answer


async def asked(
    w: World,
    *,
    node: RunningNode | None = None,
    holder: Holder | None = None,
    app_id: str = "counter-app",
    **fields: Any,
) -> Asked:
    """A counter has asked a new holder of Wuhan, in Wuhan unless another node is named."""
    node, holder = node or w.wuhan, holder or await w.holder()
    scan = await scanned(node, holder, app_id=app_id)
    answer = await service(node.as_app(app_id)).RequestAuthorization(asking(scan.answer.scan_id, **fields))
    return Asked(w, node, holder, answer.authorization.authorization_id, app_id)


async def granted(w: World, numbers: Collection[int] = (1,), **options: Any) -> Asked:
    """The same, and the holder has granted."""
    one = await asked(w, **options)
    await one.decide(numbers)
    return one


# The authorization service.


@good(AUTHORIZATION + "RequestAuthorization")
async def request_authorization(w: World) -> Attempt:
    return await requesting(w)


async def requesting(w: World, *, node: RunningNode | None = None, **fields: Any) -> Attempt:
    """A counter is about to ask a holder of Wuhan."""
    node, holder = node or w.wuhan, await w.holder()
    scan = await scanned(node, holder)
    return Attempt(node, node.as_app("counter-app"), asking(scan.answer.scan_id, **fields), holder=holder)


@good(AUTHORIZATION + "GetAuthorization")
async def get_authorization(w: World) -> Attempt:
    one = await asked(w)
    request = servicev1.GetAuthorizationRequest(authorization_id=one.authorization_id, session_token=one.holder.token)
    return by_holder(w, one.holder, request)


@good(AUTHORIZATION + "WaitAuthorization")
async def wait_authorization(w: World) -> Attempt:
    one = await asked(w)
    return by_counter(w, servicev1.WaitAuthorizationRequest(authorization_id=one.authorization_id))


@good(AUTHORIZATION + "LocateLicenses")
async def locate_licenses(w: World) -> Attempt:
    one = await asked(w)
    request = servicev1.LocateLicensesRequest(authorization_id=one.authorization_id, session_token=one.holder.token)
    return by_holder(w, one.holder, request)


@good(AUTHORIZATION + "BeginStepUp")
async def begin_step_up(w: World) -> Attempt:
    return stepping_up(w, await asked(w))


def stepping_up(w: World, one: Asked) -> Attempt:
    """A holder is about to begin a stronger check."""
    request = servicev1.BeginStepUpRequest(
        authorization_id=one.authorization_id, session_token=one.holder.token, item_nos=[1]
    )
    return by_holder(w, one.holder, request)


@good(AUTHORIZATION + "DecideAuthorization")
async def decide_authorization(w: World) -> Attempt:
    one = await asked(w, items=[SENSITIVE])
    return by_holder(w, one.holder, await one.checked())


@good(AUTHORIZATION + "WithdrawAuthorization")
async def withdraw_authorization(w: World) -> Attempt:
    one = await granted(w)
    return by_holder(w, one.holder, one.withdrawing())


@good(AUTHORIZATION + "ListAuthorizations")
async def list_authorizations(w: World) -> Attempt:
    one = await asked(w)
    return by_holder(w, one.holder, servicev1.ListAuthorizationsRequest(session_token=one.holder.token))


@good(AUTHORIZATION + "ListLicenseUses")
async def list_license_uses(w: World) -> Attempt:
    one = await granted(w)
    await one.fetch()
    return by_holder(w, one.holder, servicev1.ListLicenseUsesRequest(session_token=one.holder.token))


@good(AUTHORIZATION + "ExportAuthorization")
async def export_authorization(w: World) -> Attempt:
    one = await granted(w)
    request = servicev1.ExportAuthorizationRequest(
        authorization_id=one.authorization_id, session_token=one.holder.token
    )
    return by_holder(w, one.holder, request)


@good(AUTHORIZATION + "FetchLicense")
async def fetch_license(w: World) -> Attempt:
    return by_counter(w, (await granted(w)).fetching())


def by_archive(w: World, request: Any) -> Attempt:
    """A licence system with a channel of its own calls Wuhan."""
    return Attempt(w.wuhan, w.wuhan.channel(licence_certificate(w.wuhan)), request)


@good(AUTHORIZATION + "IntrospectGrant")
async def introspect_grant(w: World) -> Attempt:
    one = await granted(w)
    request = servicev1.IntrospectGrantRequest(grant=await one.grant(), presenter_app_id="counter-app")
    return by_archive(w, request)


@good(AUTHORIZATION + "ReportGrantUse")
async def report_grant_use(w: World) -> Attempt:
    return by_archive(w, await (await granted(w)).reporting())


# Mandates.


async def entity(w: World, *, weak: bool = False) -> Holder:
    """The account of a company that has just been opened by its legal representative."""
    representative, uscc = w.companies.pop(0 if weak else -1)
    return await w.wuhan.holders.open_account(representative, uscc=uscc)


async def giving(w: World, **facts: Any) -> Attempt:
    """A company is about to give a mandate to a person."""
    company: Holder = facts.pop("company", None) or await entity(w)
    agent = facts.pop("agent", None) or (await w.holder()).account.account_id
    number = serial("mandate")
    now = w.wuhan.clock.now()
    terms: dict[str, Any] = {
        "matter_codes": [MATTER],
        "license_types": [LICENCE],
        "start_time": now,
        "end_time": now + timedelta(days=30),
    }
    proof = company.device.prove_give_mandate(
        session_token=company.token, agent_account_id=agent, biz_serial=number, **terms | facts
    )
    begun = await service(w.wuhan.as_app("holder-app")).BeginStepUp(
        servicev1.BeginStepUpRequest(session_token=company.token)
    )
    uscc = w.uscc_of[company.person.id_number]
    request = servicev1.GiveMandateRequest(
        biz_serial=number,
        session_token=company.token,
        proof=proof,
        identification=finished(company, begun.identification_id, uscc=uscc),
    )
    return by_holder(w, company, request)


@good(AUTHORIZATION + "GiveMandate")
async def give_mandate(w: World) -> Attempt:
    return await giving(w)


@good(AUTHORIZATION + "CancelMandate")
async def cancel_mandate(w: World) -> Attempt:
    given = await giving(w)
    company = given.holder
    assert company is not None
    mandate = (await service(given.channel).GiveMandate(given.request)).mandate
    number = serial("mandate")
    proof = company.device.prove_cancel_mandate(
        session_token=company.token, mandate_id=mandate.mandate_id, biz_serial=number
    )
    request = servicev1.CancelMandateRequest(biz_serial=number, session_token=company.token, proof=proof)
    return by_holder(w, company, request)


@good(AUTHORIZATION + "ListMandates")
async def list_mandates(w: World) -> Attempt:
    holder = await w.holder()
    return by_holder(w, holder, servicev1.ListMandatesRequest(session_token=holder.token))


# Scene codes.


async def a_place(
    w: World, node: RunningNode | None = None, *, matter_code: str = MATTER, app_id: str = "counter-app"
) -> str:
    """A place of a node at which its counter asks for what a matter needs."""
    node = node or w.wuhan
    place = registryv1.PlacedSubject(
        subject_kind=subject_pb2.SUBJECT_KIND_MATTER, name="样例事项", app_id=app_id, matter_code=matter_code
    )
    answer = await node.operator.stub.RegisterPlacedSubject(
        businessv1.RegisterPlacedSubjectRequest(biz_serial=serial("placed"), subject=place)
    )
    return str(answer.subject.account_id)


async def a_scene_code(w: World, node: RunningNode | None = None, *, account_id: str = "") -> str:
    """The text of a printed code of such a place."""
    node = node or w.wuhan
    return str((await make_scene_code(node, account_id or await a_place(w, node))).code_text)


async def make_scene_code(node: RunningNode, account_id: str) -> codev1.IssuedCode:
    """A new code of a place, printed."""
    base = node.operator.base
    ticket = await base.ApplyCode(
        basev1.ApplyCodeRequest(
            biz_serial=serial("apply"),
            account_id=account_id,
            code_mode=codev1.CODE_MODE_STATIC,
            terminal_type=codev1.TERMINAL_TYPE_PRINTED,
        )
    )
    code: codev1.IssuedCode = (
        await base.MakeCode(basev1.MakeCodeRequest(biz_serial=serial("make"), ticket=ticket.ticket))
    ).code
    return code


@good(APP + "ScanSceneCode")
async def scan_scene_code(w: World) -> Attempt:
    return await scene_scanning(w, await a_scene_code(w))


async def scene_scanning(w: World, code_text: str) -> Attempt:
    """A holder of Wuhan is about to scan a scene code."""
    holder = await w.holder()
    request = appv1.ScanSceneCodeRequest(biz_serial=serial("scene"), session_token=holder.token, code_text=code_text)
    return by_holder(w, holder, request)


# The catalogue.


@good(BUSINESS + "RegisterLicenseType")
async def register_license_type(w: World) -> Attempt:
    return by_operator(w, licence_type(f"type-{w.number()}"))


@good(BUSINESS + "ListLicenseTypes")
async def list_license_types(w: World) -> Attempt:
    return by_operator(w, businessv1.ListLicenseTypesRequest())


@good(BUSINESS + "RegisterMatter")
async def register_matter(w: World) -> Attempt:
    return by_operator(w, matter(f"M-{w.number()}-test"))


@good(BUSINESS + "ListMatters")
async def list_matters(w: World) -> Attempt:
    return by_operator(w, businessv1.ListMattersRequest())


@good(BUSINESS + "RegisterApplicationKey")
async def register_application_key(w: World) -> Attempt:
    return by_operator(w, application_key("clinic-app"))


# What nodes ask each other.


async def signed(node: RunningNode, purpose: EvidencePurpose, statement: Statement) -> evidence_pb2.Evidence:
    """A statement that a node has signed."""
    return evidence_pb2.Evidence.FromString(await node.app.ground.attestor.attest(purpose, statement))


async def foreign_request(w: World, **changes: Any) -> ConsentRequest:
    """What Shanghai's counter asks of a holder of Wuhan whose code it has just scanned."""
    if "scan_biz_serial" not in changes:
        changes["scan_biz_serial"] = (await scanned(w.shanghai, await w.holder())).answer.biz_serial
    facts: dict[str, Any] = {
        "authorization_id": f"au_{w.number():032x}",
        "visited_node": SHANGHAI,
        "home_node": WUHAN,
        "entry": AuthorizationEntry.RELYING_PARTY_SCANNED,
        "app_id": "counter-app",
        "biz_serial": serial("ask"),
        "relying_party_name": "政务服务大厅（测试）",
        "relying_party_uscc": HALL_USCC,
        "relying_party_contact": "office@example.invalid",
        "matter_code": MATTER,
        "matter_name": "样例事项",
        "purpose": "核验",
        "handling_means": "核验后不留存",
        "items": (RequestedItem(item_no=1, asked=AskedItem(license_type=LICENCE, field_names=("class",))),),
        "retention": timedelta(),
        "max_uses": 1,
        "period": PERIOD,
        "requested_at": w.shanghai.clock.now(),
        "scene_class": SceneClass.COUNTER,
    }
    return ConsentRequest(**facts | changes)


async def forwarding(w: World, **changes: Any) -> Attempt:
    """Shanghai is about to forward what its counter asks."""
    evidence = await signed(w.shanghai, EvidencePurpose.CONSENT_REQUEST, await foreign_request(w, **changes))
    request = federationv1.ForwardAuthorizationRequest(consent_request=evidence)
    return Attempt(w.wuhan, w.wuhan.as_node(SHANGHAI), request)


async def wondering(w: World, kind: QuestionKind, **facts: Any) -> Attempt:
    """Shanghai is about to ask Wuhan about an authorization, or about a scene code."""
    question = AuthorizationQuestion(
        kind=kind, from_node=SHANGHAI, to_node=WUHAN, asked_at=w.shanghai.clock.now(), **facts
    )
    evidence = await signed(w.shanghai, EvidencePurpose.AUTHORIZATION_QUESTION, question)
    return Attempt(w.wuhan, w.wuhan.as_node(SHANGHAI), federationv1.ForwardAuthorizationRequest(question=evidence))


@good(FEDERATION + "ForwardAuthorization")
async def forward_authorization(w: World) -> Attempt:
    return await forwarding(w)


async def using(w: World, one: Asked, **changes: Any) -> Attempt:
    """Shanghai is about to ask Wuhan for a use of the first item."""
    facts: dict[str, Any] = {
        "authorization_id": one.authorization_id,
        "from_node": SHANGHAI,
        "to_node": WUHAN,
        "app_id": "counter-app",
        "biz_serial": serial("use"),
        "matter_code": MATTER,
        "item_no": 1,
        "recipient_key": Sm2PrivateKey.generate().public_key.to_point(),
        "requested_at": w.shanghai.clock.now(),
    }
    evidence = await signed(w.shanghai, EvidencePurpose.LICENSE_USE, LicenseUseRequest(**facts | changes))
    request = federationv1.ForwardLicenseFetchRequest(request=evidence)
    return Attempt(w.wuhan, w.wuhan.as_node(SHANGHAI), request)


@good(FEDERATION + "ForwardLicenseFetch")
async def forward_license_fetch(w: World) -> Attempt:
    return await using(w, await granted(w, node=w.shanghai))


@good(FEDERATION + "NotifyWithdrawal")
async def notify_withdrawal(w: World) -> Attempt:
    withdrawal = Withdrawal(
        authorization_id=f"au_{w.number():032x}",
        home_node=SHANGHAI,
        withdrawn_at=w.shanghai.clock.now(),
        reason=WithdrawalReason.ACCOUNT_CLOSED,
    )
    evidence = await signed(w.shanghai, EvidencePurpose.WITHDRAWAL, withdrawal)
    return Attempt(w.wuhan, w.wuhan.as_node(SHANGHAI), federationv1.NotifyWithdrawalRequest(withdrawal=evidence))
