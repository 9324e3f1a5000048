"""The methods of a node, gathered from the generated registration functions, whatever server will carry them.

    table = MethodTable()
    add_HubServiceServicer_to_server(servicer, table)

`add_…Servicer_to_server` believes that it talks to a server. It only calls the two methods below, so the same servicers
can run under any edge (architecture 6).
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import grpc

# Messages of every method pass here, so their types are open; grpcio's class is generic to the type checker alone.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class MethodTable:
    """It collects handlers by full method name."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._services: list[str] = []

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Handler]) -> None:
        """It takes the handlers of one service.

        Raises:
            ValueError: The service was added before, or one of its methods is not an asynchronous function: what the
                generated base class has in place of a method that nobody wrote.
        """
        if service_name in self._services:
            raise ValueError(f"service {service_name} is added twice")
        missing = [name for name, handler in method_handlers.items() if not _is_asynchronous(handler)]
        if missing:
            raise ValueError(f"{service_name} does not implement {', '.join(missing)}")
        self._services.append(service_name)
        for name, handler in method_handlers.items():
            self._handlers[f"/{service_name}/{name}"] = handler

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """It takes nothing: what comes here comes by the other method too."""

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by full method name."""
        return self._handlers

    @property
    def streaming(self) -> frozenset[str]:
        """Full names of the methods with a stream of requests or answers, whose length says nothing."""
        return frozenset(
            name for name, handler in self._handlers.items() if handler.request_streaming or handler.response_streaming
        )

    @property
    def services(self) -> tuple[str, ...]:
        """Names of the services, in the order in which they came."""
        return tuple(self._services)


def _is_asynchronous(handler: Handler) -> bool:
    if handler.response_streaming:
        return inspect.isasyncgenfunction(handler.stream_stream or handler.unary_stream)
    return inspect.iscoroutinefunction(handler.stream_unary or handler.unary_unary)
