"""Accounts and codes that a sandbox makes before anybody calls it."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from govcode.code.v1 import code_application_service_pb2 as applicationv1
from govcode.code.v1 import code_base_service_pb2 as basev1
from govcode.code.v1 import service_code_pb2 as codev1
from govcode_client import Client, HolderDevice, Sm2PrivateKey
from govcode_client.device import session_id_of

from govcode_node.commands.holders import HolderBackEnd, HolderSession, SyntheticHolder, new_serial
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.text_encodings import base32_encode
from govcode_node.domain.zwm1 import Zwm1Codec
from govcode_node.sandbox.callers import NodeCallers
from govcode_node.sandbox.clock import HomeClock
from govcode_node.sandbox.licences import SandboxMatter
from govcode_node.sandbox.plan import (
    COUNTER_SCENE,
    NOWHERE,
    ONE_TIME_SCENE,
    SUBJECTS,
    SandboxSubject,
)
from govcode_node.sandbox.refusals import USED_SERIAL

_PAST: Final = -timedelta(hours=1)
_LONG: Final = timedelta(days=30)
_FUTURE: Final = timedelta(days=29)
"""Not beyond the maker's session; a code of that time is good once the clock has come there."""
_LATER_VERSION: Final = 0x20
"""Version 2, profile 0, as the second byte of a code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedHolder:
    """A subject with an account, a device and a session.

    Attributes:
        subject: Who.
        key: The device's private key.
        session: The session.
    """

    subject: SandboxSubject
    key: Sm2PrivateKey
    session: HolderSession = field(repr=False)

    def entry(self) -> dict[str, Any]:
        """It gives what stands in the credentials file."""
        return {
            "subject": self.subject.key,
            "account_id": self.session.account_id,
            "session_token": self.session.token,
            "session_id": session_id_of(self.session.token),
            "device_key_id": self.session.device.key_id,
            "device_private_key_hex": self.key.to_scalar().hex(),
            "device_public_key_hex": self.key.public_key.to_point().hex(),
        }


def open_holder(client: Client, subject: SandboxSubject, *, now: Callable[[], datetime]) -> OpenedHolder:
    """It opens a subject's account on a new device.

    Raises:
        ClientError: The node refuses.
    """
    key = Sm2PrivateKey.generate()
    person = SyntheticHolder(name=subject.name, id_number=subject.id_number, secret=subject.secret, uscc=subject.uscc)
    session = HolderBackEnd(client).open(person, HolderDevice(key, now=now))
    return OpenedHolder(subject=subject, key=key, session=session)


def open_holders(client: Client, *, now: Callable[[], datetime]) -> dict[str, OpenedHolder]:
    """It opens the accounts that anybody may use."""
    return {subject.key: open_holder(client, subject, now=now) for subject in SUBJECTS if subject.opened}


def open_virtual_holders(client: Client, *, now: Callable[[], datetime]) -> dict[str, OpenedHolder]:
    """It opens the accounts of those who answer by themselves, at their own back end."""
    return {subject.key: open_holder(client, subject, now=now) for subject in SUBJECTS if subject.answers}


class CodeMaker:
    """It makes codes of one holder at one node."""

    def __init__(self, callers: NodeCallers, holder: OpenedHolder, *, client: Client | None = None) -> None:
        """It acts for that holder, through the holders' back end where no other client is given."""
        self._client = client or callers.holder_app
        self._counter = callers.counter_app
        self._holder = holder

    def present(self, **fields: Any) -> str:
        """It presents a dynamic code and gives its text."""
        request = applicationv1.PresentCodeRequest(
            biz_serial=new_serial("PRESENT"),
            session_token=self._holder.session.token,
            terminal_type=codev1.TERMINAL_TYPE_APP,
            **fields,
        )
        return self._client.code_application.PresentCode(request).code.code_text

    def static(
        self, *, profile: codev1.CodeProfile.ValueType = codev1.CODE_PROFILE_UNSPECIFIED, **fields: Any
    ) -> codev1.IssuedCode:
        """It makes a printed, static code."""
        apply = basev1.ApplyCodeRequest(
            biz_serial=new_serial("APPLY"),
            session_token=self._holder.session.token,
            code_mode=codev1.CODE_MODE_STATIC,
            terminal_type=codev1.TERMINAL_TYPE_PRINTED,
            **fields,
        )
        ticket = self._client.code_base.ApplyCode(apply)
        serial = new_serial("MAKE")
        proof = self._holder.session.device.prove_make_code(ticket=ticket.ticket, nonce=ticket.nonce, biz_serial=serial)
        request = basev1.MakeCodeRequest(biz_serial=serial, ticket=ticket.ticket, proof=proof, profile=profile)
        return self._client.code_base.MakeCode(request).code

    def change(self, act: str, code: codev1.IssuedCode) -> Any:
        """It freezes, revokes or replaces a code."""
        request = getattr(basev1, f"{act}Request")(
            biz_serial=new_serial("CHANGE"),
            code_id=code.code_id,
            session_token=self._holder.session.token,
            reason="沙箱",
        )
        return getattr(self._client.code_base, act)(request)

    def scan(self, text: str, scene_no: int, *, serial: str = "") -> str:
        """It lets the counter scan a code and gives the id of the scan."""
        answer = self._counter.code_application.ScanCode(
            applicationv1.ScanCodeRequest(biz_serial=serial or new_serial("SCAN"), code_text=text, scene_no=scene_no)
        )
        return str(answer.answer.scan_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCodes:
    """Codes whose condition stays as it is for as long as a sandbox runs, and what came of scanning one.

    Attributes:
        texts: Their texts by what they are.
        revoked_code_id: Id of the revoked one.
        old_scan_id: A scan of the good one, an hour ago.
    """

    texts: dict[str, str] = field(repr=False)
    revoked_code_id: bytes
    old_scan_id: str


def make_matter_code(business: Client, account_id: str) -> str:
    """It makes the printed code of a matter, which holders scan, as the business operator.

    Raises:
        ClientError: The node refuses.
    """
    apply = basev1.ApplyCodeRequest(
        biz_serial=new_serial("APPLY"),
        account_id=account_id,
        code_mode=codev1.CODE_MODE_STATIC,
        terminal_type=codev1.TERMINAL_TYPE_PRINTED,
    )
    ticket = business.code_base.ApplyCode(apply).ticket
    made = business.code_base.MakeCode(basev1.MakeCodeRequest(biz_serial=new_serial("MAKE"), ticket=ticket))
    return str(made.code.code_text)


def ask_for_licences(callers: NodeCallers, code_text: str, matter: SandboxMatter) -> str:
    """It lets the counter scan a holder's code and ask for all that a matter allows; the authorization's id.

    Raises:
        ClientError: The node refuses.
    """
    counter = callers.counter_app
    scanned = counter.codes.scan(code_text=code_text, scene_no=COUNTER_SCENE)
    asked = counter.authorizations.request(
        scan_id=scanned.answer.scan_id,
        matter_code=matter.matter_code,
        items=matter.items,
        documents=matter.documents,
        purpose="沙箱联调",
        handling_means="核验后不留存",
        max_uses=1,
        period=_LONG,
    ).authorization
    counter.authorizations.wait(authorization_id=asked.authorization_id, within=20)
    return str(asked.authorization_id)


def place_codes(maker: CodeMaker, clock: HomeClock) -> PlacedCodes:
    """It makes codes of the home node."""
    placed = {"valid": maker.static().code_text}
    placed["scene_bound"] = maker.static(scene_no=ONE_TIME_SCENE).code_text
    revoked, frozen, replaced = maker.static(), maker.static(), maker.static()
    maker.change("RevokeCode", revoked)
    maker.change("FreezeCode", frozen)
    maker.change("ReplaceCode", replaced)
    placed |= {"revoked": revoked.code_text, "frozen": frozen.code_text, "replaced": replaced.code_text}
    consumed = maker.static(one_time=True)
    maker.scan(consumed.code_text, COUNTER_SCENE)
    placed["consumed"] = consumed.code_text
    placed["valid_signed"] = maker.static(profile=codev1.CODE_PROFILE_SIGNED).code_text
    with clock.aside(_PAST):
        placed["expired"] = maker.present()
        old_scan_id = maker.scan(placed["expired"], COUNTER_SCENE)
    with clock.aside(_FUTURE):
        placed["not_yet_valid"] = maker.present()
    maker.scan(placed["valid"], COUNTER_SCENE, serial=USED_SERIAL)
    return PlacedCodes(
        texts=placed | altered_codes(placed["valid"]), revoked_code_id=revoked.code_id, old_scan_id=old_scan_id
    )


def altered_codes(good: str) -> dict[str, str]:
    """It alters a good code in one place each; the seal stays that of the good one."""
    codec = Zwm1Codec()
    parsed = codec.parse(good)

    def assembled(seal: bytes = parsed.seal, **changes: Any) -> str:
        content = dataclasses.replace(parsed.content, **changes)
        return codec.assemble(codec.encode(content), seal, parsed.carrier)

    later = bytes((parsed.sealed_bytes[0], _LATER_VERSION)) + parsed.sealed_bytes[2:] + parsed.seal
    return {
        "seal_invalid": assembled(bytes((parsed.seal[0] ^ 1,)) + parsed.seal[1:]),
        "production": assembled(test_environment=False),
        "nowhere": assembled(region_code=RegionCode(NOWHERE)),
        "version_unsupported": "ZWM1." + base32_encode(later),
        "malformed": good[:-5],
    }
