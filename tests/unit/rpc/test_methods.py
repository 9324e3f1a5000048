"""Handlers are gathered from the generated functions."""

import pytest
from govcode.operations.v1 import operations_service_pb2, operations_service_pb2_grpc
from govcode_node.rpc.methods import MethodTable
from kit.serving import _answers_at_once, fake_servicer

SERVICE = operations_service_pb2.DESCRIPTOR.services_by_name["OperationsService"]


def test_the_generated_function_registers_with_the_table() -> None:
    table = MethodTable()
    servicer = fake_servicer(SERVICE, operations_service_pb2_grpc, _answers_at_once)
    operations_service_pb2_grpc.add_OperationsServiceServicer_to_server(servicer, table)
    assert table.services == ("govcode.operations.v1.OperationsService",)
    assert list(table.handlers) == ["/govcode.operations.v1.OperationsService/GetNodeStatus"]


def test_a_method_that_nobody_wrote_is_found_before_the_start() -> None:
    table = MethodTable()
    servicer = operations_service_pb2_grpc.OperationsServiceServicer()
    with pytest.raises(ValueError, match="does not implement GetNodeStatus"):
        operations_service_pb2_grpc.add_OperationsServiceServicer_to_server(servicer, table)
    assert table.services == ()


def test_a_service_is_added_once() -> None:
    table = MethodTable()
    servicer = fake_servicer(SERVICE, operations_service_pb2_grpc, _answers_at_once)
    operations_service_pb2_grpc.add_OperationsServiceServicer_to_server(servicer, table)
    with pytest.raises(ValueError, match="added twice"):
        operations_service_pb2_grpc.add_OperationsServiceServicer_to_server(servicer, table)
