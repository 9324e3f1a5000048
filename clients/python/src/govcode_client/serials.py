"""Serials of acts (业务流水号): what makes it harmless to ask twice."""

import uuid


def new_serial(act: str) -> str:
    """It makes a serial that nobody has used.

    Args:
        act: A word that people will recognise in records, at most 31 of A–Z and `-`.

    >>> len(new_serial("SCAN"))
    37
    """
    return f"{act}-{uuid.uuid4().hex}"


def given_or_new(given: str | None, act: str) -> str:
    """It takes the serial that was given, or makes one; an empty one is the caller's mistake, which the node tells.

    >>> given_or_new("S-1", "SCAN")
    'S-1'
    """
    return new_serial(act) if given is None else given
