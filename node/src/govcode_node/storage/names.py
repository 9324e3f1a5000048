"""Texts that stand in many rows, each kept once: callers, methods, organisations, nodes, results.

They come from registers and from the program itself, so there are few of them. Never put here what a caller chooses
freely: a serial, a place, a session.
"""

from typing import Final

from sqlalchemy import select

from govcode_node.storage.engine import Link
from govcode_node.storage.statements import Statement, insert_returning_unless, value
from govcode_node.storage.tables import names

_c = names.c
_ADD = insert_returning_unless(names, "name", returning=_c.name_no)
_NUMBER = Statement(select(_c.name_no).where(_c.name == value("text", _c.name)), "text")
_TEXT = Statement(select(_c.name).where(_c.name_no == value("no", _c.name_no)), "no")

_CACHED: Final = 20_000
"""Names remembered at once; beyond it the memory is emptied, so that it cannot grow for ever."""


class Names:
    """Names and their numbers, remembered for one link. A number, once committed, never changes its name."""

    __slots__ = ("_fresh", "_link", "_numbers", "_texts")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._fresh: list[str] = []

    def find(self, text: str) -> int | None:
        """It returns the number of a name; None where no row can have it."""
        number = self._numbers.get(text)
        if number is None:
            row = self._link.one(_NUMBER, (text,))
            if row is None:
                return None
            number = self._remember(text, row[0])
        return number

    def number(self, text: str) -> int:
        """It returns the number of a name, which is entered where it is new."""
        number = self._numbers.get(text)
        if number is None:
            number = self.find(text)
            if number is None:
                number = self._enter(text)
        return number

    def text(self, number: int) -> str:
        """It returns the name with that number; where somebody deleted it, a text that no register can have.

        Reading must go on: it is by reading that an audit shows what was deleted.
        """
        text = self._texts.get(number)
        if text is None:
            row = self._link.one(_TEXT, (number,))
            if row is None:
                return f"?{number}"
            text = row[0]
            self._remember(text, number)
        return text

    def keep(self) -> None:
        """It knows that what was entered is committed."""
        if self._fresh:
            self._fresh.clear()

    def forget(self) -> None:
        """It forgets what was entered and not committed: the numbers may be given to other names."""
        for text in self._fresh:
            number = self._numbers.pop(text, None)
            if number is not None:
                self._texts.pop(number, None)
        self._fresh.clear()

    def _enter(self, text: str) -> int:
        rows = self._link.write_returning(_ADD, (text,))
        # Where another process entered it meanwhile, nothing is returned, and its row can be seen now.
        number = rows[0][0] if rows else self.find(text)
        if number is None:
            raise AssertionError("a name that was entered can be read")
        self._fresh.append(text)
        return self._remember(text, number)

    def _remember(self, text: str, number: int) -> int:
        if len(self._numbers) >= _CACHED and not self._fresh:
            self._numbers.clear()
            self._texts.clear()
        self._numbers[text] = number
        self._texts[number] = text
        return number
