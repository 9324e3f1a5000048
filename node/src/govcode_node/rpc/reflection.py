"""Server reflection as a setting: what `grpcurl` needs to list and describe the services (5-01)."""

from collections.abc import Iterable

from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from govcode_node.rpc.methods import MethodTable


def add_reflection(table: MethodTable, services: Iterable[str]) -> None:
    """It adds reflection over the named services, and itself, to a table.

    The library's own helper asks for a grpcio server and would bind reflection to that edge.
    """
    names = (*services, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(names)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, table)  # type: ignore[no-untyped-call]
