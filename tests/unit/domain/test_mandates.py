"""A mandate covers what it says, for whom it says, while it holds (N-07)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from govcode_node.domain.accounts import AccountId
from govcode_node.domain.mandates import MAX_MANDATE, EntityStanding, Mandate, MandateInvalidError

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
ENTITY, AGENT = AccountId("ac_1"), AccountId("ac_2")
MANDATE = Mandate(
    mandate_id="ma_1",
    entity_account_id=ENTITY,
    agent_account_id=AGENT,
    matter_codes=("M-0001", "M-0002"),
    license_types=("business-licence", "permit"),
    starts_at=NOW,
    ends_at=NOW + timedelta(days=30),
    representative_index=b"i" * 16,
    given_at=NOW,
)
RIGHT: dict[str, Any] = {
    "entity": ENTITY,
    "agent": AGENT,
    "matter_code": "M-0001",
    "license_types": frozenset({"permit"}),
    "now": NOW,
}


@pytest.mark.req("N-07")
def test_a_mandate_covers_what_it_says() -> None:
    MANDATE.check_covers(**RIGHT)
    MANDATE.check_covers(**{**RIGHT, "license_types": frozenset({"permit", "business-licence"})})
    MANDATE.check_covers(**{**RIGHT, "now": NOW + timedelta(days=30, microseconds=-1)})


@pytest.mark.req("N-07", "6.3-19")
@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"entity": AccountId("ac_3")}, "AGENT"),
        ({"agent": AccountId("ac_3")}, "AGENT"),
        ({"agent": ENTITY}, "AGENT"),
        ({"matter_code": "M-0003"}, "MATTER"),
        ({"license_types": frozenset({"permit", "seal"})}, "LICENSE_TYPE"),
        ({"now": NOW - timedelta(microseconds=1)}, "EXPIRED"),
        ({"now": NOW + timedelta(days=30)}, "EXPIRED"),
    ],
)
def test_a_mandate_covers_nothing_else(wish: dict[str, Any], why: str) -> None:
    with pytest.raises(MandateInvalidError) as refused:
        MANDATE.check_covers(**{**RIGHT, **wish})

    assert refused.value.why == why


@pytest.mark.req("N-07")
def test_a_cancelled_mandate_covers_nothing() -> None:
    with pytest.raises(MandateInvalidError) as refused:
        replace(MANDATE, cancelled_at=NOW + timedelta(days=1)).check_covers(**RIGHT)

    assert refused.value.why == "CANCELLED"


@pytest.mark.req("N-07")
def test_a_mandate_holds_for_some_time_and_not_for_ever_and_for_another() -> None:
    replace(MANDATE, ends_at=NOW + MAX_MANDATE)
    for changes, why in (
        ({"ends_at": NOW}, "PERIOD"),
        ({"ends_at": NOW - timedelta(seconds=1)}, "PERIOD"),
        ({"ends_at": NOW + MAX_MANDATE + timedelta(microseconds=1)}, "PERIOD"),
        ({"agent_account_id": ENTITY}, "AGENT"),
    ):
        with pytest.raises(MandateInvalidError) as refused:
            replace(MANDATE, **changes)  # type: ignore[arg-type]
        assert refused.value.why == why


def test_a_standing_names_nobody() -> None:
    assert "420100198802149916" not in repr(EntityStanding(active=True, representative_number="420100198802149916"))
