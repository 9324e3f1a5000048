"""How much one caller may take: calls in a time, and streams at a time (7.1-04).

Limits by subject are in the use cases, which know the subject. Here the caller is the limit: its certificate's name,
and for applications also each of their devices.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from govcode_node.domain.callers import Call, Caller
from govcode_node.domain.errors import OverloadedError, StreamLimitError
from govcode_node.domain.identities import CallerClass
from govcode_node.domain.rate_limits import GcraLimiter

DEFAULT_MAX_STREAMS: Final = 16

DEFAULT_MAX_DELIVERIES: Final = 64
"""More than a node asks of another one at a time, so that it is not the peer that refuses."""

DELIVERIES: Final = frozenset(
    {
        "/govcode.authorization.v1.AuthorizationService/FetchLicense",
        "/govcode.federation.v1.FederationService/ForwardLicenseFetch",
    }
)
"""Streams that end by themselves. They would else compete with those that watch, and a busy counter, or all counters
of a region behind their node, would be told for good what is over in a second."""

_LIMIT_NAMES: Final[Mapping[CallerClass, str]] = {
    CallerClass.APP: "app",
    CallerClass.LICENCE: "app",
    CallerClass.SCANNER: "device",
    CallerClass.OPERATOR: "operator",
    CallerClass.NODE: "peer",
    CallerClass.HUB: "peer",
}


@dataclass(frozen=True, slots=True)
class CallRate:
    """So many calls in so much time; as many may come at once."""

    count: int
    per: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRates:
    """The rates of one node, each for one application, device, operator or peer."""

    app: CallRate
    device: CallRate
    operator: CallRate
    peer: CallRate


class CallerLimits:
    """It counts calls by caller.

    Args:
        rates: What is allowed.
        monotonic: Seconds that only grow.
        max_callers: Callers that are remembered of each kind; devices likewise.
    """

    def __init__(self, rates: CallRates, *, monotonic: Callable[[], float], max_callers: int = 100_000) -> None:
        def limiter(rate: CallRate) -> GcraLimiter:
            return GcraLimiter(count=rate.count, per=rate.per, monotonic=monotonic, max_keys=max_callers)

        self._devices = limiter(rates.device)
        self._limiters = {
            "app": limiter(rates.app),
            "device": self._devices,
            "operator": limiter(rates.operator),
            "peer": limiter(rates.peer),
        }

    def check(self, call: Call) -> None:
        """It counts a call, or raises.

        Raises:
            RateLimitedError: The caller, or the device in its name, has called too often; it says when to come again.
        """
        caller = call.caller
        limit = _LIMIT_NAMES[caller.caller_class]
        self._limiters[limit].check((caller.caller_class, caller.name), limit=limit)
        # Devices are named by the application, so they are counted under its name: it cannot use up another's.
        if call.device_id and limit == "app":
            self._devices.check((caller.caller_class, caller.name, call.device_id), limit="device")


class StreamSlots:
    """It counts the open streams of each caller, deliveries by themselves.

    Args:
        most: Streams that one caller may have open.
        most_deliveries: Deliveries that one caller may have under way beside them.
    """

    def __init__(self, most: int = DEFAULT_MAX_STREAMS, *, most_deliveries: int = DEFAULT_MAX_DELIVERIES) -> None:
        self._most = most
        self._most_deliveries = most_deliveries
        self._open: dict[tuple[CallerClass, str, bool], int] = {}

    @contextmanager
    def hold(self, caller: Caller, method: str = "") -> Iterator[None]:
        """It holds one slot while the block runs.

        Args:
            caller: Whose slot.
            method: The method of the stream.

        Raises:
            StreamLimitError: All slots of the caller are taken.
            OverloadedError: So many deliveries of the caller are under way; one will soon be over.
        """
        delivers = method in DELIVERIES
        key = (caller.caller_class, caller.name, delivers)
        taken = self._open.get(key, 0)
        if delivers and taken >= self._most_deliveries:
            raise OverloadedError("deliveries")
        if not delivers and taken >= self._most:
            raise StreamLimitError(limit=self._most)
        self._open[key] = taken + 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

    @property
    def open(self) -> int:
        """How many streams are open now."""
        return sum(self._open.values())
