"""What the channel tries again by itself, as gRPC's service config says it.

Only UNAVAILABLE is tried again: the call did not reach a node, or the node could not take it. Every act carries its
serial and every look changes nothing, so that a second try is harmless (N-51). A node's own "wait so long" comes as
`google.rpc.RetryInfo` and is honoured by the areas of the client, inside the deadline; where a server sends
`grpc-retry-pushback-ms`, the C core waits as told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from govcode_client.areas.names import SERVICES

ATTEMPTS: Final = 4


def service_config(services: Iterable[str] = SERVICES) -> str:
    """It writes the service config.

    >>> '"maxAttempts": 4' in service_config()
    True
    """
    return json.dumps(
        {
            "methodConfig": [
                {
                    "name": [{"service": service} for service in services],
                    "retryPolicy": {
                        "maxAttempts": ATTEMPTS,
                        "initialBackoff": "0.1s",
                        "maxBackoff": "2s",
                        "backoffMultiplier": 2,
                        "retryableStatusCodes": ["UNAVAILABLE"],
                    },
                }
            ],
            # A node that is down shall not get four times the calls: the tries stop while half of all calls fail.
            "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.2},
        }
    )
