"""`grpc.health.v1.Health` over the condition of the node; its two error codes are the protocol's, not ours."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typing_extensions import override

from govcode_node.rpc.call import RpcContext
from govcode_node.rpc.health import FRESH_SECONDS, SERVICE_UNKNOWN, NodeHealth


class HealthServicer(health_pb2_grpc.HealthServicer):
    """The health protocol over `NodeHealth`."""

    def __init__(self, health: NodeHealth) -> None:
        self._health = health

    @override
    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: RpcContext
    ) -> health_pb2.HealthCheckResponse:
        await self._health.refresh(older_than=FRESH_SECONDS)
        status = self._health.status(request.service)
        if status == SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service", ())
        return health_pb2.HealthCheckResponse(status=status)

    @override
    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: RpcContext
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        await self._health.refresh(older_than=FRESH_SECONDS)
        async for status in self._health.changes(request.service):
            yield health_pb2.HealthCheckResponse(status=status)

    async def List(self, request: Any, context: RpcContext) -> Any:  # Any: the types of the library lack this method
        await self._health.refresh(older_than=FRESH_SECONDS)
        answer = health_pb2.HealthListResponse()  # type: ignore[attr-defined]
        for service in self._health.services:
            answer.statuses[service].status = self._health.status(service)
        return answer
