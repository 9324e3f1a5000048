"""The root of every error that this program raises on purpose, and the errors that belong to no single subject.

An error is a small class: its facts are attributes, its sentence is made from them, and it knows nothing of gRPC. One
table (`rpc/status.py`) says what a caller sees of it. A fact never names a citizen.
"""

from dataclasses import dataclass
from typing import ClassVar


class GovcodeError(Exception):
    """A refusal or failure with a known meaning; its facts are attributes of the subclass."""


class FactsError(GovcodeError):
    """A `GovcodeError` whose subclasses are dataclasses: fields are the facts, `says` is the sentence about them."""

    says: ClassVar[str] = ""

    def __str__(self) -> str:
        return self.says.format_map(vars(self))


@dataclass(eq=False)
class InvalidFieldError(FactsError):
    """A field of a request is missing, too long or not of its form.

    Attributes:
        field: Path of the field in the request. Example: `scene.validity`.
        why: What is wrong with it, in lower case and without the value.
    """

    field: str
    why: str
    says = "{field} {why}"


@dataclass(eq=False)
class SerialConflictError(FactsError):
    """The serial of an act was used before for another content."""

    biz_serial: str
    says = "serial {biz_serial} was used for another content; use a new serial for a new act"


@dataclass(eq=False)
class CursorInvalidError(FactsError):
    """A cursor or page token was not made by this node."""

    cursor: str
    says = "the cursor was not made by this node, or is too old; begin without one"


@dataclass(eq=False)
class RateLimitedError(FactsError):
    """Too many calls of one subject, application or device.

    Attributes:
        limit: Which limit: `subject`, `app`, `device` or `peer`.
        retry_after_seconds: When to try again.
    """

    limit: str
    retry_after_seconds: float
    says = "too many calls for one {limit}; wait {retry_after_seconds:.1f} s"


@dataclass(eq=False)
class OverloadedError(FactsError):
    """A bounded queue is full; nothing was done.

    Attributes:
        queue: Which queue.
        retry_after_seconds: When to try again.
    """

    queue: str
    retry_after_seconds: float = 1.0
    says = "the {queue} queue is full; wait {retry_after_seconds:.1f} s"


@dataclass(eq=False)
class StoreUnavailableError(FactsError):
    """The store does not answer; nothing was done."""

    why: str
    says = "the store does not answer: {why}"


@dataclass(eq=False)
class StreamLimitError(FactsError):
    """Too many streams of one caller are open."""

    limit: int
    says = "{limit} streams of this caller are open already"


@dataclass(eq=False)
class DrainingError(FactsError):
    """The node is about to stop and takes no new work."""

    says = "this node is about to stop; call another endpoint"


@dataclass(eq=False)
class MessageTooLargeError(FactsError):
    """A message is over the node's size limit."""

    limit_bytes: int
    says = "the message is larger than {limit_bytes} bytes"
