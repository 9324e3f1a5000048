"""Lists page by page: the token is the key of the last thing shown, checked to have that form when it comes back."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from govcode_node.domain.errors import CursorInvalidError, InvalidFieldError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some things in order, and the token of the next page; empty on the last."""

    items: Sequence[T]
    next_page_token: str = ""


def page_limit(page_size: int, *, default: int, most: int) -> int:
    """It gives the number of things on a page; the default where the caller named none.

    Raises:
        InvalidFieldError: The number is negative or too great.
    """
    if not 0 <= page_size <= most:
        raise InvalidFieldError("page_size", f"must be 0 to {most}")
    return page_size or default


def read_token(token: str, form: re.Pattern[str]) -> str:
    """It returns the key in a token.

    Raises:
        CursorInvalidError: The token has another form than the keys of that list.
    """
    if form.fullmatch(token) is None:
        raise CursorInvalidError(token[:64])
    return token
