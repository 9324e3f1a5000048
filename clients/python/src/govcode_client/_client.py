"""The client of a node: the services of the contract over one channel.

    from govcode.code.v1 import code_application_service_pb2 as pb
    from govcode_client import Client, ClientIdentity

    identity = ClientIdentity.from_files(certificate=..., key=..., roots=...)
    with Client("127.0.0.1:7443", identity) as client:
        answer = client.code_application.ScanCode(pb.ScanCodeRequest(biz_serial="S-1", code_text=text, scene_no=1))

Requests and answers are the generated messages, and errors are `ClientError`s.
"""

from __future__ import annotations

from functools import cached_property
from typing import Self

from govcode.business.v1.business_management_service_pb2_grpc import BusinessManagementServiceStub
from govcode.code.v1.code_application_service_pb2_grpc import CodeApplicationServiceStub
from govcode.code.v1.code_base_service_pb2_grpc import CodeBaseServiceStub
from govcode.hub.v1.hub_service_pb2_grpc import HubServiceStub
from govcode.operations.v1.operations_service_pb2_grpc import OperationsServiceStub
from govcode.routing.v1.code_routing_service_pb2_grpc import CodeRoutingServiceStub
from govcode.security.v1.audit_service_pb2_grpc import AuditServiceStub

from govcode_client._channel import DEFAULT_TIMEOUT, ClientIdentity, open_channel


class Client:
    """Calls to one node; may be used by several threads."""

    def __init__(
        self,
        address: str,
        identity: ClientIdentity,
        *,
        server_name: str = "",
        device_id: str = "",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        """It connects at the first call.

        Args:
            address: `host:port` of the node.
            identity: Certificate, key and roots.
            server_name: Name that must stand in the node's certificate; the host of the address where empty. A node's
                own name, such as `420100.node.federation.govcode`, proves more than its host does.
            device_id: The reading device that is named in every call.
            timeout: Seconds for a unary call that brings no own.
        """
        self.address = address
        self._channel = open_channel(address, identity, server_name=server_name, device_id=device_id, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """It ends the connection."""
        self._channel.close()

    @cached_property
    def code_application(self) -> CodeApplicationServiceStub:
        """码应用服务 (7.1): accounts, presenting, scanning, records, events."""
        return CodeApplicationServiceStub(self._channel)

    @cached_property
    def code_base(self) -> CodeBaseServiceStub:
        """码基础服务 (7.2): making, drawing, reading, judging and ending codes."""
        return CodeBaseServiceStub(self._channel)

    @cached_property
    def code_routing(self) -> CodeRoutingServiceStub:
        """码路由服务 (7.3): which node is home to a region."""
        return CodeRoutingServiceStub(self._channel)

    @cached_property
    def business(self) -> BusinessManagementServiceStub:
        """码业务管理服务 (7.4): what operators register."""
        return BusinessManagementServiceStub(self._channel)

    @cached_property
    def audit(self) -> AuditServiceStub:
        """码安全服务 (7.5): the audit trail."""
        return AuditServiceStub(self._channel)

    @cached_property
    def operations(self) -> OperationsServiceStub:
        """码运营管理服务 (7.6): the node's condition."""
        return OperationsServiceStub(self._channel)

    @cached_property
    def hub(self) -> HubServiceStub:
        """国家枢纽: nodes of the federation; only at the hub."""
        return HubServiceStub(self._channel)
