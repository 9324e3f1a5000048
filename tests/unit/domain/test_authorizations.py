"""What state an authorization is in, what may come of it, and to what a stronger check is bound."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from govcode_node.domain.accounts import AccountId
from govcode_node.domain.authorizations import (
    AudienceMismatchError,
    Authorization,
    AuthorizationEntry,
    AuthorizationQuestion,
    AuthorizationState,
    AuthorizationStateConflictError,
    AuthorizationTimedOutError,
    ConsentRequest,
    DecidedItem,
    Grant,
    GrantExpiredError,
    GrantWithdrawnError,
    ItemNotGrantedError,
    LegalBasis,
    MatterMismatchError,
    QuestionKind,
    RequestedItem,
    UseState,
    step_up_digest,
)
from govcode_node.domain.catalogue import AskedItem
from govcode_node.domain.codes import SubjectKind
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.licenses import LicenseUse
from govcode_node.domain.scenes import SceneClass
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from kit.memory_database import InMemoryDatabase

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
BIRTH = AskedItem(license_type="birth-certificate", field_names=("name", "born"))
MARRIAGE = AskedItem(license_type="marriage-certificate", document=True)
PENDING, GRANTED, WITHDRAWN = AuthorizationState.PENDING, AuthorizationState.GRANTED, AuthorizationState.WITHDRAWN


def request(**changes: Any) -> ConsentRequest:
    values: dict[str, Any] = {
        "authorization_id": "au_" + "0" * 31 + "1",
        "visited_node": "110000",
        "home_node": "110000",
        "entry": AuthorizationEntry.RELYING_PARTY_SCANNED,
        "app_id": "counter-app",
        "biz_serial": "ask-1",
        "scan_biz_serial": "scan-1",
        "relying_party_name": "政务服务中心",
        "relying_party_uscc": "91420100MA9TEXT198",
        "relying_party_contact": "office@example.invalid",
        "matter_code": "M-0001",
        "matter_name": "新生儿落户",
        "purpose": "核验",
        "handling_means": "核验后不留存",
        "items": (RequestedItem(item_no=1, asked=BIRTH), RequestedItem(item_no=2, asked=MARRIAGE)),
        "retention": timedelta(),
        "max_uses": 3,
        "period": timedelta(minutes=10),
        "requested_at": NOW,
        "scene_class": SceneClass.COUNTER,
    }
    return ConsentRequest(**{**values, **changes})


def authorization(**changes: Any) -> Authorization:
    values: dict[str, Any] = {
        "authorization_id": request().authorization_id,
        "request": request(),
        "request_evidence": b"request",
        "account_id": AccountId("ac_" + "0" * 31 + "1"),
        "subject_kind": SubjectKind.PERSON,
        "holder_app_id": "mobile-app",
        "state": PENDING,
        "decide_before": NOW + timedelta(seconds=120),
    }
    return Authorization(**{**values, **changes})


def item(number: int, *, granted: bool = True) -> DecidedItem:
    return DecidedItem(item_no=number, asked=BIRTH, sensitive=False, granted=granted)


def granted(**changes: Any) -> Authorization:
    values = {
        "state": GRANTED,
        "items": (item(1), item(2, granted=False)),
        "decided_at": NOW,
        "ends_at": NOW + timedelta(minutes=10),
        **changes,
    }
    return authorization(**values)


@pytest.mark.req("6.3-09")
@pytest.mark.parametrize(("at", "state"), [(119.999, PENDING), (120, AuthorizationState.TIMED_OUT)])
def test_a_pending_request_times_out_by_the_clock_alone(at: float, state: AuthorizationState) -> None:
    assert authorization().state_at(NOW + timedelta(seconds=at)) is state


@pytest.mark.req("6.3-11")
def test_a_grant_ends_by_time_or_by_count() -> None:
    assert granted().state_at(NOW + timedelta(minutes=9)) is GRANTED
    assert granted().state_at(NOW + timedelta(minutes=10)) is AuthorizationState.EXPIRED
    assert granted(uses={1: 2}).state_at(NOW) is GRANTED
    assert granted(uses={1: 3}).state_at(NOW) is AuthorizationState.EXHAUSTED
    assert granted(uses={1: 3}, items=(item(1), item(2))).state_at(NOW) is GRANTED
    assert granted(state=WITHDRAWN).state_at(NOW + timedelta(days=1)) is WITHDRAWN


@pytest.mark.req("6.3-09")
def test_only_what_is_pending_is_decided() -> None:
    authorization().check_pending(NOW)
    with pytest.raises(AuthorizationTimedOutError):
        authorization().check_pending(NOW + timedelta(seconds=120))
    for state in (AuthorizationState.DENIED, WITHDRAWN):
        with pytest.raises(AuthorizationStateConflictError):
            granted(state=state).check_pending(NOW)
    with pytest.raises(AuthorizationStateConflictError):
        granted().check_pending(NOW)


@pytest.mark.req("6.3-11", "6.3-20")
@pytest.mark.parametrize(
    ("present", "wish", "error"),
    [
        (granted(), {"app_id": "other-app"}, AudienceMismatchError),
        (granted(state=WITHDRAWN), {}, GrantWithdrawnError),
        (granted(ends_at=NOW), {}, GrantExpiredError),
        (granted(), {"matter_code": "M-0002"}, MatterMismatchError),
        (granted(), {"item_no": 2}, ItemNotGrantedError),
        (granted(), {"item_no": 3}, ItemNotGrantedError),
        (authorization(), {}, AuthorizationStateConflictError),
        (granted(state=AuthorizationState.DENIED), {}, AuthorizationStateConflictError),
    ],
)
def test_each_binding_of_a_grant_has_its_own_error(
    present: Authorization, wish: dict[str, Any], error: type[GovcodeError]
) -> None:
    with pytest.raises(error):
        present.check_usable(
            wish.pop("item_no", 1), **{"app_id": "counter-app", "matter_code": "M-0001", "now": NOW, **wish}
        )


def test_within_its_bindings_a_grant_gives_the_item() -> None:
    assert granted().check_usable(1, app_id="counter-app", matter_code="M-0001", now=NOW) == item(1)
    assert granted().check_usable(1, app_id="counter-app", matter_code=None, now=NOW) == item(1)
    assert granted().granted_item(1) == item(1)
    for number in (2, 3):
        with pytest.raises(ItemNotGrantedError):
            granted().granted_item(number)


@pytest.mark.req("6.3-11")
def test_a_grant_token_holds_its_granted_items_alone() -> None:
    token = Grant(
        authorization_id="au_1",
        home_node="420100",
        visited_node="110000",
        app_id="counter-app",
        relying_party_uscc="91420100MA9TEXT198",
        matter_code="M-0001",
        items=(item(1), item(2, granted=False)),
        max_uses=1,
        starts_at=NOW,
        ends_at=NOW + timedelta(minutes=1),
        legal_basis=LegalBasis.CONSENT,
    )

    assert token.item(1) == item(1)
    for number in (2, 3):
        with pytest.raises(ItemNotGrantedError):
            token.item(number)


def test_counts_kept_elsewhere_are_shown() -> None:
    assert granted().with_uses({1: 2}).remaining_uses() == {1: 1}
    assert granted().with_uses({1: 9}).remaining_uses() == {1: 0}


def test_a_question_does_not_show_the_scanned_code() -> None:
    question = AuthorizationQuestion(
        kind=QuestionKind.SCENE, from_node="1", to_node="2", code_text="ZWM1.SECRET", asked_at=NOW
    )

    assert "SECRET" not in repr(question)


NAMES = st.text(alphabet="ab1-", min_size=1, max_size=3)
ASKED = st.builds(
    AskedItem, license_type=NAMES, field_names=st.lists(NAMES, max_size=3).map(tuple), document=st.booleans()
)
DECISIONS = st.fixed_dictionaries(
    {
        "relying_party_uscc": NAMES,
        "items": st.lists(ASKED, min_size=1, max_size=3).map(
            lambda asked: tuple(RequestedItem(item_no=number, asked=one) for number, one in enumerate(asked, 1))
        ),
        "notice_version": NAMES,
        "authorization_id": NAMES,
    }
)


@pytest.mark.req("N-30")
@settings(max_examples=300)
@given(DECISIONS, DECISIONS)
def test_two_decisions_share_a_digest_only_if_they_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (step_up_digest(**one) == step_up_digest(**other)) == (one == other)


@pytest.mark.req("N-30")
def test_a_check_is_bound_to_recipient_items_text_and_authorization() -> None:
    right: dict[str, Any] = {
        "relying_party_uscc": "91420100MA9TEXT198",
        "items": request().items,
        "notice_version": "2026-11",
        "authorization_id": "au_1",
    }
    wider = replace(request().items[0], asked=replace(BIRTH, field_names=("name", "born", "mother")))
    changes: list[dict[str, Any]] = [
        {"relying_party_uscc": "91310000MA9TEXT273"},
        {"items": request().items[:1]},
        {"items": (wider, request().items[1])},
        {"items": (request().items[0], replace(request().items[1], asked=replace(MARRIAGE, document=False)))},
        {"notice_version": "2026-12"},
        {"authorization_id": "au_2"},
    ]

    digests = {step_up_digest(**{**right, **change}) for change in [{}, *changes]}

    assert len(digests) == len(changes) + 1
    assert step_up_digest(**{**right, "items": request().items[::-1]}) == step_up_digest(**right)


class UsesOfOneGrant(RuleBasedStateMachine):
    """An authorization in the real store, used, failed, finished and withdrawn in any order.

    Whatever comes: never more uses count than were granted, and none begins once it is withdrawn or over.
    """

    def __init__(self) -> None:
        super().__init__()
        self.database = InMemoryDatabase()
        self.now = NOW
        self.key = request().authorization_id
        self.database.run_now(lambda tx: tx.authorizations.add(authorization()))
        self.begun: list[str] = []
        self.counted = 0
        self.over = False
        self.decided = False
        self.number = 0

    @property
    def present(self) -> Authorization:
        found = self.database.run_now(lambda tx: tx.authorizations.get(self.key))
        assert found is not None
        return found

    @precondition(lambda self: not self.decided)
    @rule(yes=st.booleans())
    def decide(self, yes: bool) -> None:
        ends_at = NOW + timedelta(minutes=10) if yes else None
        written = self.database.run_now(
            lambda tx: tx.authorizations.decide(
                self.key,
                state=GRANTED if yes else AuthorizationState.DENIED,
                items=(item(1),) if yes else (),
                decided_at=self.now,
                ends_at=ends_at,
                consent=b"consent",
                grant=b"grant" if yes else b"",
            )
        )
        assert written
        self.decided, self.over = True, not yes

    @rule()
    def decide_again(self) -> None:
        if self.decided:
            written = self.database.run_now(
                lambda tx: tx.authorizations.decide(
                    self.key,
                    state=GRANTED,
                    items=(item(1),),
                    decided_at=self.now,
                    ends_at=NOW + timedelta(days=1),
                    consent=b"",
                    grant=b"",
                )
            )
            assert not written

    @rule(serial=st.integers(1, 6))
    def begin(self, serial: int) -> None:
        self.number += 1
        use = LicenseUse(
            use_id=f"us_{self.number:032x}",
            authorization_id=self.key,
            item_no=1,
            caller="app:counter-app",
            biz_serial=f"use-{serial}",
            account_id=authorization().account_id,
            license_type="birth-certificate",
            relying_party_name="政务服务中心",
            matter_code="M-0001",
            license_node="110000",
            legal_basis=LegalBasis.CONSENT,
            state=UseState.BEGUN,
            begun_at=self.now,
        )
        live = [
            one
            for one in self.database.run_now(lambda tx: tx.authorizations.uses_of(self.key))
            if one.biz_serial == use.biz_serial and one.state is not UseState.FAILED
        ]
        may = self.decided and not self.over and self.counted < 3 and not live
        assert self.database.run_now(lambda tx: tx.authorizations.begin_use(use, limit=3)) == may
        if may:
            self.begun.append(use.use_id)
            self.counted += 1

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), failed=st.booleans())
    def end(self, data: st.DataObject, failed: bool) -> None:
        use_id = data.draw(st.sampled_from(self.begun))
        state = UseState.FAILED if failed else UseState.DELIVERED
        for first in (True, False):
            ended = self.database.run_now(lambda tx: tx.authorizations.end_use(use_id, state=state, at=self.now))
            assert ended is first
        self.begun.remove(use_id)
        self.counted -= failed

    @rule()
    def withdraw(self) -> None:
        written = self.database.run_now(
            lambda tx: tx.authorizations.withdraw(self.key, at=self.now, withdrawal=b"withdrawal")
        )
        assert written == (self.decided and not self.over)
        if written:
            self.over = True

    @precondition(lambda self: not self.decided)
    @rule()
    def time_out(self) -> None:
        assert self.database.run_now(lambda tx: tx.authorizations.time_out(self.key, at=self.now))
        self.decided = self.over = True

    @invariant()
    def no_more_uses_count_than_were_granted(self) -> None:
        present = self.present
        assert present.uses.get(1, 0) == self.counted <= 3
        if self.decided and not self.over:
            assert present.remaining_uses() == {1: 3 - self.counted}
            expected = AuthorizationState.EXHAUSTED if self.counted == 3 else GRANTED
            assert present.state_at(self.now) is expected

    def teardown(self) -> None:
        self.database.close()


TestUsesOfOneGrant = pytest.mark.req("6.3-12", "6.3-13")(UsesOfOneGrant.TestCase)
TestUsesOfOneGrant.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
