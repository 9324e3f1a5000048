"""What a node's business operator registers (码业务管理, 7.4): `govcode registry`."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from govcode_node.commands.profiles import CallerProfile
from govcode_node.commands.screen import (
    FAILED,
    caller_options,
    enum_word,
    explained,
    json_option,
    message_dict,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from govcode_client import Client

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def registry() -> None:
    """Register who scans codes and asks for licences (登记)."""


@registry.command("apply")
@click.argument("file", type=_FILE)
@click.option("--reason", default="登记文件", show_default=True, help="Why; goes into the audit trail.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and register nothing (试运行).")
@caller_options
@json_option
@explained
def apply_file(profile: CallerProfile, file: Path, reason: str, dry_run: bool, as_json: bool) -> None:
    """Bring a registry file into a node (导入登记文件).

    The caller must be a business operator. What is there already is left as it is, so the same file may be applied
    again at any time. deploy/config/registry.full.toml explains every entry of such a FILE.

    Where a new version takes the place of one in force, what it changes is told below it:
    + added, - removed, ~ altered.

    Exit code 1 if an entry differs from what is registered and has no versions, or was stopped by an operator.
    """
    from govcode_node.commands.registry_applying import Change, Done, apply_registry
    from govcode_node.commands.registry_files import load_registry_file

    loaded = load_registry_file(file)
    changes: list[Change] = []
    with profile.connect() as client:
        for change in apply_registry(client, loaded, reason=reason, dry_run=dry_run):
            changes.append(change)
            if not as_json:
                click.echo(f"{change.done.value:12} {change.kind:13} {change.name}  {change.detail}".rstrip())
                for line in change.altered:
                    click.echo(f"{'':12} {line}")
    if as_json:
        print_json([asdict(one) for one in changes])
    elif dry_run:
        click.echo("dry run: nothing was registered / 试运行：未作任何登记")
    if any(change.done in (Done.DIFFERS, Done.STOPPED) for change in changes):
        click.echo(
            "advice: what differs cannot be changed in place: correct the file, or close it and register another\n"
            "建议：已登记的机构、应用、终端不可直接修改：请更正文件，或注销后另行登记",
            err=True,
        )
        raise SystemExit(FAILED)


@registry.command("list")
@click.argument(
    "kind",
    type=click.Choice(["scenes", "types", "organisations", "applications", "scanners", "matters"]),
    metavar="KIND",
)
@caller_options
@json_option
@explained
def list_kind(profile: CallerProfile, kind: str, as_json: bool) -> None:
    """List what is registered (登记清单).

    KIND is scenes, types (of licences), organisations, applications, scanners or matters. Any operator may ask.
    """
    read, columns, cells = _KINDS[kind]
    with profile.connect() as client:
        entries = list(read(client))
    if as_json:
        print_json([message_dict(entry) for entry in entries])
        return
    print_table(f"{kind} 登记清单", columns, (cells(entry) for entry in entries))


@registry.command("make-key")
@click.argument("file", type=_FILE)
@explained
def make_key(file: Path) -> None:
    """Make an application's encryption key (加密密钥).

    This asks no node. The private key goes into a new FILE (PKCS #8, DER, mode 0600) and stays with the application;
    the public key that is printed goes into the registry file as encryption_key.
    """
    from govcode_node.commands.application_keys import make_application_key

    click.echo(make_application_key(file).public_key.to_point().hex())


@registry.command("make-code")
@click.argument("app_id")
@click.argument("matter_code")
@click.option("--name", required=True, help="Of the counter or matter, as holders will see it.")
@click.option("--output", type=_FILE, help="Also write the symbol: .png or .svg.")
@caller_options
@explained
def make_code(profile: CallerProfile, app_id: str, matter_code: str, name: str, output: Path | None) -> None:
    """Make a printed code of a matter (事项码).

    A holder who scans it is asked for what the matter of the application covers.
    The caller must be a business operator.
    """
    from govcode_node.commands.matter_codes import make_matter_code
    from govcode_node.domain.codes import ErrorLevel
    from govcode_node.symbols import render_png, render_svg

    renderers = {".png": render_png, ".svg": render_svg}
    if output is not None and output.suffix not in renderers:
        raise click.UsageError("--output must end in .png or .svg")
    with profile.connect() as client:
        text = make_matter_code(client, app_id=app_id, matter_code=matter_code, name=name)
    if output is not None:
        # Printed and touched: the level that stands the loss of a quarter.
        output.write_bytes(renderers[output.suffix](text, error_level=ErrorLevel.Q, scale=8))
    click.echo(text)


def _scope(matter: Any) -> str:
    parts = []
    for item in matter.items:
        names = [*item.field_names, *(["document"] if item.document else [])]
        parts.append(f"{item.license_type}: {', '.join(names)}")
    return "; ".join(parts)


def _sensitive(kind: Any) -> str:
    names = [field.name for field in kind.fields if field.sensitive]
    return ", ".join([*names, *(["document"] if kind.document_sensitive else [])])


_Kind = tuple[Callable[["Client"], Iterable[Any]], tuple[str, ...], Callable[[Any], tuple[str, ...]]]
_KINDS: Final[dict[str, _Kind]] = {
    "scenes": (
        lambda client: client.business.list_scenes(),
        ("scene 场景", "version", "name", "class", "fields"),
        lambda one: (
            str(one.scene_no),
            str(one.version),
            one.name,
            enum_word(one, "scene_class"),
            ", ".join(field.name for field in one.fields),
        ),
    ),
    "types": (
        lambda client: client.business.list_license_types(),
        ("licence type 证照类型", "version", "name", "fields", "sensitive 敏感"),
        lambda one: (
            one.license_type,
            str(one.version),
            one.name,
            ", ".join(field.name for field in one.fields),
            _sensitive(one),
        ),
    ),
    "organisations": (
        lambda client: client.business.list_relying_parties(),
        ("USCC 统一社会信用代码", "name", "state", "purpose", "contact"),
        lambda one: (one.uscc, one.name, enum_word(one, "state"), one.purpose, one.contact),
    ),
    "applications": (
        lambda client: client.business.list_applications(),
        ("application 应用", "kind", "name", "state", "scenes"),
        lambda one: (
            one.app_id,
            enum_word(one, "kind"),
            one.name,
            enum_word(one, "state"),
            ", ".join(str(number) for number in one.scene_nos),
        ),
    ),
    "scanners": (
        lambda client: client.business.list_scanners(),
        ("scanner 终端", "application", "place", "state"),
        lambda one: (one.device_id, one.app_id, one.place, enum_word(one, "state")),
    ),
    "matters": (
        lambda client: client.business.list_matters(),
        ("application 应用", "matter 事项", "version", "name", "scope", "uses", "statute"),
        lambda one: (
            one.app_id,
            one.matter_code,
            str(one.version),
            one.name,
            _scope(one),
            str(one.max_uses),
            one.statutory_basis.statute,
        ),
    ),
}
