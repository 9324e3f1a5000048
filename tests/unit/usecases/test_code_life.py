"""Whatever happens to a holder's codes in whatever order: one that has ended is never VALID, a one-time code once.

A model that knows nothing of the store says when each code ends; Hypothesis looks for a story in which the node, or a
node in another region that asks it, says something else.
"""

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from govcode_node.domain.accounts import AccountNotFoundError, SessionInvalidError
from govcode_node.domain.codes import CodeMode, CodeProfile, TerminalType
from govcode_node.domain.issued_codes import CodeStateConflictError, IssuedCode
from govcode_node.domain.outcomes import Outcome
from govcode_node.domain.scans import ScanAct
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from kit.federation_in_memory import FederationInMemory
from kit.people_in_memory import Holder, MobileApp, furnish, person

T = TypeVar("T")
GRACE = timedelta(seconds=5)
PEOPLE = ("张样例", "李示范")


@dataclass
class ModelledCode:
    """What must be true of one code.

    Attributes:
        issued: The code.
        owner: Whose it is.
        ends_at: When it ends by itself, or by its successor; None for a static code.
        revoked: Whether it was ended.
        frozen: Whether it is stopped for now.
        uses: How often a scan found it VALID.
    """

    issued: IssuedCode
    owner: str
    ends_at: datetime | None
    revoked: bool = False
    frozen: bool = False
    uses: int = 0

    @property
    def one_time(self) -> bool:
        return self.issued.code.one_time

    def good_at(self, now: datetime) -> bool:
        over = self.ends_at is not None and now >= self.ends_at
        return not (over or self.revoked or self.frozen or (self.one_time and self.uses))


class CodeLife(RuleBasedStateMachine):
    """Two holders at one node, counters here and in another region."""

    codes: Bundle[ModelledCode] = Bundle("codes")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.place = tempfile.TemporaryDirectory()
        self.federation = FederationInMemory(Path(self.place.name))
        self.home = self.federation.add("420100", prefixes=("42",), rerun=True)
        self.away = self.federation.add("110000", prefixes=("11",))
        self.federation.publish()
        self.counters = [self.run(furnish(node)) for node in (self.home, self.away)]
        self.app = MobileApp(self.home)
        self.holders: dict[str, Holder] = {}
        self.model: list[ModelledCode] = []
        self.newest: dict[tuple[str, TerminalType], ModelledCode] = {}

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(doing)

    def teardown(self) -> None:
        self.run(self.federation.aclose())
        self.runner.close()
        self.place.cleanup()

    def holder(self, name: str) -> Holder:
        """The holder, who opens an account where there is none."""
        if name not in self.holders:
            self.holders[name] = self.run(self.app.open_account(person(name)))
        return self.holders[name]

    @rule(
        target=codes,
        name=st.sampled_from(PEOPLE),
        one_time=st.booleans(),
        profile=st.sampled_from([CodeProfile.MAC, CodeProfile.SIGNED]),
        terminal=st.sampled_from([TerminalType.APP, TerminalType.MINI_PROGRAM]),
        two_steps=st.booleans(),
    )
    def present(
        self, name: str, one_time: bool, profile: CodeProfile, terminal: TerminalType, two_steps: bool
    ) -> ModelledCode:
        now = self.federation.clock.now()
        holder = self.holder(name)
        if two_steps:
            ticket = self.run(holder.apply(mode=CodeMode.DYNAMIC, terminal_type=terminal, one_time=one_time))
            issued = self.run(holder.redeem(ticket, profile=profile))
        else:
            issued = self.run(holder.present(one_time=one_time, profile=profile, terminal_type=terminal))
        for known in self.model:
            if known.issued.code.code_id == issued.code.code_id:
                assert known.good_at(now), "a code that has ended was shown again"
                return known
        code = ModelledCode(issued, name, issued.code.expires_at)
        before = self.newest.get((name, terminal))
        if before is not None and before.ends_at is not None:
            before.ends_at = min(before.ends_at, now + GRACE)
        self.newest[name, terminal] = code
        self.model.append(code)
        return code

    @rule(target=codes, name=st.sampled_from(PEOPLE), one_time=st.booleans())
    def print_static(self, name: str, one_time: bool) -> ModelledCode:
        issued = self.run(self.holder(name).make_static(one_time=one_time))
        code = ModelledCode(issued, name, issued.code.expires_at)
        self.model.append(code)
        return code

    @rule(
        code=codes,
        where=st.integers(0, 1),
        act=st.sampled_from(ScanAct),
    )
    def scan(self, code: ModelledCode, where: int, act: ScanAct) -> None:
        now = self.federation.clock.now()
        outcome = self.run(self.counters[where].scan(code.issued, act=act)).answer.outcome

        assert (outcome is Outcome.VALID) is code.good_at(now), outcome
        if outcome is Outcome.VALID and act is ScanAct.SCAN:
            code.uses += 1

    @rule(code=codes, where=st.integers(0, 1), serial=st.integers(0, 3))
    def scan_again_and_again(self, code: ModelledCode, where: int, serial: int) -> None:
        number = f"{code.issued.code.code_id.hex()}-{serial}"
        first = self.run(self.counters[where].scan(code.issued, biz_serial=number))
        again = self.run(self.counters[where].scan(code.issued, biz_serial=number))

        assert again.answer == first.answer
        if first.answer.outcome is Outcome.VALID and not first.replayed:
            code.uses += 1

    @rule(code=codes, act=st.sampled_from(["revoke", "freeze", "unfreeze"]))
    def change(self, code: ModelledCode, act: str) -> None:
        holder = self.holders.get(code.owner)
        if holder is None or holder.account.account_id != code.issued.code.account_id:
            return
        try:
            self.run(holder.change(act, code.issued.code))
        except CodeStateConflictError:
            return
        code.revoked = code.revoked or act == "revoke"
        code.frozen = act == "freeze"

    @rule(target=codes, code=codes)
    def replace(self, code: ModelledCode) -> ModelledCode:
        holder = self.holders.get(code.owner)
        if holder is None or holder.account.account_id != code.issued.code.account_id:
            return code
        try:
            result = self.run(holder.change("replace", code.issued.code))
        except CodeStateConflictError:
            return code
        code.revoked = True
        successor = ModelledCode(result.issued, code.owner, result.issued.code.expires_at)
        self.model.append(successor)
        return successor

    @rule(name=st.sampled_from(PEOPLE))
    def close_account(self, name: str) -> None:
        holder = self.holders.pop(name, None)
        if holder is None:
            return
        self.run(holder.close())
        for code in self.model:
            if code.owner == name:
                code.revoked = True
        for key in [key for key in self.newest if key[0] == name]:
            del self.newest[key]
        with pytest.raises((SessionInvalidError, AccountNotFoundError)):
            self.run(holder.present())

    @rule(name=st.sampled_from(PEOPLE))
    def move_to_a_new_device(self, name: str) -> None:
        if name in self.holders:
            moved, _ = self.run(self.app.bind_device(person(name), self.app.device()))
            self.holders[name] = moved

    @rule(span=st.sampled_from([0.001, 0.999, 4.999, 5, 30, 59, 60, 61, 120, 180, 600]))
    def time_passes(self, span: float) -> None:
        self.federation.clock.advance(span)

    @invariant()
    def no_one_time_code_was_good_twice(self) -> None:
        assert all(code.uses <= 1 for code in self.model if code.one_time)


@pytest.mark.req("6.1-04", "6.1-06", "7.2-10", "7.1-07")
def test_no_story_makes_a_code_that_has_ended_good_again() -> None:
    run_state_machine_as_test(
        CodeLife,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
