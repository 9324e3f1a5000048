"""The holder scans: a scene code of this node or of another asks for what its matter needs, and nothing else does."""

import asyncio
from datetime import timedelta

import pytest
from govcode_node.domain.accounts import SessionInvalidError
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.authorizations import (
    AuthorizationEntry,
    AuthorizationState,
    ConsentRequest,
    SceneCodeInvalidError,
)
from govcode_node.domain.callers import AppDisabledError
from govcode_node.domain.codecs import MalformedCodeError
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.errors import SerialConflictError
from govcode_node.domain.events import AuthorizationRequested
from govcode_node.domain.evidence import EvidencePurpose
from govcode_node.domain.parties import RegistrationState
from govcode_node.domain.recognition import (
    HomeNodeTimeoutError,
    HomeNodeUnreachableError,
    PeerAnswerRefusedError,
    PeerRefusedError,
)
from govcode_node.domain.routes import NoRouteError
from kit.clocks import MovableClock
from kit.consent_in_memory import (
    MATTER,
    NAME_AND_BORN,
    WHOLE_SCOPE,
    AskingCounter,
    DecidingHolder,
    Regions,
    register_matter,
    replace,
    scene_code,
    told,
)
from kit.federation_in_memory import NodeInMemory
from kit.people_in_memory import OperatorDesk, serial


