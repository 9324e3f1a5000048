"""Disclosed fields of a subject, and the form in which they are sealed to another node."""

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import DecodeError
from govcode.common.v1 import subject_pb2 as subjectv1
from govcode.federation.v1 import recognition_pb2 as recognitionv1

from govcode_node.domain.disclosure import DisclosedField, FieldName
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.domain.recognition import PeerAnswerRefusedError

_NAMES: Final = {name.value: name for name in FieldName}


def field_to_proto(disclosed: DisclosedField) -> subjectv1.DisclosedField:
    """It gives one field as it leaves the node."""
    return subjectv1.DisclosedField(name=disclosed.name.value, value=disclosed.value, masked=disclosed.masked)


def field_from_proto(message: subjectv1.DisclosedField) -> DisclosedField | None:
    """It reads one field; None for a field that this release does not know, which nobody here could show rightly."""
    name = _NAMES.get(message.name)
    return None if name is None else DisclosedField(name=name, value=message.value, masked=message.masked)


def fields_from_proto(messages: Iterable[subjectv1.DisclosedField]) -> tuple[DisclosedField, ...]:
    """It reads the fields that this release knows, in order."""
    return tuple(field for message in messages if (field := field_from_proto(message)) is not None)


def field_name_from_proto(name: str, field: str) -> FieldName:
    """It reads the name of a field that a caller asks for.

    Raises:
        InvalidFieldError: There is no such field.
    """
    found = _NAMES.get(name)
    if found is None:
        raise InvalidFieldError(field, "is not the name of a field of subjects" if name else "is required")
    return found


class WireFieldsCodec:
    """The `FieldsCodec` of the node: the plain bytes that are sealed for another node, and back."""

    def dump(self, fields: tuple[DisclosedField, ...]) -> bytes:
        """It gives the bytes."""
        message = recognitionv1.SealedFields(fields=[field_to_proto(disclosed) for disclosed in fields])
        return message.SerializeToString(deterministic=True)

    def load(self, data: bytes) -> tuple[DisclosedField, ...]:
        """It reads the fields that this release knows.

        Raises:
            PeerAnswerRefusedError: The bytes are no fields; the node is for the caller to name.
        """
        try:
            return fields_from_proto(recognitionv1.SealedFields.FromString(data).fields)
        except DecodeError:
            raise PeerAnswerRefusedError(node_id="", why="its fields cannot be read") from None
