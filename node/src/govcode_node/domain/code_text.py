r"""What scanners and input methods do to a code text, undone before the strict decoder (N-14).

    >>> normalise("]Q1zwm1.lqiq\r\n")
    'ZWM1.LQIQ'

Removed or mapped, and nothing else:

1. full-width forms U+FF01–U+FF5E to their ASCII twins, and U+3000 to a blank: it is the full-width form of the blank,
   which Base45 uses; an input method that widens the signs widens the blanks too;
2. CR, LF, TAB and the byte order mark U+FEFF at either end. Blanks stay, they are digits of Base45;
3. one AIM symbology identifier (``]Q1``, ``]h2``) in front;
4. ASCII letters to upper case.

Not repaired on purpose: the ideographic full stop 。 for a point, O for 0, blanks that went missing or came in,
characters in the middle. Each would be a guess, and a guess about a code is a different code. None of the removed or
mapped characters occurs in a valid text, so a valid text is never changed, and what a repaired text decodes to is
decided by the characters that were there.
"""

import re

from govcode_node.domain.codecs import MAX_CODE_TEXT

_ENDS = "\r\n\t\ufeff"
_AIM_IDENTIFIER = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_HALF_WIDTH = {full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
# str.upper() would also turn ß to SS and ı to I, which are not forms of our letters.
_UPPER = {lower: lower - 0x20 for lower in range(ord("a"), ord("z") + 1)}


def normalise(text: str) -> str:
    """It undoes the corruptions listed above; a text beyond the size cap stays as it is, for the decoder to refuse."""
    if len(text) > MAX_CODE_TEXT:
        return text
    if not text.isascii():
        text = text.translate(_HALF_WIDTH)
    text = text.strip(_ENDS)
    identifier = _AIM_IDENTIFIER.match(text)
    if identifier is not None:
        text = text[identifier.end() :]
    return text.upper() if text.isascii() else text.translate(_UPPER)
