"""Client library of govcode (政务服务码): calls to a node, the holder's device, and evidence checked without a node.

Names are loaded when they are first used, so that checking evidence does not load gRPC.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from govcode_client._channel import ClientIdentity
    from govcode_client._client import Client
    from govcode_client._errors import (
        ClientError,
        NodeBusyError,
        NodeError,
        NodeFaultError,
        NodeSilentError,
        NodeUnreachableError,
    )
    from govcode_client.device import HolderDevice
    from govcode_client.evidence import check_evidence
    from govcode_client.sm2 import Sm2PrivateKey, Sm2PublicKey

__all__ = [
    "Client",
    "ClientError",
    "ClientIdentity",
    "HolderDevice",
    "NodeBusyError",
    "NodeError",
    "NodeFaultError",
    "NodeSilentError",
    "NodeUnreachableError",
    "Sm2PrivateKey",
    "Sm2PublicKey",
    "check_evidence",
]

_HOMES: Final = {
    "Client": "_client",
    "ClientIdentity": "_channel",
    "HolderDevice": "device",
    "Sm2PrivateKey": "sm2",
    "Sm2PublicKey": "sm2",
    "check_evidence": "evidence",
} | {name: "_errors" for name in __all__ if name.endswith("Error")}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
