"""Moments as evidence states them: in whole milliseconds, so that they are the same when they are read back."""

from datetime import datetime


def stated(moment: datetime) -> datetime:
    """It cuts a moment to whole milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
