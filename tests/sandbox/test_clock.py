"""The sandbox's clock is moved from outside, by any program that knows the credentials file (N-54)."""

import urllib.error
from datetime import datetime, timedelta
from typing import Any

import pytest
from govcode.common.v1 import verdict_pb2
from kit.sandbox import SandboxCaller

PRESENT = "govcode.code.v1.CodeApplicationService/PresentCode"
SCAN = "govcode.code.v1.CodeApplicationService/ScanCode"


def present(sandbox: SandboxCaller, serial: str) -> str:
    request = {
        "biz_serial": serial,
        "session_token": sandbox.facts["holders"]["holder"]["session_token"],
        "terminal_type": "TERMINAL_TYPE_APP",
    }
    return str(sandbox.call(PRESENT, request, caller="holder_app").code.code_text)


def outcome(sandbox: SandboxCaller, text: str, serial: str, *, at: str = "home") -> str:
    request = {"biz_serial": serial, "code_text": text, "scene_no": sandbox.facts["scenes"]["counter"]}
    found = sandbox.call(SCAN, request, at=at).verdict.outcome
    return verdict_pb2.Outcome.Name(found).removeprefix("OUTCOME_")


@pytest.mark.req("N-54")
def test_code_expires_when_the_clock_moves_on(sandbox: SandboxCaller, clock: Any) -> None:
    text = present(sandbox, "clock-1")
    assert outcome(sandbox, text, "clock-2") == "VALID"
    before = datetime.fromisoformat(clock()["now"])
    moved = clock({"advance_seconds": 121})
    assert timedelta(seconds=121) <= datetime.fromisoformat(moved["now"]) - before < timedelta(seconds=180)
    assert outcome(sandbox, text, "clock-3") == "EXPIRED"


@pytest.mark.req("N-54")
def test_other_regions_are_still_recognised_days_later(sandbox: SandboxCaller, clock: Any) -> None:
    """The nodes follow the clock: a bundle of four days ago would be too old to ask anybody."""
    clock({"advance_seconds": 4 * 86_400})
    assert outcome(sandbox, sandbox.facts["placed_codes"]["peer"], "clock-4") == "VALID"


@pytest.mark.req("N-54")
def test_frozen_clock_stands_still_and_goes_on(sandbox: SandboxCaller, clock: Any) -> None:
    try:
        first = clock({"frozen": True})
        assert first["frozen"] is True
        assert clock()["now"] == first["now"]
        onward = clock({"advance_seconds": 10})
        assert datetime.fromisoformat(onward["now"]) - datetime.fromisoformat(first["now"]) == timedelta(seconds=10)
    finally:
        assert clock({"frozen": False})["frozen"] is False
    assert clock()["now"] > onward["now"]


@pytest.mark.parametrize(
    "wish",
    [
        {},
        [],
        {"advance_seconds": -1},
        {"advance_seconds": "60"},
        {"advance_seconds": 1e300},
        {"advance_seconds": 400 * 86_400},
        {"frozen": 1},
        {"rewind": True},
    ],
)
def test_clock_refuses_what_it_cannot_do(clock: Any, wish: Any) -> None:
    before = clock()["ahead_seconds"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        clock(wish)
    with caught.value:
        assert caught.value.code == 400
    assert clock()["ahead_seconds"] == before


def test_clock_is_moved_by_nobody_without_the_token(clock: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        clock({"advance_seconds": 1}, token="guess")
    with caught.value:
        assert caught.value.code == 401
