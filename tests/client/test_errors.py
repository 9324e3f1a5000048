"""Every reason of the contract arrives as an exception that says what helps."""

import grpc
import pytest
from govcode_client import NodeBusyError, NodeError, NodeFaultError
from govcode_client.testing import FakeNode
from govcode_client.testing._refusals import CODE_OF, reasons
from govcode_node.rpc.error_texts import ERROR_TEXTS
from govcode_node.rpc.status_table import TABLE
from kit.client_twins import Twin

BUSY = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}


def test_every_reason_of_the_contract_is_decoded(node: FakeNode, twin: Twin) -> None:
    for reason in sorted(reasons()):
        node.refuse_next(reason, facts={"case": reason.lower()}, retry_after=60)
        with pytest.raises(NodeError) as refused:
            twin.do("codes.begin_identification")
        error, code = refused.value, CODE_OF.get(reason, grpc.StatusCode.FAILED_PRECONDITION)
        assert (error.reason, error.code) == (reason, code.name)
        assert error.advice == f"fake node: {reason}"
        assert error.advice_zh == f"模拟节点：{reason}"
        assert error.facts == {"case": reason.lower()}
        assert error.request_id
        wanted = NodeBusyError if code in BUSY else NodeFaultError if code is grpc.StatusCode.INTERNAL else NodeError
        assert type(error) is wanted


@pytest.mark.parametrize("reason", sorted(reasons() & ERROR_TEXTS.keys()))
def test_the_fake_node_gives_the_status_that_a_node_gives(reason: str) -> None:
    codes = {row.code for row in TABLE.values() if row.reason == reason}
    if codes:
        assert CODE_OF.get(reason, grpc.StatusCode.FAILED_PRECONDITION) in codes


def test_a_reason_that_does_not_exist_cannot_be_wished_for(node: FakeNode) -> None:
    with pytest.raises(ValueError, match="NO_SUCH_REASON"):
        node.refuse_next("NO_SUCH_REASON")
