"""Those who call a node, as tests play them: a holder with a back end, a counter, an operator. All over real gRPC."""

import itertools
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from govcode.business.v1 import business_management_service_pb2 as businessv1
from govcode.business.v1 import business_management_service_pb2_grpc as businessv1_grpc
from govcode.business.v1 import registry_pb2 as registryv1
from govcode.code.v1 import code_application_service_pb2 as appv1
from govcode.code.v1 import code_application_service_pb2_grpc as appv1_grpc
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import code_base_service_pb2_grpc as basev1_grpc
from govcode.code.v1 import service_code_pb2 as codev1
from govcode.common.v1 import holder_pb2, scene_pb2, subject_pb2
from govcode_client.device import HolderDevice
from govcode_node.crypto.authorities import IssuedCertificate
from govcode_node.providers.identity.local_kit import device_kit_blob
from grpc import aio
from kit.pki import KitPki

PEOPLE_FILE = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "synthetic_subjects.toml"
TERMS = "2026-01"
_serials = itertools.count(1)


def serial(prefix: str = "S") -> str:
    """A serial that was never used before."""
    return f"{prefix}-{next(_serials)}"


def dial(target: str, certificate: IssuedCertificate, *, pki: KitPki) -> aio.Channel:
    """A channel of its own connection, showing a certificate."""
    credentials = grpc.ssl_channel_credentials(pki.federation_ca_pem, certificate.key_pem, certificate.certificate_pem)
    return aio.secure_channel(target, credentials, options=[("grpc.use_local_subchannel_pool", 1)])


@dataclass(frozen=True, slots=True)
class SyntheticPerson:
    """One synthetic person of the embedded provider's file."""

    name: str
    id_number: str
    phone: str
    secret: str


@cache
def synthetic_people() -> dict[str, SyntheticPerson]:
    """The synthetic people by name."""
    entries: list[dict[str, Any]] = tomllib.loads(PEOPLE_FILE.read_text(encoding="utf-8"))["person"]
    return {
        entry["name"]: SyntheticPerson(entry["name"], entry["id_number"], entry["phone"], entry["secret"])
        for entry in entries
    }


@cache
def synthetic_companies() -> tuple[dict[str, Any], ...]:
    """The synthetic companies as they stand in the file."""
    return tuple(tomllib.loads(PEOPLE_FILE.read_text(encoding="utf-8"))["company"])


