"""Rules over codes: which terminal may show which code, when a code is in force, and how its state may change.

    >>> check_transition(CodeState.REVOKED, CodeState.ISSUED, mode=CodeMode.STATIC)
    Traceback (most recent call last):
    ...
    govcode_node.domain.code_rules.CodeTransitionError: a STATIC code cannot go from REVOKED to ISSUED

Pure functions of their arguments; the moment is always passed in.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from govcode_node.domain.codes import Carrier, CodeContent, CodeMode, CodeProfile, CodeState, TerminalType
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.outcomes import Outcome

FUTURE_TOLERANCE: Final = timedelta(seconds=30)
"""How far ahead of this node's clock an issuing node's clock may be."""

MIN_WEB_REFRESH: Final = timedelta(seconds=15)
"""Shortest refresh of a code on a web page; a faster one would be polling."""


class TerminalRule(StrEnum):
    """Rule of a terminal type (7.1-02)."""

    PRINTED_IS_STATIC = "PRINTED_IS_STATIC"
    PRINTED_USES_PRINTED_CARRIER = "PRINTED_USES_PRINTED_CARRIER"
    KIOSK_IS_DYNAMIC = "KIOSK_IS_DYNAMIC"
    KIOSK_IS_ONE_TIME = "KIOSK_IS_ONE_TIME"
    WEB_REFRESH_TOO_FAST = "WEB_REFRESH_TOO_FAST"
    WEARABLE_IS_MAC = "WEARABLE_IS_MAC"


class TerminalRuleError(GovcodeError):
    """A terminal of this type may not show such a code.

    Attributes:
        terminal_type: Type of the terminal.
        rule: The rule broken.
    """

    def __init__(self, terminal_type: TerminalType, rule: TerminalRule) -> None:
        self.terminal_type = terminal_type
        self.rule = rule
        super().__init__(f"a code for terminal type {terminal_type.name} breaks the rule {rule.value}")


def check_terminal_rules(content: CodeContent, *, carrier: Carrier, refresh_after: timedelta | None = None) -> None:
    """It refuses a code that its terminal type may not show; called before the code is sealed.

    Args:
        content: What is about to be issued.
        carrier: The text form asked for.
        refresh_after: How soon the terminal would fetch the next code; None where it does not.

    Raises:
        TerminalRuleError: With the first rule broken.
    """
    check_display(content.terminal_type, mode=content.mode, one_time=content.one_time)
    for rule, broken in _rules_of(content, carrier, refresh_after):
        if broken:
            raise TerminalRuleError(content.terminal_type, rule)


def check_display(terminal_type: TerminalType, *, mode: CodeMode, one_time: bool) -> None:
    """It refuses a kind of code that a kind of display may never show, whatever its text form and its seal.

    Raises:
        TerminalRuleError: With the first rule broken.
    """
    if terminal_type is TerminalType.PRINTED and mode is not CodeMode.STATIC:
        raise TerminalRuleError(terminal_type, TerminalRule.PRINTED_IS_STATIC)
    if terminal_type is TerminalType.KIOSK and mode is not CodeMode.DYNAMIC:
        raise TerminalRuleError(terminal_type, TerminalRule.KIOSK_IS_DYNAMIC)
    if terminal_type is TerminalType.KIOSK and not one_time:
        raise TerminalRuleError(terminal_type, TerminalRule.KIOSK_IS_ONE_TIME)


def _rules_of(
    content: CodeContent, carrier: Carrier, refresh_after: timedelta | None
) -> tuple[tuple[TerminalRule, bool], ...]:
    """It lists the further rules of the content's terminal type, each with whether it is broken."""
    match content.terminal_type:
        case TerminalType.PRINTED:
            return ((TerminalRule.PRINTED_USES_PRINTED_CARRIER, carrier is not Carrier.PRINTED),)
        case TerminalType.WEB:
            too_fast = refresh_after is not None and refresh_after < MIN_WEB_REFRESH
            return ((TerminalRule.WEB_REFRESH_TOO_FAST, too_fast),)
        case TerminalType.WEARABLE:
            return ((TerminalRule.WEARABLE_IS_MAC, content.profile is not CodeProfile.MAC),)
        case _:
            return ()


def default_carrier(terminal_type: TerminalType, *, at_counter: bool = False) -> Carrier:
    """It gives the carrier used where the caller names none (N-14).

    Args:
        terminal_type: Where the code is displayed.
        at_counter: The code is meant for counter readers, which often act as keyboards.
    """
    return Carrier.PRINTED if at_counter or terminal_type is TerminalType.PRINTED else Carrier.SCREEN


def time_outcome(
    content: CodeContent, now: datetime, *, future_tolerance: timedelta = FUTURE_TOLERANCE
) -> Outcome | None:
    """It judges the times of a code: NOT_YET_VALID, EXPIRED, or None while the code is in force (7.2-06).

    In force from `issued_at` minus the tolerance, inclusive, to `expires_at`, exclusive.

    Args:
        content: The code.
        now: Aware moment of judgement.
        future_tolerance: Difference of clocks that is forgiven.
    """
    if content.issued_at - now > future_tolerance:
        return Outcome.NOT_YET_VALID
    if content.expires_at is not None and now >= content.expires_at:
        return Outcome.EXPIRED
    return None


_NEXT_STATES = {
    CodeState.ISSUED: {
        CodeState.CONSUMED,
        CodeState.EXPIRED,
        CodeState.REVOKED,
        CodeState.SUPERSEDED,
        CodeState.FROZEN,
    },
    CodeState.FROZEN: {CodeState.ISSUED, CodeState.REVOKED},
}

_STATE_OUTCOMES = {
    CodeState.CONSUMED: Outcome.CONSUMED,
    CodeState.EXPIRED: Outcome.EXPIRED,
    CodeState.REVOKED: Outcome.REVOKED,
    CodeState.SUPERSEDED: Outcome.SUPERSEDED,
    CodeState.FROZEN: Outcome.FROZEN,
}


class CodeTransitionError(GovcodeError):
    """A code cannot change its state in this way.

    Attributes:
        state: State it is in.
        target: State asked for.
        mode: Mode of the code.
    """

    def __init__(self, state: CodeState, target: CodeState, mode: CodeMode) -> None:
        self.state = state
        self.target = target
        self.mode = mode
        super().__init__(f"a {mode.name} code cannot go from {state.value} to {target.value}")


def check_transition(state: CodeState, target: CodeState, *, mode: CodeMode) -> None:
    """It refuses a change of state that the life cycle does not have (7.2-07).

    CONSUMED, EXPIRED, REVOKED and SUPERSEDED are final. Only static codes can be frozen: the others die within minutes.

    Raises:
        CodeTransitionError: The change is not in the life cycle.
    """
    frozen_without_being_static = target is CodeState.FROZEN and mode is not CodeMode.STATIC
    if target not in _NEXT_STATES.get(state, ()) or frozen_without_being_static:
        raise CodeTransitionError(state, target, mode)


def outcome_of_state(state: CodeState) -> Outcome | None:
    """It gives the outcome that a stored state forces, or None for ISSUED, which forces none."""
    return _STATE_OUTCOMES.get(state)
