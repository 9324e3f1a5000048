"""What commands print: tables for people, JSON for programs, and errors as reason and advice."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import click

from govcode_node.commands.profiles import CallerProfile, ProfileError
from govcode_node.domain.errors import GovcodeError

P = ParamSpec("P")
R = TypeVar("R")

FAILED = 1
"""Exit code of a command that was understood and could not be carried out; a wrong command line gives 2."""


def fail(*lines: str) -> NoReturn:
    """It prints what went wrong, the advice below it, and ends the command."""
    for line in lines:
        if line:
            click.echo(line, err=True)
    raise SystemExit(FAILED)


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """It turns the errors that a command expects into reason and advice; others keep their traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BrokenPipeError:
            raise  # whoever read us, such as `head`, has enough; click ends the command without a word
        except (GovcodeError, OSError) as error:
            fail(f"error: {error}")
        except Exception as error:
            # The client's errors are told by name, so that a command that calls no node does not load the client.
            if not _is_client_error(error):
                raise
            fail(*_told(error))

    return run


def _is_client_error(error: Exception) -> bool:
    return any(base.__module__.startswith("govcode_client.") for base in type(error).__mro__)


def _told(error: Any) -> list[str]:
    lines = [f"error: {error}"]
    lines += [f"  {name}: {fault}" for name, fault in getattr(error, "fields", {}).items()]
    advice = getattr(error, "advice", "")
    if advice:
        lines.append(f"advice: {advice}")
    advice_zh = getattr(error, "advice_zh", "")
    if advice_zh:
        lines.append(f"建议：{advice_zh}")
    if getattr(error, "request_id", ""):
        lines.append(f"request: {error.request_id}")
    return lines


def json_option(command: Callable[P, R]) -> Callable[P, R]:
    """It adds `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def caller_options(command: Callable[..., R]) -> Callable[..., R]:
    """It adds the options that say at which node to call and as whom, and hands the command a `profile`."""

    @wraps(command)
    def run(
        *args: Any,
        profile_file: Path | None,
        node: str | None,
        cert: Path | None,
        key: Path | None,
        roots: Path | None,
        server_name: str | None,
        **kwargs: Any,
    ) -> R:
        given = {"node": node, "certificate": cert, "key": key, "roots": roots, "server_name": server_name}
        said = {name: value for name, value in given.items() if value is not None}
        if profile_file is None and not {"node", "certificate", "key", "roots"} <= said.keys():
            raise click.UsageError(
                "give --profile FILE, or all of --node, --cert, --key and --roots; `make run` writes profiles"
            )
        if profile_file is None:
            profile = CallerProfile(**said)  # type: ignore[arg-type]
        else:
            try:
                profile = CallerProfile.load(profile_file)
            except ProfileError as error:
                fail(f"error: {error}")
            profile = _changed(profile, said)
        return command(*args, profile=profile, **kwargs)

    for option in reversed(_CALLER_OPTIONS):
        run = option(run)
    return run


def _changed(profile: CallerProfile, said: dict[str, Any]) -> CallerProfile:
    from dataclasses import replace

    return replace(profile, **said)


_FILE = click.Path(path_type=Path, dir_okay=False)
_CALLER_OPTIONS = (
    click.option(
        "--profile",
        "profile_file",
        type=_FILE,
        envvar="GOVCODE_PROFILE",
        help="The caller's profile, TOML: node, certificate, key, roots; `make run` writes some (GOVCODE_PROFILE).",
    ),
    click.option("--node", metavar="HOST:PORT", help="Address of the node."),
    click.option("--cert", type=_FILE, help="The caller's certificate, PEM."),
    click.option("--key", type=_FILE, help="Private key of the certificate, PEM."),
    click.option("--roots", type=_FILE, help="Authorities to believe, PEM."),
    click.option("--server-name", metavar="NAME", help="Name that must stand in the node's certificate."),
)


def print_json(value: object) -> None:
    """It prints one JSON value."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def message_dict(message: Any) -> dict[str, Any]:
    """It gives a message as JSON types, names as in the contract."""
    from google.protobuf.json_format import MessageToDict

    value: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return value


def enum_word(message: Any, field: str) -> str:
    """It gives the word of an enumeration's value without the prefix that the contract demands. Example: `VALID`."""
    descriptor = message.DESCRIPTOR.fields_by_name[field].enum_type
    number = getattr(message, field)
    value = descriptor.values_by_number.get(number)
    if value is None:
        return f"UNKNOWN_{number}"
    prefix = descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return str(value.name.removeprefix(prefix))


def forgiving_output() -> None:
    """It makes a terminal that cannot show a character show `?` in its place, rather than end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, giving_way: Sequence[str] = ()
) -> None:
    """It prints a table as wide as the terminal allows.

    Args:
        title: The line above it.
        columns: The headings.
        rows: The cells.
        giving_way: Columns that break their lines where the terminal is narrow; all where empty.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    # Lines between columns would take a fifth of 80 columns.
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=bool(giving_way) and column not in giving_way)
    for row in rows:
        table.add_row(*row)
    # Without a terminal there is no width to keep to; 80 columns would break the words.
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    console.print(title, style="bold", markup=False)
    console.print(table)


def local_time(stamp: Any) -> str:
    """It shows a `Timestamp` in the zone of this machine; empty where there is none."""
    if not (stamp.seconds or stamp.nanos):
        return ""
    from datetime import UTC

    return str(stamp.ToDatetime(tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S"))
