"""`client.hub`, `client.audit`, `client.operations`: what operators ask of the hub and of their node (7.5, 7.6)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Any

from govcode.hub.v1 import hub_service_pb2 as hubv1
from govcode.hub.v1 import node_pb2
from govcode.operations.v1 import node_status_pb2
from govcode.operations.v1 import operations_service_pb2 as operationsv1
from govcode.security.v1 import audit_service_pb2 as auditv1

from govcode_client._core import blocking, blocking_iterator, pages, timestamp
from govcode_client.areas.names import AUDIT, HUB, OPERATIONS
from govcode_client.areas.stubs import AsyncStubbed, BlockingStubbed


class AsyncHub(AsyncStubbed[Any]):
    """The national hub (国家枢纽): nodes of the federation. Other nodes answer HUB_NOT_HERE."""

    service = HUB

    async def approve_node(
        self, *, node_id: str, signing_key_id: str, prefixes: Sequence[str], timeout: float | None = None
    ) -> hubv1.ApproveNodeResponse:
        """It lets a registered node take part (路由接入审批), as a security operator.

        Args:
            node_id: Example: `420100`.
            signing_key_id: Id of the node's signing key as its operators told it by another way.
            prefixes: Region prefixes that it may be home to; exactly those that it registered.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: NODE_UNKNOWN, NODE_STATE_CONFLICT, PREFIX_CONFLICT, HUB_NOT_HERE or another.
            ClientError: The call failed otherwise.
        """
        request = hubv1.ApproveNodeRequest(node_id=node_id, signing_key_id=signing_key_id, prefixes=prefixes)
        return await self._ask("ApproveNode", request, hubv1.ApproveNodeResponse, timeout=timeout)

    async def suspend_node(
        self, *, node_id: str, reason: str, timeout: float | None = None
    ) -> hubv1.SuspendNodeResponse:
        """It stops a node (路由停用): peers refuse it as soon as the new trust bundle reaches them.

        Args:
            node_id: Example: `420100`.
            reason: Why, for the record.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: NODE_UNKNOWN, NODE_STATE_CONFLICT, HUB_NOT_HERE or another.
            ClientError: The call failed otherwise.
        """
        request = hubv1.SuspendNodeRequest(node_id=node_id, reason=reason)
        return await self._ask("SuspendNode", request, hubv1.SuspendNodeResponse, timeout=timeout)

    async def get_node_status(self, *, node_id: str, timeout: float | None = None) -> node_pb2.NodeView:
        """It returns the hub's view of one node.

        Args:
            node_id: Example: `420100`.
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: NODE_UNKNOWN or HUB_NOT_HERE.
            ClientError: The call failed otherwise.
        """
        request = hubv1.GetNodeStatusRequest(node_id=node_id)
        return (await self._ask("GetNodeStatus", request, hubv1.GetNodeStatusResponse, timeout=timeout)).node

    async def list_node_statuses(
        self, *, page_size: int = 0, timeout: float | None = None
    ) -> AsyncGenerator[node_pb2.NodeView, None]:
        """It goes through the hub's views of all nodes.

        Args:
            page_size: Nodes a call; the hub's choice where 0.
            timeout: Seconds for each call; the client's where None.

        Raises:
            NodeError: HUB_NOT_HERE.
            ClientError: A call failed otherwise.
        """

        async def turn(token: str) -> tuple[object, str]:
            request = hubv1.ListNodeStatusesRequest(page_size=page_size, page_token=token)
            page = await self._ask("ListNodeStatuses", request, hubv1.ListNodeStatusesResponse, timeout=timeout)
            return page.nodes, page.next_page_token

        async for view in pages(turn):
            yield view

    async def watch_node_statuses(self) -> AsyncGenerator[Sequence[node_pb2.NodeView], None]:
        """It yields the views of nodes as they change, until the connection ends.

        Raises:
            NodeError: HUB_NOT_HERE or STREAM_LIMIT_REACHED.
            ClientError: The stream broke; each new stream begins with all nodes.
        """
        stream = self._listen("WatchNodeStatuses", hubv1.WatchNodeStatusesRequest(), hubv1.WatchNodeStatusesResponse)
        try:
            async for answer in stream:
                yield tuple(answer.nodes)
        finally:
            await stream.aclose()


class Hub(BlockingStubbed[AsyncHub]):
    """The national hub (国家枢纽): nodes of the federation. Other nodes answer HUB_NOT_HERE."""

    approve_node = blocking(AsyncHub.approve_node)
    suspend_node = blocking(AsyncHub.suspend_node)
    get_node_status = blocking(AsyncHub.get_node_status)
    list_node_statuses = blocking_iterator(AsyncHub.list_node_statuses)
    watch_node_statuses = blocking_iterator(AsyncHub.watch_node_statuses)


class AsyncAudit(AsyncStubbed[Any]):
    """The audit trail of the node (码安全服务), for auditors."""

    service = AUDIT

    async def list_events(
        self,
        *,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        action: str = "",
        biz_serial: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncGenerator[auditv1.AuditEvent, None]:
        """It goes through entries of the audit trail.

        Args:
            from_time: Entries at or after this moment; from the first where None.
            to_time: Entries before this moment; to the last where None.
            action: Of this kind only. Example: `CODE_SCANNED`.
            biz_serial: Of this act only.
            page_size: Entries a call; the node's choice where 0.
            timeout: Seconds for each call; the client's where None.

        Raises:
            NodeError: The caller is no auditor.
            ClientError: A call failed otherwise.
        """

        async def turn(token: str) -> tuple[object, str]:
            request = auditv1.ListAuditEventsRequest(
                from_time=timestamp(from_time),
                to_time=timestamp(to_time),
                action=action,
                biz_serial=biz_serial,
                page_size=page_size,
                page_token=token,
            )
            page = await self._ask("ListAuditEvents", request, auditv1.ListAuditEventsResponse, timeout=timeout)
            return page.events, page.next_page_token

        async for event in pages(turn):
            yield event


class Audit(BlockingStubbed[AsyncAudit]):
    """The audit trail of the node (码安全服务), for auditors."""

    list_events = blocking_iterator(AsyncAudit.list_events)


class AsyncOperations(AsyncStubbed[Any]):
    """The node's condition (码运营管理服务), for operators."""

    service = OPERATIONS

    async def get_status(self, *, timeout: float | None = None) -> node_status_pb2.NodeStatus:
        """It returns the condition of the node: impairments, load, peers, ages of what it trusts.

        Args:
            timeout: Seconds; the client's where None.

        Raises:
            NodeError: The caller is no operator of this node.
            ClientError: The call failed otherwise.
        """
        request = operationsv1.GetNodeStatusRequest()
        return (await self._ask("GetNodeStatus", request, operationsv1.GetNodeStatusResponse, timeout=timeout)).status


class Operations(BlockingStubbed[AsyncOperations]):
    """The node's condition (码运营管理服务), for operators."""

    get_status = blocking(AsyncOperations.get_status)
