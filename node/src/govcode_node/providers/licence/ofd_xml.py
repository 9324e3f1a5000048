"""XML parts of an OFD file, read in pieces by expat with everything switched off that a licence does not need.

A document type declaration is refused at its first sign. Without one there are no entities but the five of XML itself,
so neither expanding entities (billion laughs) nor external ones (files, addresses) exist, and no package beside the
standard library is needed to be safe from them. Depth, lengths and counts are bounded, and no tree is built: only the
elements that were asked for are kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn
from xml.parsers import expat

from govcode_node.providers.licence.faults import OfdFault, OfdRefusedError, refuse

MAX_DEPTH: Final = 100
MAX_KEPT: Final = 50_000
MAX_TEXT: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element that was asked for.

    Attributes:
        name: Its name without the prefix. Prefixes and name spaces differ between the makers of OFD files, so they
            decide nothing.
        parent: Name of the element around it; empty for the root.
        attributes: By name without the prefix.
        text: Its own text, without space around it.
    """

    name: str
    parent: str
    attributes: Mapping[str, str]
    text: str


def read_elements(pieces: Iterable[bytes], *, wanted: frozenset[str], source: str) -> list[Element]:
    """It reads one XML part and gives the elements of the wanted names, the root always first.

    Args:
        pieces: The part, in pieces.
        wanted: Names of elements, without prefix.
        source: Name of the part, for faults.

    Raises:
        OfdRefusedError: The part is not well-formed, has a document type, or is over a limit.
    """
    reader = _Reader(wanted, source)
    try:
        for piece in pieces:
            reader.parser.Parse(piece, False)
        reader.parser.Parse(b"", True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise OfdRefusedError(OfdFault.BAD_XML, f"{source} is not well-formed: {error}") from error
    return reader.elements()


class _Open:
    """An element whose end was not seen yet."""

    __slots__ = ("attributes", "length", "name", "place", "text")

    def __init__(self, name: str, attributes: Mapping[str, str], place: int | None) -> None:
        self.name = name
        self.attributes = attributes
        self.place = place
        self.text: list[str] = []
        self.length = 0


class _Reader:
    """Keeps the wanted elements in the order in which they begin."""

    def __init__(self, wanted: frozenset[str], source: str) -> None:
        self._wanted = wanted
        self._source = source
        self._stack: list[_Open] = []
        self._kept: list[Element | None] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def elements(self) -> list[Element]:
        return [element for element in self._kept if element is not None]

    def _doctype(self, *_: object) -> NoReturn:
        refuse(OfdFault.BAD_XML, f"{self._source} has a document type")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self._stack) >= MAX_DEPTH:
            refuse(OfdFault.BAD_XML, f"{self._source} is nested too deeply")
        local = _local(name)
        place = None
        if not self._stack or local in self._wanted:
            if len(self._kept) >= MAX_KEPT:
                refuse(OfdFault.TOO_LARGE, f"{self._source} has too many references")
            place = len(self._kept)
            self._kept.append(None)
        kept = {_local(key): value for key, value in attributes.items()} if place is not None else {}
        self._stack.append(_Open(local, kept, place))

    def _characters(self, text: str) -> None:
        top = self._stack[-1]
        # White space between the children of a long list is no text of the list.
        if top.place is None or (not top.text and text.isspace()):
            return
        top.length += len(text)
        if top.length > MAX_TEXT:
            refuse(OfdFault.TOO_LARGE, f"{self._source} has a text of more than {MAX_TEXT} characters")
        top.text.append(text)

    def _end(self, _: str) -> None:
        top = self._stack.pop()
        if top.place is None:
            return
        parent = self._stack[-1].name if self._stack else ""
        text = "".join(top.text).strip()
        self._kept[top.place] = Element(name=top.name, parent=parent, attributes=top.attributes, text=text)


def _local(name: str) -> str:
    return name.rpartition(":")[2]
