"""Areas that stand for one service and have its raw stub at hand, for calls that no act wraps."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from govcode_client._core import AsyncArea, BlockingArea, Wire

StubT = TypeVar("StubT")
CoreT = TypeVar("CoreT", bound="AsyncStubbed[Any]")


def _raw(area: Any, name: str) -> Any:
    """It finds a method by its name in the contract, such as `RegisterScene`."""
    if not name[:1].isupper():
        raise AttributeError(f"{type(area).__name__!r} has no attribute {name!r}")
    return getattr(area.stub, name)


class AsyncStubbed(AsyncArea, Generic[StubT]):
    """An area with a stub; `area.RegisterScene(request)` is short for `area.stub.RegisterScene(request)`."""

    def __init__(self, wire: Wire, stub: StubT) -> None:
        """It acts over a wire.

        Args:
            wire: For the acts.
            stub: The generated stub over the same channel.
        """
        super().__init__(wire)
        self.stub = stub

    def __getattr__(self, name: str) -> Any:
        return _raw(self, name)


class BlockingStubbed(BlockingArea[CoreT]):
    """An area with a stub; `area.RegisterScene(request)` is short for `area.stub.RegisterScene(request)`."""

    @property
    def stub(self) -> Any:
        """The generated stub over the same channel."""
        return self._core.stub

    def __getattr__(self, name: str) -> Any:
        return _raw(self, name)
