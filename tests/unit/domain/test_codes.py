import itertools
import os
import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from govcode_node.domain.code_rules import (
    CodeTransitionError,
    TerminalRule,
    TerminalRuleError,
    check_terminal_rules,
    check_transition,
    default_carrier,
    outcome_of_state,
    time_outcome,
)
from govcode_node.domain.codes import (
    Carrier,
    CodeMode,
    CodeProfile,
    CodeState,
    ContentFault,
    ExtensionField,
    ExtensionTooLongError,
    InvalidCodeContentError,
    RandomSourceError,
    SealAlgorithm,
    TerminalType,
    new_code_id,
)
from govcode_node.domain.outcomes import Decision, Outcome, decision_of
from hypothesis import given
from hypothesis import strategies as st
from kit.code_samples import CODE_ID, ISSUED_AT, code_content

NOW_MS = 1_793_500_000_123


@given(now_ms=st.integers(0, 2**48 - 1), noise=st.binary(min_size=10, max_size=10))
def test_code_id_has_the_shape_of_a_uuid_version_7(now_ms: int, noise: bytes) -> None:
    made = UUID(bytes=new_code_id(now_ms, lambda _: noise))
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert int.from_bytes(made.bytes[:6], "big") == now_ms


@pytest.mark.req("7.2-05")
def test_code_id_carries_74_random_bits() -> None:
    chance = random.Random(5)
    ever_set, ever_clear = 0, 0
    for _ in range(200):
        value = int.from_bytes(new_code_id(NOW_MS, chance.randbytes), "big")
        ever_set |= value
        ever_clear |= ~value
    assert (ever_set & ever_clear & ((1 << 80) - 1)).bit_count() == 74


@pytest.mark.req("7.2-05")
def test_hundred_thousand_code_ids_of_one_millisecond_are_distinct() -> None:
    assert len({new_code_id(NOW_MS, os.urandom) for _ in range(100_000)}) == 100_000


@pytest.mark.req("7.2-05")
def test_failed_random_source_means_no_code_id() -> None:
    class DeviceError(Exception):
        pass

    def broken(_: int) -> bytes:
        raise DeviceError

    with pytest.raises(DeviceError):
        new_code_id(NOW_MS, broken)
    for amount in (0, 9, 11):
        with pytest.raises(RandomSourceError) as refusal:
            new_code_id(NOW_MS, lambda _, amount=amount: bytes(amount))  # type: ignore[misc]
        assert (refusal.value.wanted, refusal.value.received) == (10, amount)


@pytest.mark.parametrize("now_ms", [-1, 2**48])
def test_moment_outside_48_bits_gives_no_code_id(now_ms: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        new_code_id(now_ms, os.urandom)


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        ({"algorithm": SealAlgorithm.SM2_SM3}, ContentFault.PROFILE_ALGORITHM),
        ({"profile": CodeProfile.SIGNED}, ContentFault.PROFILE_ALGORITHM),
        ({"issuer_no": 65536}, ContentFault.NUMBER_RANGE),
        ({"key_no": -1}, ContentFault.NUMBER_RANGE),
        ({"scene_no": 65536}, ContentFault.NUMBER_RANGE),
        ({"code_id": CODE_ID[:15]}, ContentFault.CODE_ID_LENGTH),
        ({"issued_at": ISSUED_AT.replace(tzinfo=None)}, ContentFault.TIME_FORM),
        ({"issued_at": ISSUED_AT.astimezone(timezone(timedelta(hours=8)))}, ContentFault.TIME_FORM),
        ({"issued_at": ISSUED_AT.replace(microsecond=1)}, ContentFault.TIME_FORM),
        ({"issued_at": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)}, ContentFault.TIME_FORM),
        ({"expires_at": datetime.fromtimestamp(0xFFFFFFFF, UTC)}, ContentFault.TIME_FORM),
        ({"expires_at": ISSUED_AT}, ContentFault.TIME_ORDER),
        ({"expires_at": ISSUED_AT - timedelta(seconds=1)}, ContentFault.TIME_ORDER),
        ({"expires_at": None}, ContentFault.OPEN_END),
        ({"expires_at": None, "mode": CodeMode.AUTHORISATION}, ContentFault.OPEN_END),
        ({"extension": (ExtensionField(2, b""), ExtensionField(2, b"a"))}, ContentFault.DUPLICATE_TAG),
    ],
)
def test_content_that_breaks_a_rule_cannot_exist(overrides: dict[str, Any], fault: ContentFault) -> None:
    with pytest.raises(InvalidCodeContentError) as refusal:
        code_content(**overrides)
    assert refusal.value.fault is fault


