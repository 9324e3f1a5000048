"""What must not stand in a log must not stand in a repr, from where it gets into logs by accident (7.5-07)."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import govcode_node
import pytest

SECRET = frozenset({"token", "session_token", "ticket", "code_text", "provider_blob", "secret", "scalar", "key_pem"})
ROOMS = ("domain", "ports", "usecases", "crypto", "federation", "providers")


def _classes() -> Iterator[type]:
    for room in ROOMS:
        for module in pkgutil.walk_packages([f"{govcode_node.__path__[0]}/{room}"], f"govcode_node.{room}."):
            for _, found in inspect.getmembers(importlib.import_module(module.name), dataclasses.is_dataclass):
                if inspect.isclass(found) and found.__module__ == module.name:
                    yield found


def _shown(kind: type) -> list[str]:
    """Names of the fields that the repr which the library made would show; none where somebody wrote another one."""
    if not kind.__repr__.__qualname__.endswith("__create_fn__.<locals>.__repr__") and "__repr__" in vars(kind):
        written_by_hand = getattr(inspect.unwrap(kind.__repr__), "__code__", None)
        if written_by_hand is not None and written_by_hand.co_filename != "<string>":
            return []
    return [field.name for field in dataclasses.fields(kind) if field.repr and field.name in SECRET]


@pytest.mark.req("7.5-07")
def test_no_value_shows_a_secret_or_a_code_when_it_is_printed() -> None:
    shown = {kind.__qualname__: names for kind in _classes() if (names := _shown(kind))}
    assert shown == {}
