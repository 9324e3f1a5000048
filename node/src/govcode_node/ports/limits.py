"""Rate limits, as a port."""

from typing import Protocol


class RateLimit(Protocol):
    """One limit, counted by key."""

    def take(self, key: bytes | str) -> None:
        """It counts one call.

        Raises:
            RateLimitedError: The key has used up what it may; the error says when to try again.
        """
        ...
