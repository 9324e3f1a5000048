"""Names of the services, as they stand in the paths of calls."""

from typing import Final

APPLICATION: Final = "govcode.code.v1.CodeApplicationService"
BASE: Final = "govcode.code.v1.CodeBaseService"
ROUTING: Final = "govcode.routing.v1.CodeRoutingService"
AUTHORIZATION: Final = "govcode.authorization.v1.AuthorizationService"
HUB: Final = "govcode.hub.v1.HubService"
BUSINESS: Final = "govcode.business.v1.BusinessManagementService"
AUDIT: Final = "govcode.security.v1.AuditService"
OPERATIONS: Final = "govcode.operations.v1.OperationsService"

SERVICES: Final = (APPLICATION, BASE, ROUTING, AUTHORIZATION, HUB, BUSINESS, AUDIT, OPERATIONS)
"""The services of a node that applications and operators call; FederationService is between nodes."""
