"""Lists of registrations page by page: a page's token is the key of the last thing on it."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from govcode_node.domain.errors import CursorInvalidError
from govcode_node.wire import checks

MAX_PAGE: Final = 1_000
DEFAULT_PAGE: Final = 200

_MAX_DIGITS: Final = 5

T = TypeVar("T")


def requested_page(page_size: int, page_token: str) -> tuple[int, str]:
    """It reads how many are wanted, and after which key.

    Raises:
        InvalidFieldError: The size is negative or above 1,000, or the token is longer than any that this node makes.
    """
    return checks.page_size(page_size, default=DEFAULT_PAGE, most=MAX_PAGE), checks.page_token(page_token)


def page_of(rows: Sequence[T], size: int, *, key: Callable[[T], str]) -> tuple[Sequence[T], str]:
    """It cuts a page from rows of which one more was asked for than fits, and gives the token of the next page."""
    page = rows[:size]
    return page, key(page[-1]) if len(rows) > size else ""


def scene_number(token: str) -> int:
    """It reads the token of a list of scenes; 0 at the begin.

    Raises:
        CursorInvalidError: It is no number of a scene.
    """
    if not token:
        return 0
    if not (token.isascii() and token.isdigit() and len(token) <= _MAX_DIGITS):
        raise CursorInvalidError(token[:64])
    return int(token)
