"""The blocking client of a node.

    from govcode_client import Client, ClientIdentity, accepted

    identity = ClientIdentity.from_files(certificate="counter.pem", key="counter.key", roots="roots.pem")
    with Client("node.example:7443", identity, device_id="counter-scanner-1") as client:
        answer = client.codes.scan(code_text=text, scene_no=1)
        print(accepted(answer), answer.verdict.text_zh)

Acts are grouped by area; answers are the generated messages, and errors are `ClientError`s. `AsyncClient` is the same
on an event loop.
"""

from __future__ import annotations

from functools import cached_property
from typing import Self

from govcode.authorization.v1.authorization_service_pb2_grpc import AuthorizationServiceStub
from govcode.business.v1.business_management_service_pb2_grpc import BusinessManagementServiceStub
from govcode.code.v1.code_application_service_pb2_grpc import CodeApplicationServiceStub
from govcode.code.v1.code_base_service_pb2_grpc import CodeBaseServiceStub
from govcode.hub.v1.hub_service_pb2_grpc import HubServiceStub
from govcode.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from govcode.routing.v1.code_routing_service_pb2_grpc import CodeRoutingServiceStub
from govcode.security.v1.audit_service_pb2_grpc import AuditServiceStub

from govcode_client._channel import DEFAULT_TIMEOUT, open_channel
from govcode_client._identity import Identity
from govcode_client._lines import MAX_AGE
from govcode_client._wires import BlockingWire
from govcode_client.areas.authorizations import AsyncAuthorizations, Authorizations
from govcode_client.areas.business import AsyncBusiness, Business
from govcode_client.areas.codes import AsyncCodes, Codes
from govcode_client.areas.operators import AsyncAudit, AsyncHub, AsyncOperations, Audit, Hub, Operations
from govcode_client.areas.routes import AsyncRoutes, Routes


class Client:
    """Calls to one node; may be used by several threads. Make one for each node and keep it: connecting costs most."""

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
        """It connects at the first call.

        Args:
            address: `host:port` of the node.
            identity: Certificate, key and roots. Read again when their files change, if they came from files; calls
                under way end on the old connection.
            server_name: Name that must stand in the node's certificate; the host of the address where empty. A node's
                own name, such as `420100.node.federation.govcode`, proves more than its host does.
            device_id: The reading device that is named in every call.
            timeout: Seconds for a unary call that brings no own.
            connection_max_age: Seconds after which a connection is replaced.
        """
        self.address = address
        self._channel = open_channel(
            address,
            identity,
            server_name=server_name,
            device_id=device_id,
            timeout=timeout,
            max_age=connection_max_age,
        )
        self._wire = BlockingWire(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """It ends the connection; calls under way are cancelled."""
        self._channel.close()

    @cached_property
    def codes(self) -> Codes:
        """Accounts, presenting, scanning, verifying, records, events (7.1, 7.2)."""
        return Codes(AsyncCodes(self._wire))

    @cached_property
    def authorizations(self) -> Authorizations:
        """Asking for licences, deciding, fetching, withdrawing (6.3)."""
        return Authorizations(AsyncAuthorizations(self._wire))

    @cached_property
    def routes(self) -> Routes:
        """Which node is home to a region; the trust bundle (7.3)."""
        return Routes(AsyncRoutes(self._wire))

    @cached_property
    def business(self) -> Business:
        """What operators register (7.4)."""
        return Business(AsyncBusiness(self._wire, BusinessManagementServiceStub(self._channel)))

    @cached_property
    def audit(self) -> Audit:
        """The audit trail (7.5)."""
        return Audit(AsyncAudit(self._wire, AuditServiceStub(self._channel)))

    @cached_property
    def operations(self) -> Operations:
        """The node's condition (7.6)."""
        return Operations(AsyncOperations(self._wire, OperationsServiceStub(self._channel)))

    @cached_property
    def hub(self) -> Hub:
        """国家枢纽: nodes of the federation; only at the hub."""
        return Hub(AsyncHub(self._wire, HubServiceStub(self._channel)))

    @cached_property
    def code_application(self) -> CodeApplicationServiceStub:
        """The raw stub of 码应用服务 (7.1), for what the areas do not wrap."""
        return CodeApplicationServiceStub(self._channel)

    @cached_property
    def code_base(self) -> CodeBaseServiceStub:
        """The raw stub of 码基础服务 (7.2)."""
        return CodeBaseServiceStub(self._channel)

    @cached_property
    def code_routing(self) -> CodeRoutingServiceStub:
        """The raw stub of 码路由服务 (7.3)."""
        return CodeRoutingServiceStub(self._channel)

    @cached_property
    def authorization(self) -> AuthorizationServiceStub:
        """The raw stub of the authorization service (6.3)."""
        return AuthorizationServiceStub(self._channel)
