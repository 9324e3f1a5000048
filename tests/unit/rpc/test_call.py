"""Metadata of requests is read, bounded, and never believed blindly."""

import re

import pytest
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.rpc import call
from govcode_node.rpc.call import read_metadata
from hypothesis import given
from hypothesis import strategies as st

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.mark.req("N-50")
def test_what_the_caller_sends_is_read() -> None:
    metadata = read_metadata(
        [
            ("user-agent", "x"),
            ("govcode-request-id", "r 1"),
            ("govcode-device-id", "scanner-1"),
            ("accept-language", "zh"),
            ("govcode-protocol", "1"),
            ("traceparent", PARENT),
            ("govcode-request-id", "second"),
        ]
    )
    assert metadata.request_id == "r 1"
    assert metadata.device_id == "scanner-1"
    assert metadata.protocol == "1"
    assert metadata.trace_id == TRACE
    assert metadata.onward() == {"govcode-request-id": "r 1", "traceparent": PARENT, "accept-language": "zh"}


@pytest.mark.req("N-50")
@pytest.mark.parametrize("bad", ["", "x" * 65, "标识", "a\x00b", "a\nb"])
def test_a_request_id_that_cannot_be_repeated_is_replaced(bad: str) -> None:
    made = read_metadata([("govcode-request-id", bad)]).request_id
    assert made != bad
    assert re.fullmatch(r"[0-9a-f]{24}", made)
    assert made != read_metadata(None).request_id


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "00",
        PARENT + "-1",
        PARENT.upper(),
        PARENT.replace(TRACE, "0" * 32),
        f"00-{TRACE}-{'0' * 16}-01",
        "ff" + PARENT[2:],
    ],
)
def test_a_malformed_trace_is_replaced_by_a_new_one(bad: str) -> None:
    metadata = read_metadata([("traceparent", bad)])
    assert metadata.trace_id != TRACE
    assert read_metadata([("traceparent", metadata.traceparent)]).trace_id == metadata.trace_id


@pytest.mark.parametrize("bad", ["x" * 65, "设备", "a\tb"])
def test_a_device_that_cannot_be_is_refused(bad: str) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        read_metadata([("govcode-device-id", bad)]).check()
    assert refused.value.field == "metadata govcode-device-id"


@given(st.lists(st.tuples(st.sampled_from(sorted(call._READ)), st.text() | st.binary())))
def test_whatever_comes_what_is_kept_is_bounded(pairs: list[tuple[str, str | bytes]]) -> None:
    metadata = read_metadata(pairs)
    assert 0 < len(metadata.request_id) <= 64
    assert metadata.request_id.isascii()
    assert metadata.request_id.isprintable()
    assert re.fullmatch(r"[0-9a-f]{32}", metadata.trace_id)
    assert len(metadata.accept_language) <= 128
    assert len(metadata.protocol) <= 64


def test_outside_a_call_there_is_no_current_call() -> None:
    with pytest.raises(LookupError):
        call.current_call()
