"""No code, person or key reaches a log line by whichever way it came into the record."""

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
from govcode_node.telemetry.logs import setup_logging
from govcode_node.telemetry.redaction import redact, redact_value
from hypothesis import given
from hypothesis import strategies as st

CODE = "ZWM1:6BF+70 R$%*+-./:QED3"
PRINTED = "ZWM1.ABCDEFGHIJKLMNOP234567"
GUIDE = "https://ma.example.cn/C/ABCDEFGHIJKLMNOP234567"
CITIZEN = "420100198802149916"
CITIZEN_X = "11000019831024998X"
PHONE = "13900000001"
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----"
CANARIES = [CODE, CODE.lower(), PRINTED, GUIDE, CITIZEN, CITIZEN_X, PHONE, f"+86 {PHONE}", "139 0000 0001", PEM]
MARKS = ["QED3", "qed3", "ABCDEFGHIJKLMNOP", "19880214", "19831024", "00000001", "0000 0001", "MIGH"]

Lines = Callable[[], str]


@pytest.fixture(params=["json", "text"])
def lines(request: pytest.FixtureRequest) -> Iterator[Lines]:
    """The log as written, in both forms; the root logger gets its own handlers back."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()
    setup_logging("info", request.param, stream=stream)
    yield stream.getvalue
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = raising


def assert_clean(text: str) -> None:
    assert text
    assert not [mark for mark in MARKS if mark in text]


@pytest.mark.parametrize("canary", CANARIES)
def test_canary_in_message_argument_field_or_exception_is_not_written(lines: Lines, canary: str) -> None:
    log = logging.getLogger("planted")
    log.info(f"read {canary}")
    log.info("read %s of %r", canary, [canary])
    log.info(
        "read", extra={"found": canary, "nested": {"deep": [canary, (canary,)], canary: 1}, "thing": Exception(canary)}
    )
    log.info("read", stack_info=True, extra={"raw": canary.encode()})
    try:
        int(f"x{canary}")  # its error repeats the text
    except ValueError:
        log.exception("failed")
    assert_clean(lines())
    assert "failed" in lines()
    assert "ValueError" in lines()


@pytest.mark.parametrize("key", ["session_token", "provider_blob", "ticket", "secret", "password", "private_key"])
def test_field_that_is_secret_by_its_name_is_not_written(lines: Lines, key: str) -> None:
    logging.getLogger("planted").info("begun", extra={key: "canary", "more": {key: "canary"}})
    assert "canary" not in lines()
    assert "[redacted]" in lines()


def test_number_of_a_person_given_as_an_integer_is_not_written(lines: Lines) -> None:
    logging.getLogger("planted").info("dialled", extra={"caller": int(PHONE), "who": int(CITIZEN), "count": 7})
    assert_clean(lines())
    assert "7" in lines()


def test_message_whose_arguments_do_not_fit_is_written_without_them(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("planted").info("read %s %s", CITIZEN)  # noqa: PLE1206 - the fault is what is tested
    assert "arguments do not fit" in lines()
    assert_clean(lines() + capsys.readouterr().err)


def test_line_break_in_a_value_begins_no_line_of_its_own(lines: Lines) -> None:
    logging.getLogger("planted").info("one\n2026-01-01 INFO forged: two", extra={"name_of_it": "a\r\nb"})
    assert len(lines().splitlines()) == 1


@pytest.mark.parametrize("lines", ["json"], indirect=True)
def test_event_is_json_with_its_fields(lines: Lines) -> None:
    logging.getLogger("govcode_node.codes").warning(
        "code verified", extra={"outcome": "VALID", "seconds": 0.5, "regions": ["420100"], "level": 3}
    )
    event = json.loads(lines())
    assert event.pop("time").endswith("Z")
    assert event == {
        "level": "warning",
        "logger": "govcode_node.codes",
        "message": "code verified",
        "outcome": "VALID",
        "seconds": 0.5,
        "regions": ["420100"],
        "_level": 3,
    }


def test_event_below_the_level_is_not_written(lines: Lines) -> None:
    logging.getLogger("planted").debug("quiet")
    assert lines() == ""


def test_what_operators_need_stays_readable() -> None:
    kept = "node 420100 trace 4bf92f3577b34da6a3ce929d0e0e4736 at 1795507200123 uscc 91420100MA9TEXT198 took 20 ms"
    assert redact(kept) == kept


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), st.lists))
def test_any_value_can_be_written(value: object) -> None:
    json.dumps(redact_value(value))


@given(before=st.text(alphabet="abc :=,;'\"()[]{}|\n", max_size=10), canary=st.sampled_from(CANARIES))
def test_canary_is_found_wherever_it_stands(before: str, canary: str) -> None:
    assert_clean(redact(before + canary + before) or "-")
