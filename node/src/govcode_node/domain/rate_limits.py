"""How often somebody may act: one rate limit over many keys, in bounded memory (7.1-04).

>>> from datetime import timedelta
>>> limiter = GcraLimiter(count=2, per=timedelta(seconds=1), monotonic=lambda: 100.0)
>>> limiter.take("counter-app"), limiter.take("counter-app"), limiter.take("counter-app")
(0.0, 0.0, 0.5)
"""

from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import Final

from govcode_node.domain.errors import RateLimitedError

DEFAULT_MAX_KEYS: Final = 100_000

# Who waits as long as was said must be granted; delays travel in whole microseconds, and sums of floats are not exact.
_TOLERANCE: Final = 1e-6


class GcraLimiter:
    """A rate limit after the generic cell rate algorithm: a number of acts per time, with a burst.

    Of each key it remembers a single number, the moment at which its whole burst is free again. The table is bounded:
    when it is full, the key whose last granted act lies furthest back is forgotten, which gives that key a full burst
    again. Keys that callers can invent must therefore be prefixed with something that they cannot, and the limit of
    that something must be smaller than the table.

    Not safe to share between threads; it belongs to one event loop.

    Args:
        count: Acts per `per`.
        per: The time.
        burst: Acts that may come at once; as many as `count` where None.
        monotonic: Seconds that only grow.
        max_keys: Keys that are remembered.

    Raises:
        ValueError: A number is not positive.
    """

    def __init__(
        self,
        *,
        count: int,
        per: timedelta,
        burst: int | None = None,
        monotonic: Callable[[], float],
        max_keys: int = DEFAULT_MAX_KEYS,
    ) -> None:
        burst = count if burst is None else burst
        if count < 1 or burst < 1 or max_keys < 1 or per <= timedelta(0):
            raise ValueError("count, time, burst and keys of a rate limit are positive")
        self._interval = per.total_seconds() / count
        self._burst = burst
        self._room = self._interval * burst
        self._monotonic = monotonic
        self._max_keys = max_keys
        self._free_at: dict[Hashable, float] = {}

    def take(self, key: Hashable, *, cost: int = 1) -> float:
        """It grants an act and returns 0, or grants nothing and returns the seconds until it would.

        Raises:
            ValueError: The cost is more than the burst, so it would never be granted.
        """
        if not 1 <= cost <= self._burst:
            raise ValueError(f"an act costs 1 to {self._burst}")
        now = self._monotonic()
        free_at = max(self._free_at.get(key, now), now) + self._interval * cost
        wait = free_at - now - self._room
        if wait > _TOLERANCE:
            return wait
        # Taken out and put back, so that the table stays in the order of granted acts.
        self._free_at.pop(key, None)
        if len(self._free_at) >= self._max_keys:
            del self._free_at[next(iter(self._free_at))]
        self._free_at[key] = free_at
        return 0.0

    def check(self, key: Hashable, *, limit: str, cost: int = 1) -> None:
        """It grants an act or raises.

        Args:
            key: Who acts.
            limit: Which limit this is, for the error: `subject`, `app`, `device`, `operator` or `peer`.
            cost: How many acts it counts for.

        Raises:
            RateLimitedError: Too many acts; it says when to come again.
        """
        wait = self.take(key, cost=cost)
        if wait:
            raise RateLimitedError(limit=limit, retry_after_seconds=wait)

    @property
    def remembered(self) -> int:
        """How many keys are held; never more than the bound."""
        return len(self._free_at)


class NamedLimit:
    """A limiter under the name that its refusals carry: what use cases see of it (the port `RateLimit`).

    Args:
        limiter: Counts.
        limit: The name, for example `subject`.
    """

    def __init__(self, limiter: GcraLimiter, *, limit: str) -> None:
        self._limiter = limiter
        self._limit = limit

    def take(self, key: bytes | str) -> None:
        """It counts one call.

        Raises:
            RateLimitedError: The key has used up what it may.
        """
        self._limiter.check(key, limit=self._limit)
