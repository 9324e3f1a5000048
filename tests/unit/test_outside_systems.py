"""Every outside system can be exchanged (5-03): the walks at home and away, over pretended systems and nothing else."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from govcode_node.domain.accounts import AccountState, SessionInvalidError
from govcode_node.domain.callers import Caller, OperatorRole
from govcode_node.domain.codes import CodeMode, CodeState, ErrorLevel, SubjectKind, Symbology, TerminalType
from govcode_node.domain.disclosure import DisclosedField, FieldName, FieldRule
from govcode_node.domain.events import CodeScanned
from govcode_node.domain.identification import IdentityFailedError
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.issued_codes import CodeWish, IssuedCode
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.parties import Application, ApplicationKind, RegistrationState, RelyingParty
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.scans import ScanAct
from govcode_node.domain.scenes import Scene, SceneClass
from govcode_node.ports.security import HolderStatement
from govcode_node.ports.symbols import ImageFormat
from govcode_node.usecases.accounts import IdentifiedCommand, OpenedSession
from govcode_node.usecases.code_lifecycle import CodeCommand
from govcode_node.usecases.making import ApplyCommand, MakeCommand
from govcode_node.usecases.presentation import PresentCommand
from govcode_node.usecases.scanning import ScanCommand, ScanResult
from kit.pretend_node import PretendDevice, PretendFederation, PretendNode, call_by

TESTS: Final = Path(__file__).resolve().parents[1]
ADAPTERS: Final = (
    *("grpc", "google", "govcode", "govcode_client", "sqlalchemy", "alembic", "gmssl", "cryptography", "cattrs"),
    *("segno", "opentelemetry", "click", "rich"),
    *(f"govcode_node.{room}" for room in ("rpc", "edges", "federation", "storage", "crypto", "providers")),
    *(f"govcode_node.{room}" for room in ("telemetry", "wire", "symbols", "system_clock", "app", "ground")),
)
USCC: Final = "91420100MA9TEXT198"
BACKEND: Final = Caller(caller_class=CallerClass.APP, name="mobile-app", kind="holder")
COUNTER: Final = Caller(caller_class=CallerClass.APP, name="counter-app", kind="relying_party")
OPERATOR: Final = Caller(caller_class=CallerClass.OPERATOR, name="business-1", roles=frozenset({OperatorRole.BUSINESS}))
_serials = iter(range(1, 1_000_000))


def serial() -> str:
    return f"S-{next(_serials)}"


async def furnish(node: PretendNode) -> None:
    """Register a counter for scene 1."""
    now, registry = node.clock.now(), node.registry
    scene = Scene(
        scene_no=1, version=0, name="办事大厅", scene_class=SceneClass.COUNTER,
        subject_kinds=frozenset({SubjectKind.PERSON}), fields=(FieldRule(FieldName.NAME),), effective_at=now,
    )  # fmt: skip
    await registry.register_scene(call_by(OPERATOR, "RegisterScene"), serial(), scene)
    party, _ = await registry.register_relying_party(
        call_by(OPERATOR, "RegisterRelyingParty"),
        serial(),
        RelyingParty(
            relying_party_id="", name="政务服务大厅", uscc=USCC, purpose="test", contact="test",
            state=RegistrationState.APPLIED, registered_at=now,
        ),
    )  # fmt: skip
    application = Application(
        app_id="counter-app", relying_party_id=party.relying_party_id, kind=ApplicationKind.RELYING_PARTY,
        name="counter", scene_nos=(1,), state=RegistrationState.APPLIED, registered_at=now,
    )  # fmt: skip
    await registry.register_application(call_by(OPERATOR, "RegisterApplication"), serial(), application)
    for target in (RegistrationState.APPROVED, RegistrationState.ENABLED):
        call = call_by(OPERATOR, "Move", target)
        await registry.move_relying_party(call, serial(), party.relying_party_id, target=target, reason="test")
        await registry.move_application(call, serial(), "counter-app", target=target, reason="test")


class Walker:
    """A holder of one node, with a device."""

    def __init__(self, federation: PretendFederation, node: PretendNode) -> None:
        self.federation, self.node = federation, node
        self.device = PretendDevice(federation.notary, "phone-1")
        self.opened: OpenedSession

    async def open(self, blob: bytes = "张样例:the word".encode()) -> None:
        begun = await self.node.accounts.begin_identification(SubjectKind.PERSON)
        number = serial()
        statement = HolderStatement(
            biz_serial=number,
            signed_at=self.node.clock.now(),
            identification_id=begun.identification_id,
            device_public_key=self.device.public_key,
            terms_version="2026-01",
        )
        command = IdentifiedCommand(
            biz_serial=number,
            identification_id=begun.identification_id,
            provider_blob=blob,
            proof=self.device.prove("OpenAccountStatement", statement),
        )
        self.opened, _ = await self.node.accounts.open_account(call_by(BACKEND, "OpenAccount", number), command)

    async def present(self, *, one_time: bool = False) -> IssuedCode:
        wish = CodeWish(terminal_type=TerminalType.APP, one_time=one_time)
        command = PresentCommand(biz_serial=serial(), session_token=self.opened.token, wish=wish)
        presented, _ = await self.node.presentation.present(call_by(BACKEND, "PresentCode", command), command)
        return presented.issued

    async def make_static(self) -> IssuedCode:
        wish = CodeWish(mode=CodeMode.STATIC, terminal_type=TerminalType.PRINTED)
        apply = ApplyCommand(biz_serial=serial(), session_token=self.opened.token, account_id=None, wish=wish)
        ticket, _ = await self.node.making.apply(call_by(BACKEND, "ApplyCode", apply), apply)
        number = serial()
        statement = HolderStatement(
            biz_serial=number, signed_at=self.node.clock.now(), ticket=ticket.ticket, nonce=ticket.nonce
        )
        make = MakeCommand(
            biz_serial=number,
            ticket=ticket.ticket,
            proof=self.device.prove("MakeCodeStatement", statement),
            carrier=None,
            profile=None,
            extension=(),
        )
        issued, _ = await self.node.making.make(call_by(BACKEND, "MakeCode", make), make)
        return issued

    async def end(self, act: str, issued: IssuedCode) -> CodeState:
        command = CodeCommand(
            biz_serial=serial(), code_id=issued.code.code_id, session_token=self.opened.token, reason="test"
        )
        code, _ = await getattr(self.node.lifecycle, act)(call_by(BACKEND, act, command), command)
        state: CodeState = code.state
        return state

    async def close(self) -> AccountState:
        number = serial()
        statement = HolderStatement(
            biz_serial=number, signed_at=self.node.clock.now(), session_id=self.opened.session.session_id
        )
        closed, _ = await self.node.accounts.close_account(
            call_by(BACKEND, "CloseAccount", number),
            biz_serial=number,
            session_token=self.opened.token,
            proof=self.device.prove("CloseAccountStatement", statement),
        )
        return closed.account.state


async def scan(node: PretendNode, issued: IssuedCode, *, act: ScanAct = ScanAct.SCAN) -> ScanResult:
    command = ScanCommand(act=act, biz_serial=serial(), code_text=issued.code_text, scene_no=1, place="3 号窗口")
    return await node.scanning.scan(call_by(COUNTER, "ScanCode", command), command)


async def walk_at_home() -> None:
    """The walk of 6.1: identify, open, make, present, refresh, scan, be told, look back, end, close."""
    federation = PretendFederation(r420100="武汉市")
    (node,) = federation.nodes.values()
    await furnish(node)
    walker = Walker(federation, node)
    with pytest.raises(IdentityFailedError):
        await walker.open("张样例:another word".encode())
    await walker.open()

    first = await walker.present()
    assert (await walker.present()).code_text == first.code_text
    node.clock.advance(timedelta(seconds=61))
    second = await walker.present(one_time=True)
    assert second.code.code_id != first.code.code_id
    image = node.texts.draw(
        second.code_text, symbology=Symbology.QR, error_level=ErrorLevel.M, image_format=ImageFormat.PNG, scale=4
    )
    assert second.code_text.encode() in image.image

    assert (await scan(node, second, act=ScanAct.VERIFY)).answer.outcome is Outcome.VALID
    seen = await scan(node, second)
    assert (seen.answer.outcome, seen.answer.cross_region) == (Outcome.VALID, False)
    assert seen.answer.fields == (DisclosedField(name=FieldName.NAME, value="张**", masked=True),)
    assert (await scan(node, second)).answer.outcome is Outcome.CONSUMED
    page = await node.feed.list_events(call_by(BACKEND, "ListEvents"), cursor="e0", page_size=10, wait=timedelta())
    assert [type(event.kind) for event in page.events] == [CodeScanned]
    records = await node.records.list_records(
        call_by(BACKEND, "ListRecords"), session_token=walker.opened.token, start=None, page_size=10, page_token=""
    )
    assert seen.answer.scan_id in [row.scan_id for row in records.records]

    printed = await walker.make_static()
    assert (await scan(node, printed)).answer.outcome is Outcome.VALID
    assert await walker.end("freeze", printed) is CodeState.FROZEN
    assert (await scan(node, printed)).answer.outcome is Outcome.FROZEN
    assert await walker.end("revoke", printed) is CodeState.REVOKED
    assert (await scan(node, printed)).answer.outcome is Outcome.REVOKED
    third = await walker.present()
    assert await walker.close() is AccountState.CLOSED
    assert (await scan(node, third)).answer.outcome is Outcome.REVOKED
    with pytest.raises(SessionInvalidError):
        await walker.present()


async def walk_abroad() -> None:
    """The walk of 6.2: a code of Wuhan in Shanghai, decided at home, used once, and while the home node is away."""
    federation = PretendFederation(r420100="武汉市", r310000="上海市")
    home, away = federation.nodes["420100"], federation.nodes["310000"]
    federation.publish()
    await furnish(away)
    walker = Walker(federation, home)
    await walker.open()

    code = await walker.present(one_time=True)
    seen = await scan(away, code)
    assert (seen.answer.outcome, seen.answer.decided_by) == (Outcome.VALID, "420100")
    assert (seen.answer.cross_region, seen.home_region_name) == (True, "武汉市")
    assert seen.answer.fields == (DisclosedField(name=FieldName.NAME, value="张**", masked=True),)
    assert (await scan(away, code)).answer.outcome is Outcome.CONSUMED
    assert [row.visited_node for row in home.database.stores.scans.rows.values()] == ["310000", "310000"]
    assert away.routes.resolve(RegionCode("420106")).node.node_id == "420100"

    another = await walker.present()
    away.peers.away.add("420100")
    assert (await scan(away, another)).answer.outcome is Outcome.HOME_NODE_UNREACHABLE
    away.peers.away.clear()
    assert await walker.end("revoke", another) is CodeState.REVOKED
    assert (await scan(away, another)).answer.outcome is Outcome.REVOKED
    away.hub.held = None
    assert (await scan(away, another)).answer.outcome is Outcome.ISSUER_UNKNOWN


@pytest.mark.req("5-03")
async def test_the_walk_at_home_needs_no_real_outside_system() -> None:
    await walk_at_home()


@pytest.mark.req("5-03")
async def test_the_walk_abroad_needs_no_real_outside_system() -> None:
    await walk_abroad()


@pytest.mark.req("5-03")
def test_the_walks_load_no_adapter_at_all() -> None:
    program = f"""
import asyncio, importlib.util, sys
sys.path.insert(0, {str(TESTS)!r})
spec = importlib.util.spec_from_file_location("walks", {__file__!r})
walks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(walks)
asyncio.run(walks.walk_at_home())
asyncio.run(walks.walk_abroad())
print(sorted(name for name in sys.modules for room in walks.ADAPTERS if name == room or name.startswith(room + ".")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
