"""Answers of acts as bytes, so that a serial (业务流水号) that comes again gets the same answer (6.1-07, N-51).

The form is compact JSON by field names: times and spans are whole microseconds, which loses nothing that a `datetime`
has, bytes are hexadecimal, enums their values, sets sorted. A field at its default is left out. Unknown keys are
skipped and missing ones take their default, so that a node reads what its neighbour version wrote; the default of a
field, once remembered, therefore never changes its meaning. The bytes hold what the answer held: callers seal them.
"""

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final, TypeVar, get_args, get_origin

from cattrs import Converter
from cattrs.preconf.json import make_converter
from typing_extensions import override

from govcode_node.ports.security import AnswerCodec

A = TypeVar("A")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_A_DAY: Final = 86_400
_MICROSECONDS_A_SECOND: Final = 1_000_000
_PRIMITIVES: Final = (int, str, bool, float)

_encode: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


class CattrsAnswerCodec(AnswerCodec):
    """Dumps and loads frozen dataclasses of the domain by hooks that are generated once for each class."""

    def __init__(self) -> None:
        """It starts without hooks; the first answer of a class pays for making them."""
        self._converter = _make_converter()
        self._dumpers: dict[type, Callable[[Any], Any]] = {}

    @override
    def dump(self, answer: object) -> bytes:
        """It gives the bytes of an answer.

        Raises:
            TypeError: The answer is no dataclass, or holds a time without a zone.
        """
        kind = type(answer)
        dumper = self._dumpers.get(kind)
        if dumper is None:
            if not dataclasses.is_dataclass(kind):
                raise TypeError(f"{kind.__name__} is no dataclass and cannot be remembered")
            dumper = self._dumpers[kind] = self._converter.get_unstructure_hook(kind)
        return _encode(dumper(answer)).encode()

    @override
    def load(self, kind: type[A], data: bytes) -> A:
        """It reads an answer of that kind.

        Raises:
            ValueError: The bytes are no such answer. The cause is cut off, since its text could repeat the answer.
        """
        try:
            return self._converter.structure(json.loads(data), kind)
        except Exception:
            raise ValueError(f"the bytes are no {kind.__name__}") from None


def _make_converter() -> Converter:
    """It builds the converter with the forms of this module."""
    converter = make_converter(detailed_validation=False, omit_if_default=True)
    converter.register_unstructure_hook(datetime, lambda moment: _microseconds(moment - _EPOCH))
    converter.register_structure_hook(datetime, lambda number, _: _EPOCH + timedelta(microseconds=number))
    converter.register_unstructure_hook(timedelta, _microseconds)
    converter.register_structure_hook(timedelta, lambda number, _: timedelta(microseconds=number))
    converter.register_unstructure_hook(bytes, bytes.hex)
    converter.register_structure_hook(bytes, lambda text, _: bytes.fromhex(text))
    for primitive in _PRIMITIVES:
        converter.register_structure_hook(primitive, _exactly)
    converter.register_unstructure_hook_factory(_is_frozenset, _sorting_hook)
    return converter


def _microseconds(span: timedelta) -> int:
    return (span.days * _SECONDS_A_DAY + span.seconds) * _MICROSECONDS_A_SECOND + span.microseconds


def _exactly(value: Any, kind: type[A]) -> A:
    """It takes a value as it is. Without it `None` would become the text "None", and 1 would pass for true.

    A hook for `int` is also asked for every `IntEnum`, whose members are looked up by value.
    """
    if issubclass(kind, Enum):
        return kind(value)
    if type(value) is not kind:
        raise TypeError(f"not of type {kind.__name__}")
    return value


def _is_frozenset(kind: Any) -> bool:
    return get_origin(kind) is frozenset


def _sorting_hook(kind: Any, converter: Converter) -> Callable[[frozenset[Any]], list[Any]]:
    """It makes the hook that writes a set in one order, so that equal answers have equal bytes."""
    member = converter.get_unstructure_hook(get_args(kind)[0])
    return lambda members: sorted(member(one) for one in members)
