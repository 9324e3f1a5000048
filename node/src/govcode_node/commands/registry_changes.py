"""What a new version of a scene, licence type or matter changes (变更内容), in lines for the operator who brings it.

`+` was added, `-` was removed, `~` was altered. Examples: `~ max_uses: 3 → 2`,
`+ items[residence-permit].field_names[name]`.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

_NAMES: Final = ("name", "license_type")
"""What tells the entries of a list of messages apart; a scene's and a type's fields have the first, a matter's items
the second."""

_ORDER: Final = "~ order alone"


def told_changes(present: Any, wanted: Any, differing: Iterable[str]) -> tuple[str, ...]:
    """It compares two versions.

    Args:
        present: Message of the version in force.
        wanted: Message of the version that takes its place.
        differing: Names of the fields that are known to differ; the others may differ by what the node itself gives.

    Returns:
        A line for each entry, with its path; never empty for versions that differ.
    """
    names = frozenset(differing)
    old, new = _entries(present, names), _entries(wanted, names)
    lines = [f"- {_line(path, old[path])}" for path in _missing(old, new)]
    lines += [f"~ {path}: {old[path]} → {new[path]}" for path in old if path in new and old[path] != new[path]]
    lines += [f"+ {_line(path, new[path])}" for path in _missing(new, old)]
    return tuple(lines) or (_ORDER,)


def _line(path: str, value: str) -> str:
    return f"{path}: {value}" if value else path


def _missing(these: dict[str, str], others: dict[str, str]) -> Iterator[str]:
    """It gives the paths that the others do not have, but not what stands below one that they do not have."""
    gone: tuple[str, ...] = ()
    for path in these:
        if path not in others and not path.startswith(gone):
            gone = (*gone, f"{path}.", f"{path}[") if path.endswith("]") else gone
            yield path


def _entries(message: Any, names: frozenset[str]) -> dict[str, str]:
    from google.protobuf.json_format import MessageToDict

    # False and zero are written too: `true → false` says more than that something is gone.
    value = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return dict(_flat({name: part for name, part in value.items() if name in names}, ""))


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _flat(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for part in value:
            yield from _flat_entry(part, path)
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        yield path, text or '""'


def _flat_entry(part: Any, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(part, dict):
        yield f"{path}[{part}]", ""
        return
    key = next(part[name] for name in _NAMES if name in part)
    yield f"{path}[{key}]", ""
    yield from _flat({name: entry for name, entry in part.items() if entry != key}, f"{path}[{key}]")
