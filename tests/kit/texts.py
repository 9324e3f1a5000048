"""Texts for people, as Hypothesis draws them: what can be seen, in any script, and is not blank."""

from hypothesis import strategies as st

_SEEN = st.characters(exclude_categories=("C", "Zl", "Zp"))


def shown_texts(*, max_size: int = 64) -> st.SearchStrategy[str]:
    """Names, places, reasons."""
    return st.text(_SEEN, min_size=1, max_size=max_size).filter(lambda text: not text.isspace())
