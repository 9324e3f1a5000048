"""The judgement on a code: each fault alone has its own outcome, and none of them tells anything of the subject."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from govcode_node.domain.accounts import AccountState
from govcode_node.domain.audit import AuditAction
from govcode_node.domain.callers import AppDisabledError, AppUnknownError, DeviceDisabledError, DeviceUnknownError
from govcode_node.domain.codes import (
    Carrier,
    CodeProfile,
    CodeState,
    ParsedCode,
    SealAlgorithm,
    SubjectKind,
    TerminalType,
)
from govcode_node.domain.disclosure import FieldName
from govcode_node.domain.home_rules import IssueRules
from govcode_node.domain.issued_codes import IssuedCode
from govcode_node.domain.keys import KeyPurpose, KeyState
from govcode_node.domain.outcomes import Decision, Outcome, describe
from govcode_node.domain.parties import ApplicationKind, RegistrationState
from govcode_node.domain.scenes import SceneNotAllowedError, SceneUnknownError
from govcode_node.domain.zwm1 import Zwm1Codec
from govcode_node.ports.stores import Transaction
from kit.clocks import MovableClock
from kit.federation_in_memory import FederationInMemory, NodeInMemory, parse
from kit.people_in_memory import ENTITY, PERSON, Counter, Holder, MobileApp, OperatorDesk, furnish, masked

ALL_FIELDS = masked(*FieldName)


@dataclass
class Stage:
    """One node, one holder, one counter, and what has to be done to a code to spoil it."""

    node: NodeInMemory
    counter: Counter
    desk: OperatorDesk
    holder: Holder
    clock: MovableClock

    async def present(self, **fields: Any) -> IssuedCode:
        return await self.holder.present(**fields)


@pytest.fixture
async def stage(node: NodeInMemory, app: MobileApp, desk: OperatorDesk, clock: MovableClock) -> Stage:
    counter = await furnish(node, fields=ALL_FIELDS)
    await desk.scene(2)
    return Stage(node, counter, desk, await app.open_account(), clock)


def resealed(stage: Stage, parsed: ParsedCode, **changes: Any) -> str:
    """The text of a changed content under the right key: what only somebody inside the node could make."""
    content = replace(parsed.content, **changes)
    sealed = Zwm1Codec().encode(content)
    static = content.mode == 0
    seal = stage.node.keyring.mac_code(content.key_no, sealed, static)
    return Zwm1Codec().assemble(sealed, seal, Carrier.SCREEN)


async def nothing_wrong(stage: Stage) -> str:
    return (await stage.present()).code_text


async def seal_of_another_code(stage: Stage) -> str:
    one, other = parse((await stage.present()).code_text), parse((await stage.present(one_time=True)).code_text)
    return Zwm1Codec().assemble(one.sealed_bytes, other.seal, Carrier.SCREEN)


async def one_bit_of_the_seal(stage: Stage) -> str:
    parsed = parse((await stage.present()).code_text)
    return Zwm1Codec().assemble(parsed.sealed_bytes, bytes([parsed.seal[0] ^ 1]) + parsed.seal[1:], Carrier.SCREEN)


async def one_bit_of_a_signature(stage: Stage) -> str:
    parsed = parse((await stage.present(profile=CodeProfile.SIGNED)).code_text)
    return Zwm1Codec().assemble(parsed.sealed_bytes, bytes([parsed.seal[0] ^ 1]) + parsed.seal[1:], Carrier.SCREEN)


async def longer_life_than_sealed(stage: Stage) -> str:
    parsed = parse((await stage.present()).code_text)
    content = replace(parsed.content, expires_at=parsed.content.issued_at + timedelta(days=1))
    return Zwm1Codec().assemble(Zwm1Codec().encode(content), parsed.seal, Carrier.SCREEN)


async def key_that_nobody_has(stage: Stage) -> str:
    parsed = parse((await stage.present()).code_text)
    content = replace(parsed.content, key_no=9999)
    return Zwm1Codec().assemble(Zwm1Codec().encode(content), parsed.seal, Carrier.SCREEN)


async def expired(stage: Stage) -> str:
    issued = await stage.present()
    assert issued.code.expires_at is not None
    stage.clock.advance(issued.code.expires_at - stage.clock.now())
    return issued.code_text


async def not_yet_valid(stage: Stage) -> str:
    parsed = parse((await stage.present()).code_text)
    later = parsed.content.issued_at + timedelta(seconds=31)
    return resealed(stage, parsed, issued_at=later, expires_at=later + timedelta(seconds=60))


async def superseded(stage: Stage) -> str:
    issued = await stage.present()
    await stage.present(one_time=True)
    stage.clock.advance(5)
    return issued.code_text


async def revoked(stage: Stage) -> str:
    issued = await stage.present()
    await stage.holder.change("revoke", issued.code)
    return issued.code_text


async def frozen(stage: Stage) -> str:
    issued = await stage.holder.make_static()
    await stage.holder.change("freeze", issued.code)
    return issued.code_text


async def consumed(stage: Stage) -> str:
    issued = await stage.present(one_time=True)
    assert (await stage.counter.scan(issued)).answer.outcome is Outcome.VALID
    return issued.code_text


async def other_scene(stage: Stage) -> str:
    return (await stage.present(scene_no=2)).code_text


async def kind_that_the_scene_does_not_take(stage: Stage) -> str:
    issued = await stage.present()
    await stage.desk.scene(1, subject_kinds=frozenset({ENTITY}))
    return issued.code_text


async def from_a_test_environment(stage: Stage) -> str:
    return resealed(stage, parse((await stage.present()).code_text), test_environment=True)


async def of_another_issuer(stage: Stage) -> str:
    return resealed(stage, parse((await stage.present()).code_text), issuer_no=2)


async def of_a_suspended_subject(stage: Stage) -> str:
    issued = await stage.present()
    stage.node.database.set_account_state(stage.holder.account, AccountState.SUSPENDED)
    return issued.code_text


async def of_a_closed_account(stage: Stage) -> str:
    issued = await stage.present()
    await stage.holder.close()
    return issued.code_text


async def under_a_compromised_key(stage: Stage) -> str:
    issued = await stage.present()
    stage.node.lose_keys(KeyPurpose.CODE_MAC)
    return issued.code_text


async def signed_under_a_compromised_key(stage: Stage) -> str:
    issued = await stage.present(profile=CodeProfile.SIGNED)
    stage.node.lose_keys(KeyPurpose.CODE_SEAL)
    return issued.code_text


async def sealed_but_not_kept(stage: Stage) -> str:
    parsed = parse((await stage.present()).code_text)
    return resealed(stage, parsed, code_id=bytes(15) + b"\x01")


async def with_an_algorithm_that_is_only_planned(stage: Stage) -> str:
    parsed = parse((await stage.present()).code_text)
    content = replace(parsed.content, algorithm=SealAlgorithm.SM4_CMAC_128)
    return Zwm1Codec().assemble(Zwm1Codec().encode(content), parsed.seal, Carrier.SCREEN)


async def of_a_later_version(stage: Stage) -> str:
    return "ZWM2:ABC"


async def no_code_at_all(stage: Stage) -> str:
    return "HTTPS://EXAMPLE.INVALID/"


Spoiling = Callable[[Stage], Awaitable[str]]
CASES: list[tuple[Spoiling, Outcome]] = [
    (nothing_wrong, Outcome.VALID),
    (seal_of_another_code, Outcome.SEAL_INVALID),
    (one_bit_of_the_seal, Outcome.SEAL_INVALID),
    (one_bit_of_a_signature, Outcome.SEAL_INVALID),
    (longer_life_than_sealed, Outcome.SEAL_INVALID),
    (key_that_nobody_has, Outcome.SEAL_INVALID),
    (expired, Outcome.EXPIRED),
    (not_yet_valid, Outcome.NOT_YET_VALID),
    (superseded, Outcome.SUPERSEDED),
    (revoked, Outcome.REVOKED),
    (frozen, Outcome.FROZEN),
    (consumed, Outcome.CONSUMED),
    (other_scene, Outcome.SCENE_MISMATCH),
    (kind_that_the_scene_does_not_take, Outcome.SCENE_MISMATCH),
    (from_a_test_environment, Outcome.TEST_CODE),
    (of_another_issuer, Outcome.ISSUER_UNKNOWN),
    (of_a_suspended_subject, Outcome.SUBJECT_SUSPENDED),
    (of_a_closed_account, Outcome.REVOKED),
    (under_a_compromised_key, Outcome.KEY_REVOKED),
    (signed_under_a_compromised_key, Outcome.KEY_REVOKED),
    (sealed_but_not_kept, Outcome.REVOKED),
    (with_an_algorithm_that_is_only_planned, Outcome.VERSION_UNSUPPORTED),
    (of_a_later_version, Outcome.VERSION_UNSUPPORTED),
    (no_code_at_all, Outcome.MALFORMED),
]


@pytest.mark.req("6.1-05", "6.1-08", "N-20")
@pytest.mark.parametrize("act", ["scan", "verify"])
@pytest.mark.parametrize(("spoil", "outcome"), CASES, ids=[spoil.__name__ for spoil, _ in CASES])
async def test_each_fault_alone_has_its_own_outcome_and_shows_no_subject(
    stage: Stage, spoil: Spoiling, outcome: Outcome, act: str
) -> None:
    text = await spoil(stage)

    answer = (await getattr(stage.counter, act)(text)).answer

    assert answer.outcome is outcome
    assert (describe(answer.outcome).decision is Decision.ACCEPT) is (outcome is Outcome.VALID)
    if outcome is Outcome.VALID:
        assert answer.subject_kind is PERSON
        assert answer.pairwise_id
        assert bool(answer.fields) is (act == "scan")
    else:
        assert (answer.subject_kind, answer.proxy, answer.pairwise_id, answer.fields) == (None, False, "", ())


@pytest.mark.req("6.1-05")
@pytest.mark.parametrize("act", ["scan", "verify"])
async def test_a_caller_that_may_not_scan_gets_no_answer_about_a_good_code(
    stage: Stage, act: str, other_counter_app: Counter
) -> None:
    code = await stage.present()
    desk, ask = stage.desk, getattr(stage.counter, act)
    await desk.scanner("gate-1", app_id="counter-app")
    await desk.scanner("gate-2", app_id=other_counter_app.app_id)
    await desk.scanner("gate-3", app_id="counter-app")
    await desk.move_scanner("gate-3", RegistrationState.SUSPENDED)

    with pytest.raises(SceneNotAllowedError):
        await ask(code, scene_no=2)
    with pytest.raises(DeviceUnknownError):
        await ask(code, device_id="nobodys")
    with pytest.raises(DeviceUnknownError):
        await ask(code, device_id="gate-2")
    with pytest.raises(DeviceDisabledError):
        await ask(code, device_id="gate-3")
    await desk.move_application("counter-app", RegistrationState.SUSPENDED)
    with pytest.raises(AppDisabledError):
        await ask(code)
    await desk.move_application("counter-app", RegistrationState.ENABLED)
    await desk.move_relying_party(stage.counter.party_id, RegistrationState.SUSPENDED)
    with pytest.raises(AppDisabledError):
        await ask(code, device_id="gate-1")
    await desk.move_relying_party(stage.counter.party_id, RegistrationState.ENABLED)

    assert await desk.audit(AuditAction.CODE_SCANNED) == []
    assert (await ask(code, device_id="gate-1")).answer.outcome is Outcome.VALID


@pytest.fixture
async def other_counter_app(stage: Stage) -> Counter:
    await stage.desk.application("other-app", party_id=stage.counter.party_id)
    return Counter(stage.node, "other-app", stage.counter.party_id, stage.counter.uscc)


async def test_a_holders_back_end_may_not_scan(stage: Stage) -> None:
    await stage.desk.application("mobile-app", party_id=stage.counter.party_id, kind=ApplicationKind.HOLDER)
    counter = Counter(stage.node, "mobile-app", stage.counter.party_id, stage.counter.uscc)

    with pytest.raises(AppUnknownError):
        await counter.scan(await stage.present())


async def test_a_scene_that_is_not_yet_in_force_scans_nothing(stage: Stage) -> None:
    code = await stage.present()
    await stage.desk.scene(3, effective_at=stage.clock.now())
    await stage.desk.application("third", party_id=stage.counter.party_id, scene_nos=(3,))
    counter = Counter(stage.node, "third", stage.counter.party_id, stage.counter.uscc)
    stage.clock.advance(-1)

    with pytest.raises(SceneUnknownError):
        await counter.scan(code, scene_no=3)


@pytest.mark.req("6.1-05")
@pytest.mark.parametrize(
    ("state", "outcome"), [(KeyState.VERIFY_ONLY, Outcome.VALID), (KeyState.COMPROMISED, Outcome.KEY_REVOKED)]
)
@pytest.mark.parametrize("profile", [CodeProfile.MAC, CodeProfile.SIGNED])
async def test_a_key_out_of_use_still_checks_unless_it_is_compromised(
    stage: Stage, profile: CodeProfile, state: KeyState, outcome: Outcome
) -> None:
    code = await stage.present(profile=profile)
    stage.node.lose_keys(KeyPurpose.CODE_MAC if profile is CodeProfile.MAC else KeyPurpose.CODE_SEAL, state)

    assert (await stage.counter.scan(code)).answer.outcome is outcome


@pytest.mark.req("6.1-05")
@pytest.mark.parametrize(
    ("seconds", "outcome"), [(-0.001, Outcome.VALID), (0, Outcome.EXPIRED), (0.001, Outcome.EXPIRED)]
)
async def test_the_end_of_a_code_is_exact(stage: Stage, seconds: float, outcome: Outcome) -> None:
    code = await stage.present()
    assert code.code.expires_at is not None
    stage.clock.advance(code.code.expires_at - stage.clock.now() + timedelta(seconds=seconds))

    assert (await stage.counter.scan(code)).answer.outcome is outcome


@pytest.mark.parametrize("state", [state for state in CodeState if state is not CodeState.ISSUED])
async def test_a_code_in_any_other_state_than_issued_is_refused_even_if_no_step_leads_there(
    stage: Stage, state: CodeState
) -> None:
    code, now = await stage.present(), stage.clock.now()

    def move(tx: Transaction) -> None:
        assert tx.codes.change_state(code.code.code_id, present=CodeState.ISSUED, target=state, at=now, reason="later")

    await stage.node.database.run(move)
    assert (await stage.counter.scan(code)).answer.outcome.value == state.value


async def test_a_test_node_takes_test_codes_and_no_others(federation: FederationInMemory) -> None:
    node = federation.add("110000", prefixes=("11",), test_environment=True)
    counter = await furnish(node)
    holder = await MobileApp(node).open_account()
    code = await holder.present()
    stage = Stage(node, counter, OperatorDesk(node), holder, federation.clock)

    assert parse(code.code_text).content.test_environment
    assert (await counter.scan(code)).answer.outcome is Outcome.VALID
    real = resealed(stage, parse(code.code_text), test_environment=False)
    assert (await counter.scan(real)).answer.outcome is Outcome.TEST_CODE


async def test_a_code_for_any_scene_passes_in_any_and_a_scene_code_only_in_its_own(stage: Stage) -> None:
    await stage.desk.application("second", party_id=stage.counter.party_id, scene_nos=(1, 2))
    counter = Counter(stage.node, "second", stage.counter.party_id, stage.counter.uscc)
    anywhere = await stage.present()
    own = await stage.present(scene_no=2, terminal_type=TerminalType.WEB)

    assert (await counter.scan(anywhere, scene_no=1)).answer.outcome is Outcome.VALID
    assert (await counter.scan(anywhere, scene_no=2)).answer.outcome is Outcome.VALID
    assert (await counter.scan(own, scene_no=2)).answer.outcome is Outcome.VALID
    assert (await counter.scan(own, scene_no=1)).answer.outcome is Outcome.SCENE_MISMATCH


async def test_a_refused_scan_does_not_use_a_one_time_code_up(stage: Stage) -> None:
    code = await stage.present(one_time=True, scene_no=1)
    await stage.desk.application("second", party_id=stage.counter.party_id, scene_nos=(1, 2))
    counter = Counter(stage.node, "second", stage.counter.party_id, stage.counter.uscc)

    assert (await counter.scan(code, scene_no=2)).answer.outcome is Outcome.SCENE_MISMATCH
    assert (await counter.verify(code)).answer.outcome is Outcome.VALID
    assert (await counter.scan(code)).answer.outcome is Outcome.VALID
    assert (await counter.verify(code)).answer.outcome is Outcome.CONSUMED


async def test_the_code_of_a_place_is_good_and_names_the_place(stage: Stage) -> None:
    code = await stage.desk.place_code(await stage.desk.place("江岸区政务大厅"))

    answer = (await stage.counter.scan(code)).answer

    assert (answer.outcome, answer.subject_kind) == (Outcome.VALID, SubjectKind.THING)
    assert [(field.name, field.value) for field in answer.fields] == [(FieldName.PLACE_NAME, "江岸区政务大厅")]


async def test_a_longer_grace_is_kept_to(federation: FederationInMemory, clock: MovableClock) -> None:
    node = federation.add("110000", prefixes=("11",), rules=IssueRules(grace=timedelta(seconds=9)))
    counter = await furnish(node)
    holder = await MobileApp(node).open_account()
    code = await holder.present()
    await holder.present(one_time=True)
    clock.advance(8.9)
    assert (await counter.verify(code)).answer.outcome is Outcome.VALID
    clock.advance(0.1)
    assert (await counter.verify(code)).answer.outcome is Outcome.SUPERSEDED
