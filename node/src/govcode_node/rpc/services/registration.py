"""Which generated function puts which servicer into a table of methods."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from govcode.authorization.v1.authorization_service_pb2_grpc import add_AuthorizationServiceServicer_to_server
from govcode.business.v1.business_management_service_pb2_grpc import add_BusinessManagementServiceServicer_to_server
from govcode.code.v1.code_application_service_pb2_grpc import add_CodeApplicationServiceServicer_to_server
from govcode.code.v1.code_base_service_pb2_grpc import add_CodeBaseServiceServicer_to_server
from govcode.federation.v1.federation_service_pb2_grpc import add_FederationServiceServicer_to_server
from govcode.hub.v1.hub_service_pb2_grpc import add_HubServiceServicer_to_server
from govcode.operations.v1.operations_service_pb2_grpc import add_OperationsServiceServicer_to_server
from govcode.routing.v1.code_routing_service_pb2_grpc import add_CodeRoutingServiceServicer_to_server
from govcode.security.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from govcode_node.rpc.methods import MethodTable
from govcode_node.rpc.services.audit import AuditServicer
from govcode_node.rpc.services.authorization import AuthorizationServicer
from govcode_node.rpc.services.business import BusinessManagementServicer
from govcode_node.rpc.services.code_application import CodeApplicationServicer
from govcode_node.rpc.services.code_base import CodeBaseServicer
from govcode_node.rpc.services.code_routing import CodeRoutingServicer
from govcode_node.rpc.services.federation import FederationServicer
from govcode_node.rpc.services.health import HealthServicer
from govcode_node.rpc.services.hub import HubServicer
from govcode_node.rpc.services.operations import OperationsServicer

Servicer = (
    AuditServicer
    | AuthorizationServicer
    | BusinessManagementServicer
    | CodeApplicationServicer
    | CodeBaseServicer
    | CodeRoutingServicer
    | FederationServicer
    | HealthServicer
    | HubServicer
    | OperationsServicer
)

# Any: each function takes its own base class, which a table by class cannot say in types.
_ADDERS: Final[Mapping[type, Callable[[Any, Any], None]]] = {
    AuditServicer: add_AuditServiceServicer_to_server,
    AuthorizationServicer: add_AuthorizationServiceServicer_to_server,
    BusinessManagementServicer: add_BusinessManagementServiceServicer_to_server,
    CodeApplicationServicer: add_CodeApplicationServiceServicer_to_server,
    CodeBaseServicer: add_CodeBaseServiceServicer_to_server,
    CodeRoutingServicer: add_CodeRoutingServiceServicer_to_server,
    FederationServicer: add_FederationServiceServicer_to_server,
    HealthServicer: add_HealthServicer_to_server,
    HubServicer: add_HubServiceServicer_to_server,
    OperationsServicer: add_OperationsServiceServicer_to_server,
}


def register(table: MethodTable, *servicers: Servicer) -> None:
    """It puts servicers into a table; the table is all of a server that generated code asks for."""
    for servicer in servicers:
        _ADDERS[type(servicer)](servicer, table)
