"""Opaque ids: a prefix that says of what, then the UUIDv7 shape, so that rows are appended in the order of time."""

from collections.abc import Callable
from datetime import datetime

from govcode_node.domain.codes import new_code_id


def new_time_ordered_id(prefix: str, *, now: datetime, random_bytes: Callable[[int], bytes]) -> str:
    """It makes an id such as `sc_01…`: prefix, underscore, 32 hexadecimal digits.

    Args:
        prefix: Two letters for the kind of thing.
        now: The moment in front.
        random_bytes: The approved random source.

    Raises:
        RandomSourceError: The source does not work.
    """
    return f"{prefix}_{new_code_id(int(now.timestamp() * 1000), random_bytes).hex()}"