@pytest.mark.req("7.2-02")
def test_extension_of_200_bytes_exists_and_of_201_does_not() -> None:
    assert code_content(extension=(ExtensionField(2, bytes(96)), ExtensionField(4, bytes(100)))).extension
    with pytest.raises(ExtensionTooLongError) as refusal:
        code_content(extension=(ExtensionField(2, bytes(96)), ExtensionField(4, bytes(101))))
    assert refusal.value.length == 201
    with pytest.raises(ExtensionTooLongError):
        ExtensionField(2, bytes(199))


@pytest.mark.parametrize("tag", [-1, 256])
def test_extension_tag_is_one_octet(tag: int) -> None:
    with pytest.raises(InvalidCodeContentError):
        ExtensionField(tag, b"")


STATIC = {"mode": CodeMode.STATIC}
KIOSK = {"terminal_type": TerminalType.KIOSK}
SIGNED = {"profile": CodeProfile.SIGNED, "algorithm": SealAlgorithm.SM2_SM3}


@pytest.mark.parametrize(
    ("overrides", "carrier", "refresh", "rule"),
    [
        ({"terminal_type": TerminalType.PRINTED}, Carrier.PRINTED, None, TerminalRule.PRINTED_IS_STATIC),
        (STATIC | {"terminal_type": TerminalType.PRINTED}, Carrier.PRINTED, None, None),
        (
            STATIC | {"terminal_type": TerminalType.PRINTED},
            Carrier.SCREEN,
            None,
            TerminalRule.PRINTED_USES_PRINTED_CARRIER,
        ),
        (
            STATIC | {"terminal_type": TerminalType.PRINTED},
            Carrier.GUIDE,
            None,
            TerminalRule.PRINTED_USES_PRINTED_CARRIER,
        ),
        (KIOSK | STATIC | {"one_time": True}, Carrier.SCREEN, None, TerminalRule.KIOSK_IS_DYNAMIC),
        (KIOSK, Carrier.SCREEN, None, TerminalRule.KIOSK_IS_ONE_TIME),
        (KIOSK | {"one_time": True}, Carrier.SCREEN, None, None),
        ({"terminal_type": TerminalType.WEB}, Carrier.SCREEN, 14.999, TerminalRule.WEB_REFRESH_TOO_FAST),
        ({"terminal_type": TerminalType.WEB}, Carrier.SCREEN, 15, None),
        ({"terminal_type": TerminalType.WEB}, Carrier.SCREEN, None, None),
        ({"terminal_type": TerminalType.APP}, Carrier.SCREEN, 1, None),
        (SIGNED | {"terminal_type": TerminalType.WEARABLE}, Carrier.SCREEN, None, TerminalRule.WEARABLE_IS_MAC),
        ({"terminal_type": TerminalType.WEARABLE}, Carrier.SCREEN, None, None),
        (SIGNED | {"terminal_type": TerminalType.MINI_PROGRAM}, Carrier.GUIDE, None, None),
        (SIGNED | STATIC | {"terminal_type": TerminalType.ANY}, Carrier.GUIDE, None, None),
    ],
)
@pytest.mark.req("7.1-02")
def test_terminal_type_has_its_rules(
    overrides: dict[str, Any], carrier: Carrier, refresh: float | None, rule: TerminalRule | None
) -> None:
    content = code_content(**overrides)
    refresh_after = None if refresh is None else timedelta(seconds=refresh)
    if rule is None:
        check_terminal_rules(content, carrier=carrier, refresh_after=refresh_after)
        return
    with pytest.raises(TerminalRuleError) as refusal:
        check_terminal_rules(content, carrier=carrier, refresh_after=refresh_after)
    assert (refusal.value.rule, refusal.value.terminal_type) == (rule, content.terminal_type)


