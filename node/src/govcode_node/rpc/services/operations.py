"""The operations management service (码运营管理服务, 7.6)."""

from govcode.operations.v1 import operations_service_pb2 as operationsv1
from govcode.operations.v1.operations_service_pb2_grpc import OperationsServiceServicer
from typing_extensions import override

from govcode_node.ports.federation import StatusSource
from govcode_node.wire.status import node_status_to_proto


class OperationsServicer(OperationsServiceServicer):
    """It shows operators the condition of their node."""

    def __init__(self, *, status: StatusSource) -> None:
        """It asks this source."""
        self._status = status

    @override
    async def GetNodeStatus(
        self, request: operationsv1.GetNodeStatusRequest, context: object
    ) -> operationsv1.GetNodeStatusResponse:
        return operationsv1.GetNodeStatusResponse(status=node_status_to_proto(self._status.status()))
