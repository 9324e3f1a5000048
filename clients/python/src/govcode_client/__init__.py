"""Client library of govcode (政务服务码): calls to a node, the holder's device, and evidence checked without a node.

Names are loaded when they are first used, so that checking evidence does not load gRPC.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from govcode_client._aclient import AsyncClient
    from govcode_client._client import Client
    from govcode_client._delivery import License
    from govcode_client._errors import (
        ClientClosedError,
        ClientError,
        DeliveryError,
        NodeBusyError,
        NodeError,
        NodeFaultError,
        NodeSilentError,
        NodeUnreachableError,
    )
    from govcode_client._identity import ClientIdentity
    from govcode_client.areas.codes import accepted
    from govcode_client.device import HolderDevice
    from govcode_client.evidence import check_evidence
    from govcode_client.sandbox import Sandbox
    from govcode_client.serials import new_serial
    from govcode_client.sm2 import Sm2PrivateKey, Sm2PublicKey

__all__ = [
    "AsyncClient",
    "Client",
    "ClientClosedError",
    "ClientError",
    "ClientIdentity",
    "DeliveryError",
    "HolderDevice",
    "License",
    "NodeBusyError",
    "NodeError",
    "NodeFaultError",
    "NodeSilentError",
    "NodeUnreachableError",
    "Sandbox",
    "Sm2PrivateKey",
    "Sm2PublicKey",
    "accepted",
    "check_evidence",
    "new_serial",
]

_HOMES: Final = {
    "AsyncClient": "_aclient",
    "Client": "_client",
    "ClientIdentity": "_identity",
    "HolderDevice": "device",
    "License": "_delivery",
    "Sandbox": "sandbox",
    "Sm2PrivateKey": "sm2",
    "Sm2PublicKey": "sm2",
    "accepted": "areas.codes",
    "check_evidence": "evidence",
    "new_serial": "serials",
} | {name: "_errors" for name in __all__ if name.endswith("Error")}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