@pytest.mark.req("N-14")
def test_scanner_safe_carrier_is_the_default_on_paper_and_at_counters() -> None:
    assert default_carrier(TerminalType.PRINTED) is Carrier.PRINTED
    assert default_carrier(TerminalType.APP, at_counter=True) is Carrier.PRINTED
    assert default_carrier(TerminalType.APP) is Carrier.SCREEN


@pytest.mark.parametrize(
    ("seconds_after_issue", "outcome"),
    [
        (-31, Outcome.NOT_YET_VALID),
        (-30.000001, Outcome.NOT_YET_VALID),
        (-30, None),
        (0, None),
        (119, None),
        (119.999999, None),
        (120, Outcome.EXPIRED),
        (121, Outcome.EXPIRED),
    ],
)
@pytest.mark.req("7.2-06")
def test_edges_of_validity_are_exact(seconds_after_issue: float, outcome: Outcome | None) -> None:
    assert time_outcome(code_content(), ISSUED_AT + timedelta(seconds=seconds_after_issue)) is outcome


@pytest.mark.req("7.2-06")
def test_tolerance_for_the_future_is_a_setting() -> None:
    before = ISSUED_AT - timedelta(seconds=1)
    assert time_outcome(code_content(), before, future_tolerance=timedelta(0)) is Outcome.NOT_YET_VALID


@pytest.mark.req("7.2-06")
def test_code_without_end_does_not_expire() -> None:
    content = code_content(mode=CodeMode.STATIC, expires_at=None)
    assert time_outcome(content, datetime(2999, 1, 1, tzinfo=UTC)) is None


LIFE = {
    ("ISSUED", "CONSUMED"),
    ("ISSUED", "EXPIRED"),
    ("ISSUED", "REVOKED"),
    ("ISSUED", "SUPERSEDED"),
    ("ISSUED", "FROZEN"),
    ("FROZEN", "ISSUED"),
    ("FROZEN", "REVOKED"),
}


@pytest.mark.parametrize("mode", CodeMode)
@pytest.mark.req("7.2-07")
def test_life_cycle_has_these_steps_and_no_others(mode: CodeMode) -> None:
    def is_step(state: CodeState, target: CodeState) -> bool:
        try:
            check_transition(state, target, mode=mode)
        except CodeTransitionError:
            return False
        return True

    steps = {(a.value, b.value) for a, b in itertools.product(CodeState, CodeState) if is_step(a, b)}
    assert steps == (LIFE if mode is CodeMode.STATIC else LIFE - {("ISSUED", "FROZEN")})


def test_refused_step_names_states_and_mode() -> None:
    with pytest.raises(CodeTransitionError) as refusal:
        check_transition(CodeState.REVOKED, CodeState.ISSUED, mode=CodeMode.STATIC)
    told = (refusal.value.state, refusal.value.target, refusal.value.mode)
    assert told == (CodeState.REVOKED, CodeState.ISSUED, CodeMode.STATIC)


@pytest.mark.req("7.2-07")
def test_every_state_but_issued_forces_an_outcome_that_is_refused() -> None:
    assert outcome_of_state(CodeState.ISSUED) is None
    for state in set(CodeState) - {CodeState.ISSUED}:
        outcome = outcome_of_state(state)
        assert outcome is not None
        assert outcome.value == state.value
        assert decision_of(outcome) is Decision.REJECT
