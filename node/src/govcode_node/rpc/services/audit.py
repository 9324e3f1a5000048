"""The code security service (码安全服务, 7.5): the audit trail."""

from govcode.security.v1 import audit_service_pb2 as auditv1
from govcode.security.v1.audit_service_pb2_grpc import AuditServiceServicer
from typing_extensions import override

from govcode_node.rpc.call import current_call
from govcode_node.usecases.audit_reading import AuditReading
from govcode_node.wire import checks
from govcode_node.wire.audit import DEFAULT_PAGE, MAX_PAGE, audit_filter_from_proto, audit_page_to_proto


class AuditServicer(AuditServiceServicer):
    """It shows the audit trail to auditors."""

    def __init__(self, *, reading: AuditReading) -> None:
        """It serves this step."""
        self._reading = reading

    @override
    async def ListAuditEvents(
        self, request: auditv1.ListAuditEventsRequest, context: object
    ) -> auditv1.ListAuditEventsResponse:
        page = await self._reading.list_records(
            current_call(),
            audit_filter_from_proto(request),
            page_size=checks.page_size(request.page_size, default=DEFAULT_PAGE, most=MAX_PAGE),
            page_token=checks.page_token(request.page_token),
        )
        return audit_page_to_proto(page)
