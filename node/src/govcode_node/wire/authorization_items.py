"""The items of authorizations, and the facts that records and answers share: duties, uses, names."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from govcode.authorization.v1 import authorization_pb2 as authorizationv1
from govcode.authorization.v1 import record_pb2 as recordv1

from govcode_node.domain.authorizations import DecidedItem, RequestedItem, StatutoryDuty
from govcode_node.domain.catalogue import AskedItem
from govcode_node.domain.errors import InvalidFieldError
from govcode_node.wire import checks

MAX_ITEMS: Final = 16
MAX_FIELDS: Final = 32
MAX_TEXT: Final = 200
"""Longest purpose, means, statute or reference, in characters."""

_UINT32_MAX: Final = 0xFFFF_FFFF


def authorization_id(value: str, field: str = "authorization_id") -> str:
    """It reads the id of an authorization.

    Raises:
        InvalidFieldError: It is not `au_` and 32 hexadecimal digits.
    """
    return checks.made_id(value, field, prefix="au")


def use_id(value: str, field: str = "use_id") -> str:
    """It reads the id of a use.

    Raises:
        InvalidFieldError: It is not `us_` and 32 hexadecimal digits.
    """
    return checks.made_id(value, field, prefix="us")


def item_no(value: int, field: str = "item_no") -> int:
    """It reads the number of an item.

    Raises:
        InvalidFieldError: It is not between 1 and 16.
    """
    return checks.number(value, field, least=1, most=MAX_ITEMS)


def asked_item_from_proto(message: authorizationv1.AuthorizationItem, field: str = "items") -> AskedItem:
    """It reads one licence type with what is asked of it.

    Raises:
        InvalidFieldError: Nothing is asked, a field stands twice, or a name is not of its form.
    """
    names = tuple(checks.field_name(name, f"{field}.field_names") for name in message.field_names)
    checks.number(len(names), f"{field}.field_names", least=0, most=MAX_FIELDS)
    if len(set(names)) != len(names):
        raise InvalidFieldError(f"{field}.field_names", "has a field twice")
    if not names and not message.document:
        raise InvalidFieldError(f"{field}.field_names", "is required unless the document is asked for")
    return AskedItem(
        license_type=checks.registered_name(message.license_type, f"{field}.license_type"),
        field_names=names,
        document=message.document,
    )


def asked_items_from_proto(
    messages: Sequence[authorizationv1.AuthorizationItem], field: str = "items"
) -> tuple[AskedItem, ...]:
    """It reads what a relying party asks, 1 to 16 items, each of another licence type.

    Raises:
        InvalidFieldError: There are none or too many, a type stands twice, or one of them is not of its form.
    """
    if not messages:
        raise InvalidFieldError(field, "is required")
    checks.number(len(messages), field, least=1, most=MAX_ITEMS)
    items = tuple(asked_item_from_proto(message, field) for message in messages)
    if len({item.license_type for item in items}) != len(items):
        raise InvalidFieldError(field, "has a licence type twice")
    return items


def asked_item_to_proto(asked: AskedItem) -> authorizationv1.AuthorizationItem:
    """It gives one licence type with what is asked of it, without a number."""
    return authorizationv1.AuthorizationItem(
        license_type=asked.license_type, field_names=asked.field_names, document=asked.document
    )


def requested_item_to_proto(item: RequestedItem) -> authorizationv1.AuthorizationItem:
    """It gives one item of a request."""
    message = asked_item_to_proto(item.asked)
    message.item_no = item.item_no
    return message


def requested_items_from_proto(messages: Sequence[authorizationv1.AuthorizationItem]) -> tuple[RequestedItem, ...]:
    """It reads the items of a request of another node, which are numbered from 1.

    Raises:
        InvalidFieldError: They are not, or one of them is not of its form.
    """
    asked = asked_items_from_proto(messages)
    if [message.item_no for message in messages] != list(range(1, len(messages) + 1)):
        raise InvalidFieldError("items.item_no", "does not count from 1")
    return tuple(RequestedItem(item_no=number, asked=item) for number, item in enumerate(asked, start=1))


def granted_item_to_proto(item: DecidedItem) -> authorizationv1.AuthorizationItem:
    """It gives an item that is granted."""
    message = _decided(item)
    message.granted = True
    return message


def _decided(item: DecidedItem) -> authorizationv1.AuthorizationItem:
    message = asked_item_to_proto(item.asked)
    message.item_no = item.item_no
    message.sensitive = item.sensitive
    return message


def decided_item_to_proto(item: DecidedItem) -> recordv1.DecidedItem:
    """It gives one item with the holder's word on it."""
    return recordv1.DecidedItem(item=_decided(item), granted=item.granted, license_node_id=item.license_node)


def decided_item_from_proto(message: recordv1.DecidedItem, field: str = "items") -> DecidedItem:
    """It reads one item with the holder's word on it.

    Raises:
        InvalidFieldError: A part is missing or not of its form.
    """
    node = message.license_node_id
    return DecidedItem(
        item_no=item_no(message.item.item_no, f"{field}.item.item_no"),
        asked=asked_item_from_proto(message.item, f"{field}.item"),
        sensitive=message.item.sensitive,
        granted=message.granted,
        license_node=checks.node_id(node, f"{field}.license_node_id") if node else "",
    )


def decided_items_from_proto(messages: Sequence[recordv1.DecidedItem]) -> tuple[DecidedItem, ...]:
    """It reads decided items, each number once.

    Raises:
        InvalidFieldError: There are none or too many, a number stands twice, or one of them is not of its form.
    """
    if not messages:
        raise InvalidFieldError("items", "is required")
    checks.number(len(messages), "items", least=1, most=MAX_ITEMS)
    items = tuple(decided_item_from_proto(message) for message in messages)
    if len({item.item_no for item in items}) != len(items):
        raise InvalidFieldError("items.item.item_no", "has a number twice")
    return items


def statutory_duty_to_proto(duty: StatutoryDuty | None) -> authorizationv1.StatutoryDuty | None:
    """It gives a duty, or nothing for nothing."""
    if duty is None:
        return None
    return authorizationv1.StatutoryDuty(statute=duty.statute, approval_reference=duty.approval_reference)


def statutory_duty_from_proto(message: authorizationv1.StatutoryDuty, field: str = "statutory_duty") -> StatutoryDuty:
    """It reads a duty.

    Raises:
        InvalidFieldError: A part is missing or too long.
    """
    return StatutoryDuty(
        statute=checks.text(message.statute, f"{field}.statute", longest=MAX_TEXT),
        approval_reference=checks.text(message.approval_reference, f"{field}.approval_reference", longest=MAX_TEXT),
    )


def remaining_uses_from_proto(uses: Mapping[int, int]) -> dict[int, int]:
    """It reads the uses that are left, by item number.

    Raises:
        InvalidFieldError: A number is no item's.
    """
    return {item_no(number, "remaining_uses"): left for number, left in sorted(uses.items())}


def item_nos_from_proto(numbers: Iterable[int], field: str = "item_nos") -> tuple[int, ...]:
    """It reads numbers of items, each once, in order.

    Raises:
        InvalidFieldError: One is no item's.
    """
    return tuple(sorted({item_no(number, field) for number in numbers}))


def max_uses_from_proto(value: int, field: str = "max_uses") -> int:
    """It reads how many uses of each item; whether that many are allowed is for the step to say.

    Raises:
        InvalidFieldError: It is none.
    """
    return checks.number(value, field, least=1, most=_UINT32_MAX)