@pytest.mark.req("6.3-02", "7.1-01")
async def test_a_scene_code_asks_for_the_whole_scope_of_its_matter(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    code_text = await scene_code(licensed_counter)

    asked = await asked_holder.scan_scene(code_text)

    request = asked.request
    assert (asked.state, request.entry) == (AuthorizationState.PENDING, AuthorizationEntry.HOLDER_SCANNED)
    assert (request.app_id, request.matter_code) == (licensed_counter.counter.app_id, MATTER)
    assert tuple(item.asked for item in request.items) == WHOLE_SCOPE
    assert (request.max_uses, request.period) == (1, timedelta(days=30))
    assert (request.purpose, request.relying_party_name) == ("核验出生信息", "政务服务中心")
    assert asked.account_id == asked_holder.holder.account.account_id
    (event,) = await told(licensed, licensed_counter.counter.app_id, AuthorizationRequested)
    assert event.authorization_id == asked.authorization_id
    (record,) = await OperatorDesk(licensed).audit(AuditAction.AUTHORIZATION_REQUESTED)
    assert record.entry.object == asked.authorization_id


@pytest.mark.req("6.3-02", "6.3-01")
async def test_the_scanned_party_fetches_what_the_holder_granted(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    await register_matter(licensed, licensed_counter.counter.app_id, items=(NAME_AND_BORN,))
    asked = await asked_holder.scan_scene(await scene_code(licensed_counter))
    await asked_holder.decide(asked.authorization_id)

    received = await licensed_counter.fetch(asked.authorization_id)

    assert received.fields == {"name": "张样例", "born": "1988-02-14"}


@pytest.mark.req("6.3-02", "6.3-16")
async def test_a_scene_code_of_another_region_asks_the_holder_at_home(regions: Regions) -> None:
    await register_matter(regions.visited, regions.counter.counter.app_id, items=(NAME_AND_BORN,))
    code_text = await scene_code(regions.counter)

    asked = await regions.holder.scan_scene(code_text)

    assert (asked.request.visited_node, asked.request.home_node) == ("110000", "420100")
    read = await regions.home.reader.read(
        asked.request_evidence, purpose=EvidencePurpose.CONSENT_REQUEST, kind=ConsentRequest
    )
    assert (read.node_id, read.statement) == ("110000", asked.request)
    (event,) = await told(regions.visited, regions.counter.counter.app_id, AuthorizationRequested)
    assert event.authorization_id == asked.authorization_id
    await regions.holder.decide(asked.authorization_id, places={1: "310000"})
    seen = await regions.counter.get(asked.authorization_id)
    assert seen.state is AuthorizationState.GRANTED
    received = await regions.counter.fetch(asked.authorization_id)
    assert received.fields["born"] == "1988-02-14"


async def test_a_code_of_a_person_asks_for_nothing(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    for code in (await asked_holder.holder.present(), await asked_holder.holder.make_static()):
        with pytest.raises(SceneCodeInvalidError) as refused:
            await asked_holder.scan_scene(code.code_text)
        assert refused.value.outcome == "SCENE_MISMATCH"


@pytest.mark.parametrize("kind", [SubjectKind.THING, SubjectKind.MATTER])
async def test_a_place_without_an_offer_asks_for_nothing(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder, kind: SubjectKind
) -> None:
    desk = OperatorDesk(licensed)
    code = await desk.place_code(await desk.place(kind=kind))

    with pytest.raises(SceneCodeInvalidError) as refused:
        await asked_holder.scan_scene(code.code_text)

    assert refused.value.outcome == "VALID"
    assert await asked_holder.list_authorizations() == []


async def test_a_forged_scene_code_asks_for_nothing(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    text = await scene_code(licensed_counter)
    last = "A" if text[-2] != "A" else "B"
    forged = text[:-2] + last + text[-1]

    with pytest.raises((SceneCodeInvalidError, MalformedCodeError)):
        await asked_holder.scan_scene(forged)

    assert await asked_holder.list_authorizations() == []


async def test_a_text_that_is_no_code_is_refused(licensed_counter: AskingCounter, asked_holder: DecidingHolder) -> None:
    with pytest.raises(MalformedCodeError):
        await asked_holder.scan_scene("ZWM1.NOTHING")


async def test_a_suspended_party_asks_nobody_by_its_codes(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    code_text = await scene_code(licensed_counter)
    await OperatorDesk(licensed).move_application(licensed_counter.counter.app_id, RegistrationState.SUSPENDED)

    with pytest.raises(AppDisabledError):
        await asked_holder.scan_scene(code_text)


async def test_a_code_of_a_region_that_nobody_is_home_to_is_told(regions: Regions) -> None:
    code_text = await scene_code(regions.counter)
    regions.federation.publish(to=[regions.home], routes=[("42", "420100")], version=2)

    with pytest.raises(NoRouteError):
        await regions.holder.scan_scene(code_text)


@pytest.mark.parametrize(
    ("trouble", "error"), [("unreachable", HomeNodeUnreachableError), ("hanging", HomeNodeTimeoutError)]
)
async def test_a_node_that_is_away_is_told_honestly(regions: Regions, trouble: str, error: type[Exception]) -> None:
    code_text = await scene_code(regions.counter)
    getattr(regions.home.peers, trouble).add("110000")

    with pytest.raises(error):
        await regions.holder.scan_scene(code_text)

    assert await regions.holder.list_authorizations() == []


@pytest.mark.req("N-51")
async def test_after_a_lost_answer_the_same_scan_asks_once(regions: Regions, clock: MovableClock) -> None:
    code_text, number = await scene_code(regions.counter), serial("scene")
    regions.home.peers.losing.add("110000")
    with pytest.raises(HomeNodeTimeoutError):
        await regions.holder.scan_scene(code_text, biz_serial=number)
    regions.home.peers.losing.clear()

    asked = await regions.holder.scan_scene(code_text, biz_serial=number)
    clock.advance(timedelta(hours=23))
    again = await regions.holder.scan_scene(code_text, biz_serial=number)

    assert again.authorization_id == asked.authorization_id
    assert len(await regions.holder.list_authorizations()) == 1


@pytest.mark.req("N-51")
async def test_two_equal_scans_at_once_ask_once_and_another_code_is_a_conflict(
    licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    code_text, other_text, number = await scene_code(licensed_counter), await scene_code(licensed_counter), serial("s")

    first, second = await asyncio.gather(
        asked_holder.scan_scene(code_text, biz_serial=number), asked_holder.scan_scene(code_text, biz_serial=number)
    )

    assert first.authorization_id == second.authorization_id
    assert len(await asked_holder.list_authorizations()) == 1
    with pytest.raises(SerialConflictError):
        await asked_holder.scan_scene(other_text, biz_serial=number)


async def test_without_a_session_nothing_is_scanned(
    licensed: NodeInMemory, licensed_counter: AskingCounter, asked_holder: DecidingHolder
) -> None:
    code_text = await scene_code(licensed_counter)
    asked_holder.holder.token = "0" * 32

    with pytest.raises(SessionInvalidError):
        await asked_holder.scan_scene(code_text)

    assert await told(licensed, licensed_counter.counter.app_id, AuthorizationRequested) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"biz_serial": "another"},
        {"home_node": "310000"},
        {"entry": AuthorizationEntry.RELYING_PARTY_SCANNED, "scan_biz_serial": "scan-1"},
    ],
)
async def test_an_answer_to_another_question_is_not_believed(regions: Regions, changes: dict[str, object]) -> None:
    code_text = await scene_code(regions.counter)
    seen = await regions.holder.scan_scene(code_text)
    number = serial("scene")
    false = replace(seen.request, authorization_id="au_" + "7" * 32, **{"biz_serial": number, **changes})
    evidence = await regions.visited.attestor.attest(EvidencePurpose.CONSENT_REQUEST, false)
    regions.home.peers.tamper = lambda answer: evidence

    with pytest.raises(PeerAnswerRefusedError):
        await regions.holder.scan_scene(code_text, biz_serial=number)


async def test_a_fault_of_the_code_is_told_by_its_node(regions: Regions) -> None:
    desk = OperatorDesk(regions.visited)
    code = await desk.place_code(await desk.place())

    with pytest.raises(PeerRefusedError) as refused:
        await regions.holder.scan_scene(code.code_text)

    assert refused.value.reason == "SceneCodeInvalidError"
