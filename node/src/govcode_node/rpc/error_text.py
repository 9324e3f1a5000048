"""One error reason for people: who can do something about it, and a sentence in Chinese and English."""

from dataclasses import dataclass
from enum import StrEnum


class Actor(StrEnum):
    """Who can do something about an error."""

    DEVELOPER = "developer"
    OPERATOR = "operator"
    HOLDER = "holder"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class ErrorText:
    """One reason for people.

    Attributes:
        actor: Who has to act: the caller's developer, an operator, the holder, or the node itself (wait).
        retryable: Whether the same request may succeed later without anybody changing it.
        zh: Sentence in Chinese.
        en: Sentence in English.
    """

    actor: Actor
    retryable: bool
    zh: str
    en: str
