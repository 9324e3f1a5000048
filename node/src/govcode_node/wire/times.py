"""Times and spans: `Timestamp` and `Duration` of the contract, aware UTC `datetime` and `timedelta` of the domain.

    >>> moment_from_proto(moment_to_proto(datetime(2026, 12, 1, 8, 0, 0, 123999, tzinfo=UTC)), "signed_time")
    datetime.datetime(2026, 12, 1, 8, 0, 0, 123000, tzinfo=datetime.timezone.utc)

Everything is cut to whole milliseconds, the precision that evidence signs.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from govcode_node.domain.errors import InvalidFieldError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999, where both forms end."""
_LONGEST_SECONDS: Final = 315_576_000_000
"""Ten thousand years, the longest `Duration`."""
_NANOS: Final = 1_000_000_000
_NANOS_PER_MILLISECOND: Final = 1_000_000


def moment_to_proto(moment: datetime) -> Timestamp:
    """It gives the timestamp of an aware moment, cut to milliseconds.

    Raises:
        ValueError: The moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be told to others")
    milliseconds = (moment - _EPOCH) // _MILLISECOND
    seconds, rest = divmod(milliseconds, 1000)
    return Timestamp(seconds=seconds, nanos=rest * _NANOS_PER_MILLISECOND)


def moment_from_proto(stamp: Timestamp, field: str) -> datetime:
    """It gives the moment of a timestamp, cut to milliseconds.

    Raises:
        InvalidFieldError: It is before 1970, after 9999, or not normal.
    """
    if not 0 <= stamp.seconds <= _LAST_SECOND or not 0 <= stamp.nanos < _NANOS:
        raise InvalidFieldError(field, "is not a time between 1970 and 9999")
    return _EPOCH + timedelta(seconds=stamp.seconds, milliseconds=stamp.nanos // _NANOS_PER_MILLISECOND)


def stated_moment(message: Message, name: str) -> datetime:
    """It gives the moment of a field that must be there: the begin of 1970 is a time like any other, nothing is not.

    Raises:
        InvalidFieldError: It is absent, before 1970, after 9999, or not normal.
    """
    if not message.HasField(name):
        raise InvalidFieldError(name, "is required")
    return moment_from_proto(getattr(message, name), name)


def optional_moment_to_proto(moment: datetime | None) -> Timestamp | None:
    """It gives the timestamp of a moment, or nothing for nothing."""
    return None if moment is None else moment_to_proto(moment)


def is_whole_milliseconds(stamp: Timestamp) -> bool:
    """Whether nothing is lost below the millisecond, where a time beside a signature would be unsigned."""
    return stamp.nanos % _NANOS_PER_MILLISECOND == 0


def span_to_proto(span: timedelta) -> Duration:
    """It gives the duration of a span that is not negative, cut to milliseconds.

    Raises:
        ValueError: The span is negative.
    """
    if span < timedelta(0):
        raise ValueError("no span of the contract is negative")
    seconds, rest = divmod(span // _MILLISECOND, 1000)
    return Duration(seconds=seconds, nanos=rest * _NANOS_PER_MILLISECOND)


def span_from_proto(duration: Duration, field: str) -> timedelta:
    """It gives the span of a duration, cut to milliseconds.

    Raises:
        InvalidFieldError: It is negative, longer than ten thousand years, or not normal.
    """
    if not 0 <= duration.seconds <= _LONGEST_SECONDS or not 0 <= duration.nanos < _NANOS:
        raise InvalidFieldError(field, "is not a span of time that is possible here")
    return timedelta(seconds=duration.seconds, milliseconds=duration.nanos // _NANOS_PER_MILLISECOND)


def whole_seconds(span: timedelta) -> int:
    """It gives an age in whole seconds; a clock that stepped back makes 0, not a negative age."""
    return max(0, span // timedelta(seconds=1))