class HolderBackend:
    """A citizen-facing back end (app.holder)."""

    def __init__(self, channel: aio.Channel, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.stub = _app_stub(channel)
        self.base = _base_stub(channel)
        self.now = now

    async def identify(self, person: SyntheticPerson, *, uscc: str | None = None) -> holder_pb2.Identification:
        """Begin an identification and let the device kit finish its part."""
        kind = subject_pb2.SUBJECT_KIND_LEGAL_ENTITY if uscc else subject_pb2.SUBJECT_KIND_PERSON
        begun = await self.stub.BeginIdentification(appv1.BeginIdentificationRequest(subject_kind=kind))
        blob = device_kit_blob(
            identification_id=begun.identification_id, id_number=person.id_number, secret=person.secret, uscc=uscc
        )
        return holder_pb2.Identification(identification_id=begun.identification_id, provider_blob=blob)

    async def open_account(self, person: SyntheticPerson, *, uscc: str | None = None) -> "Holder":
        """Open the person's account, or that of the company for which the person acts."""
        device = HolderDevice.generate(now=self.now)
        identification = await self.identify(person, uscc=uscc)
        number = serial("open")
        proof = device.prove_open_account(
            identification_id=identification.identification_id, biz_serial=number, terms_version=TERMS
        )
        answer = await self.stub.OpenAccount(
            appv1.OpenAccountRequest(biz_serial=number, identification=identification, proof=proof)
        )
        return Holder(self, person, device, answer.session.session_token, answer.session.session_id, answer.account)


@dataclass
class Holder:
    """A holder with one device and one session."""

    backend: HolderBackend
    person: SyntheticPerson
    device: HolderDevice
    token: str
    session_id: str
    account: Any

    async def present(self, **fields: Any) -> appv1.PresentCodeResponse:
        """Present a code; by default a multi-use MAC code in the APP."""
        fields.setdefault("biz_serial", serial("present"))
        fields.setdefault("terminal_type", codev1.TERMINAL_TYPE_APP)
        fields.setdefault("session_token", self.token)
        return await self.backend.stub.PresentCode(appv1.PresentCodeRequest(**fields))

    async def records(self, **fields: Any) -> list[Any]:
        """The uses of the holder's codes, newest first."""
        answer = await self.backend.stub.ListRecords(appv1.ListRecordsRequest(session_token=self.token, **fields))
        return list(answer.records)

    async def close(self) -> appv1.CloseAccountResponse:
        """Close the account."""
        number = serial("close")
        proof = self.device.prove_close_account(session_id=self.session_id, biz_serial=number)
        return await self.backend.stub.CloseAccount(
            appv1.CloseAccountRequest(biz_serial=number, session_token=self.token, proof=proof)
        )

    async def make_static(self, **fields: Any) -> basev1.MakeCodeResponse:
        """Make a static code in the two steps of ApplyCode and MakeCode."""
        number = serial("apply")
        ticket = await self.backend.base.ApplyCode(
            basev1.ApplyCodeRequest(
                biz_serial=number,
                session_token=self.token,
                code_mode=codev1.CODE_MODE_STATIC,
                terminal_type=codev1.TERMINAL_TYPE_PRINTED,
            )
        )
        return await self.redeem(ticket, **fields)

    async def redeem(self, ticket: basev1.ApplyCodeResponse, **fields: Any) -> basev1.MakeCodeResponse:
        """Redeem a ticket with a proof of the device."""
        number = fields.pop("biz_serial", serial("make"))
        proof = self.device.prove_make_code(ticket=ticket.ticket, nonce=ticket.nonce, biz_serial=number)
        return await self.backend.base.MakeCode(
            basev1.MakeCodeRequest(biz_serial=number, ticket=ticket.ticket, proof=proof, **fields)
        )


class CounterDesk:
    """A relying party's system, or a scanner with a certificate of its own."""

    def __init__(self, channel: aio.Channel, *, device_id: str = "") -> None:
        self.stub = _app_stub(channel)
        self.base = _base_stub(channel)
        self._metadata = (("govcode-device-id", device_id),) if device_id else ()

    async def scan(self, code_text: str, *, scene_no: int = 1, **fields: Any) -> appv1.ScanCodeResponse:
        """Scan a code."""
        timeout = fields.pop("timeout", None)
        fields.setdefault("biz_serial", serial("scan"))
        request = appv1.ScanCodeRequest(code_text=code_text, scene_no=scene_no, **fields)
        return await self.stub.ScanCode(request, metadata=self._metadata, timeout=timeout)

    async def verify(self, code_text: str, *, scene_no: int = 1, **fields: Any) -> basev1.VerifyCodeResponse:
        """Verify a code."""
        fields.setdefault("biz_serial", serial("verify"))
        request = basev1.VerifyCodeRequest(code_text=code_text, scene_no=scene_no, **fields)
        return await self.base.VerifyCode(request, metadata=self._metadata)


_ALL_STATES = (
    registryv1.REGISTRATION_STATE_APPROVED,
    registryv1.REGISTRATION_STATE_ENABLED,
)


class OperatorDesk:
    """A business operator."""

    def __init__(self, channel: aio.Channel) -> None:
        self.stub: Any = businessv1_grpc.BusinessManagementServiceStub(channel)
        self.base = _base_stub(channel)

    async def relying_party(self, *, name: str, uscc: str) -> str:
        """Register and enable an organisation; its id."""
        answer = await self.stub.RegisterRelyingParty(
            businessv1.RegisterRelyingPartyRequest(
                biz_serial=serial("rp"),
                relying_party=registryv1.RelyingParty(
                    name=name, uscc=uscc, purpose="政务服务事项办理", contact="office@example.invalid"
                ),
            )
        )
        party_id: str = answer.relying_party.relying_party_id
        for state in _ALL_STATES:
            await self.stub.ChangeRelyingPartyState(
                businessv1.ChangeRelyingPartyStateRequest(
                    biz_serial=serial("rp"), relying_party_id=party_id, state=state, reason="test"
                )
            )
        return party_id

    async def application(
        self, app_id: str, *, relying_party_id: str, kind: int, scene_nos: tuple[int, ...] = ()
    ) -> None:
        """Register and enable an application."""
        await self.stub.RegisterApplication(
            businessv1.RegisterApplicationRequest(
                biz_serial=serial("app"),
                application=registryv1.Application(
                    app_id=app_id,
                    relying_party_id=relying_party_id,
                    kind=kind,  # type: ignore[arg-type]
                    name=app_id,
                    scene_nos=scene_nos,
                ),
            )
        )
        for state in _ALL_STATES:
            await self.move_application(app_id, state)

    async def move_application(self, app_id: str, state: int) -> None:
        """Move an application to a state."""
        await self.stub.ChangeApplicationState(
            businessv1.ChangeApplicationStateRequest(
                biz_serial=serial("app"),
                app_id=app_id,
                state=state,  # type: ignore[arg-type]
                reason="test",
            )
        )

    async def scanner(self, device_id: str, *, app_id: str, place: str = "1 号窗口") -> None:
        """Register and enable a scanner."""
        await self.stub.RegisterScanner(
            businessv1.RegisterScannerRequest(
                biz_serial=serial("scanner"),
                scanner=registryv1.Scanner(device_id=device_id, app_id=app_id, place=place),
            )
        )
        for state in _ALL_STATES:
            await self.stub.ChangeScannerState(
                businessv1.ChangeScannerStateRequest(
                    biz_serial=serial("scanner"), device_id=device_id, state=state, reason="test"
                )
            )

    async def scene(self, scene_no: int, **fields: Any) -> registryv1.Scene:
        """Register a scene."""
        fields.setdefault("name", f"scene {scene_no}")
        fields.setdefault("scene_class", scene_pb2.SCENE_CLASS_COUNTER)
        fields.setdefault("subject_kinds", [subject_pb2.SUBJECT_KIND_PERSON, subject_pb2.SUBJECT_KIND_LEGAL_ENTITY])
        for name in ("validity", "refresh_after"):
            if isinstance(fields.get(name), int):
                fields[name] = Duration(seconds=fields[name])
        answer = await self.stub.RegisterScene(
            businessv1.RegisterSceneRequest(
                biz_serial=serial("scene"), scene=registryv1.Scene(scene_no=scene_no, **fields)
            )
        )
        scene: registryv1.Scene = answer.scene
        return scene


def _app_stub(channel: aio.Channel) -> Any:
    return appv1_grpc.CodeApplicationServiceStub(channel)


def _base_stub(channel: aio.Channel) -> Any:
    return basev1_grpc.CodeBaseServiceStub(channel)
