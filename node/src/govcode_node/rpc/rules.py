"""How much time calls have, and how large their messages may be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineRules:
    """How much time calls have (architecture: deadlines nest).

    Attributes:
        default: For a unary call that names none.
        margin: Taken off, so that the answer arrives before the caller has given up.
        least: Unary work with less than this left is not begun.
        most: Unary work is given no more, whatever the caller grants; the longest poll is half a minute.
    """

    default: timedelta = timedelta(seconds=10)
    margin: timedelta = timedelta(milliseconds=20)
    least: timedelta = timedelta(milliseconds=100)
    most: timedelta = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSizes:
    """How large a request message may be.

    Attributes:
        usual: For most methods.
        by_method: For those that take more, by full method name.
    """

    usual: int = 64 * 1024
    by_method: Mapping[str, int] = field(default_factory=dict)

    @property
    def largest(self) -> int:
        """The most that any method takes."""
        return max(self.usual, *self.by_method.values()) if self.by_method else self.usual

    def of(self, method: str) -> int:
        """The most that a method takes."""
        return self.by_method.get(method, self.usual)
