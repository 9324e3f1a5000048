"""The asynchronous client of a node: the same acts as `Client`, awaited.

async with AsyncClient("node.example:7443", identity) as client:
    answer = await client.codes.scan(code_text=text, scene_no=1)
    async for event in client.codes.watch_events(cursor=kept):
        ...
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

from govcode.authorization.v1.authorization_service_pb2_grpc import AuthorizationServiceStub
from govcode.business.v1.business_management_service_pb2_grpc import BusinessManagementServiceStub
from govcode.code.v1.code_application_service_pb2_grpc import CodeApplicationServiceStub
from govcode.code.v1.code_base_service_pb2_grpc import CodeBaseServiceStub
from govcode.hub.v1.hub_service_pb2_grpc import HubServiceStub
from govcode.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from govcode.routing.v1.code_routing_service_pb2_grpc import CodeRoutingServiceStub
from govcode.security.v1.audit_service_pb2_grpc import AuditServiceStub

from govcode_client._aio_channel import AsyncNodeChannel, open_aio_channel
from govcode_client._channel import DEFAULT_TIMEOUT
from govcode_client._identity import Identity
from govcode_client._lines import MAX_AGE
from govcode_client._wires import AioWire
from govcode_client.areas.authorizations import AsyncAuthorizations
from govcode_client.areas.business import AsyncBusiness
from govcode_client.areas.codes import AsyncCodes
from govcode_client.areas.operators import AsyncAudit, AsyncHub, AsyncOperations
from govcode_client.areas.routes import AsyncRoutes

if TYPE_CHECKING:
    from govcode.authorization.v1.authorization_service_pb2_grpc import AuthorizationServiceAsyncStub
    from govcode.code.v1.code_application_service_pb2_grpc import CodeApplicationServiceAsyncStub
    from govcode.code.v1.code_base_service_pb2_grpc import CodeBaseServiceAsyncStub
    from govcode.routing.v1.code_routing_service_pb2_grpc import CodeRoutingServiceAsyncStub


class AsyncClient:
    """Calls to one node on one event loop. Make one for each node and keep it: connecting costs most."""

    def __init__(
        self,
        address: str,
        identity: Identity,
        *,
        server_name: str = "",
        device_id: str = "",
        timeout: float = DEFAULT_TIMEOUT,
        connection_max_age: float = MAX_AGE,
    ) -> None:
        """It connects at the first call; arguments as those of `Client`."""
        self.address = address
        self._channel: AsyncNodeChannel = open_aio_channel(
            address,
            identity,
            server_name=server_name,
            device_id=device_id,
            timeout=timeout,
            max_age=connection_max_age,
        )
        self._wire = AioWire(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """It ends the connection; calls under way are cancelled."""
        await self._channel.close()

    @cached_property
    def codes(self) -> AsyncCodes:
        """Accounts, presenting, scanning, verifying, records, events (7.1, 7.2)."""
        return AsyncCodes(self._wire)

    @cached_property
    def authorizations(self) -> AsyncAuthorizations:
        """Asking for licences, deciding, fetching, withdrawing (6.3)."""
        return AsyncAuthorizations(self._wire)

    @cached_property
    def routes(self) -> AsyncRoutes:
        """Which node is home to a region; the trust bundle (7.3)."""
        return AsyncRoutes(self._wire)

    @cached_property
    def business(self) -> AsyncBusiness:
        """What operators register (7.4)."""
        return AsyncBusiness(self._wire, BusinessManagementServiceStub(self._channel))

    @cached_property
    def audit(self) -> AsyncAudit:
        """The audit trail (7.5)."""
        return AsyncAudit(self._wire, AuditServiceStub(self._channel))

    @cached_property
    def operations(self) -> AsyncOperations:
        """The node's condition (7.6)."""
        return AsyncOperations(self._wire, OperationsServiceStub(self._channel))

    @cached_property
    def hub(self) -> AsyncHub:
        """国家枢纽: nodes of the federation; only at the hub."""
        return AsyncHub(self._wire, HubServiceStub(self._channel))

    @cached_property
    def code_application(self) -> CodeApplicationServiceAsyncStub:
        """The raw stub of 码应用服务 (7.1), for what the areas do not wrap."""
        return CodeApplicationServiceStub(self._channel)

    @cached_property
    def code_base(self) -> CodeBaseServiceAsyncStub:
        """The raw stub of 码基础服务 (7.2)."""
        return CodeBaseServiceStub(self._channel)

    @cached_property
    def code_routing(self) -> CodeRoutingServiceAsyncStub:
        """The raw stub of 码路由服务 (7.3)."""
        return CodeRoutingServiceStub(self._channel)

    @cached_property
    def authorization(self) -> AuthorizationServiceAsyncStub:
        """The raw stub of the authorization service (6.3)."""
        return AuthorizationServiceStub(self._channel)
