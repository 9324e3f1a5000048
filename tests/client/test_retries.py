"""What is tried again, when, and under which serial."""

import time

import grpc
import pytest
from govcode_client import NodeBusyError, NodeSilentError, NodeUnreachableError, accepted
from govcode_client.testing import FakeNode
from kit.client_twins import Twin


def scans(node: FakeNode) -> list[tuple[str, float]]:
    """Serial and moment of each scan that came in."""
    return [(call.request.biz_serial, call.time) for call in node.calls if call.method == "ScanCode"]


def test_a_node_that_cannot_be_reached_for_a_moment_is_asked_again(node: FakeNode, twin: Twin) -> None:
    code = node.present(node.person("李示范"))
    node.refuse_next("STORE_UNAVAILABLE", times=2)
    assert accepted(twin.do("codes.scan", code_text=code, scene_no=1))
    assert len(scans(node)) == 3
    assert len({serial for serial, _ in scans(node)}) == 1


def test_a_node_that_stays_unavailable_is_not_asked_for_ever(node: FakeNode, twin: Twin) -> None:
    node.refuse_next("STORE_UNAVAILABLE", times=100)
    with pytest.raises(NodeBusyError, match="STORE_UNAVAILABLE"):
        twin.do("codes.scan", code_text="ZWM1:X", scene_no=1)
    assert len(scans(node)) == 4


def test_the_delay_that_a_node_names_is_kept(node: FakeNode, twin: Twin) -> None:
    code = node.present(node.person("李示范"))
    node.refuse_next("RATE_LIMITED", times=2, retry_after=0.3)
    assert accepted(twin.do("codes.scan", code_text=code, scene_no=1))
    (serial, first), (_, second), (_, third) = scans(node)
    assert second - first >= 0.3
    assert third - second >= 0.3
    assert {each for each, _ in scans(node)} == {serial}


def test_a_named_delay_keeps_the_channel_from_trying_sooner(node: FakeNode, twin: Twin) -> None:
    code = node.present(node.person("李示范"))
    node.refuse_next("KEY_UNAVAILABLE", retry_after=0.4)
    assert accepted(twin.do("codes.scan", code_text=code, scene_no=1))
    (_, first), (_, second) = scans(node)
    assert second - first >= 0.4


def test_a_pushback_of_the_server_is_kept_by_the_channel(node: FakeNode, twin: Twin) -> None:
    code = node.present(node.person("李示范"))
    node.refuse_next("DRAINING", pushback_ms=600)
    assert accepted(twin.do("codes.scan", code_text=code, scene_no=1))
    (_, first), (_, second) = scans(node)
    assert 0.6 <= second - first < 2


def test_a_delay_beyond_the_deadline_is_told_at_once(node: FakeNode, twin: Twin) -> None:
    node.refuse_next("RATE_LIMITED", retry_after=60)
    begun = time.monotonic()
    with pytest.raises(NodeBusyError) as busy:
        twin.do("codes.scan", code_text="ZWM1:X", scene_no=1, timeout=3)
    assert time.monotonic() - begun < 1
    assert busy.value.retry_after is not None
    assert busy.value.retry_after.total_seconds() == 60
    assert busy.value.biz_serial == scans(node)[0][0]


def test_a_refusal_that_time_does_not_heal_is_not_repeated(node: FakeNode, twin: Twin) -> None:
    node.refuse_next("SCENE_UNKNOWN")
    with pytest.raises(Exception, match="SCENE_UNKNOWN"):
        twin.do("codes.scan", code_text="ZWM1:X", scene_no=9)
    assert len(scans(node)) == 1


def test_after_silence_the_serial_of_the_error_gets_the_answer_of_the_one_act(node: FakeNode, twin: Twin) -> None:
    code = node.present(node.person("李示范"), one_time=True)
    node.stay_silent_next(0.6, method="ScanCode")
    with pytest.raises(NodeSilentError) as silent:
        twin.do("codes.scan", code_text=code, scene_no=1, timeout=0.2)
    time.sleep(0.7)  # the fake node answers into the void in its own time, and has then acted
    answer = twin.do("codes.scan", code_text=code, scene_no=1, biz_serial=silent.value.biz_serial)
    assert accepted(answer)
    assert answer.replayed


def test_nobody_at_the_address_is_told_soon(node: FakeNode, twin: Twin) -> None:
    node.stop()
    begun = time.monotonic()
    with pytest.raises(NodeUnreachableError):
        twin.do("codes.begin_identification")
    assert time.monotonic() - begun < 3


def test_a_node_that_comes_back_is_found_by_the_same_client(node: FakeNode, twin: Twin) -> None:
    code = node.present(node.person("李示范"))
    twin.do("codes.verify", code_text=code, scene_no=1)
    node.restart()
    assert accepted(twin.do("codes.verify", code_text=code, scene_no=1))


def test_a_status_without_details_is_of_no_node(node: FakeNode, twin: Twin) -> None:
    with pytest.raises(Exception, match="UNIMPLEMENTED"):
        twin.do("operations.get_status")
    assert grpc.StatusCode.UNIMPLEMENTED.name == "UNIMPLEMENTED"
