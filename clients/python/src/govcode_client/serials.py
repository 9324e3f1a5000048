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
