"""Authorizations as holders and auditors see them (授权): `govcode authorization`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from govcode_node.commands.profiles import CallerProfile
from govcode_node.commands.screen import (
    caller_options,
    enum_word,
    explained,
    fail,
    json_option,
    local_time,
    message_dict,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from govcode_client import Client

T = TypeVar("T")

_NONE = "none / 无"

_as_option = click.option(
    "--as", "holder_name", required=True, metavar="NAME", help="Synthetic subject: name, citizen id or USCC."
)


@click.group()
def authorization() -> None:
    """See and export what holders granted (授权)."""


@authorization.command("list")
@caller_options
@_as_option
@json_option
@explained
def list_authorizations(profile: CallerProfile, holder_name: str, as_json: bool) -> None:
    """List a synthetic holder's authorizations, newest first (授权记录).

    It does what a holders' application does; those by statutory duty are among them.
    """
    entries = _as_holder(
        profile, holder_name, lambda client, token: list(client.authorizations.list(session_token=token))
    )
    if as_json:
        print_json([message_dict(entry) for entry in entries])
        return
    if not entries:
        click.echo(_NONE)
        return
    rows = (
        (
            entry.authorization_id,
            local_time(entry.request_time),
            enum_word(entry, "state"),
            entry.relying_party_name,
            entry.matter_name,
            ", ".join(item.license_type_name or item.license_type for item in entry.items),
        )
        for entry in entries
    )
    columns = ("authorization 授权", "asked", "state", "recipient", "matter", "licences")
    print_table("authorizations 授权记录", columns, rows)


@authorization.command("uses")
@caller_options
@_as_option
@click.option("--authorization", "authorization_id", default="", metavar="ID", help="Only uses of this one.")
@json_option
@explained
def list_uses(profile: CallerProfile, holder_name: str, authorization_id: str, as_json: bool) -> None:
    """List the uses of a holder's licences, newest first (用证记录)."""

    def ask(client: "Client", token: str) -> list[Any]:
        uses = client.authorizations.list_license_uses(session_token=token, authorization_id=authorization_id)
        return list(uses)

    entries = _as_holder(profile, holder_name, ask)
    if as_json:
        print_json([message_dict(entry) for entry in entries])
        return
    if not entries:
        click.echo(_NONE)
        return
    rows = (
        (
            local_time(entry.begin_time),
            entry.relying_party_name,
            entry.matter_code,
            entry.license_type,
            entry.license_node_id,
            enum_word(entry, "state"),
        )
        for entry in entries
    )
    columns = ("when", "recipient", "matter", "licence", "held at", "state")
    print_table("uses of licences 用证记录", columns, rows)


@authorization.command("show")
@click.argument("authorization_id")
@caller_options
@_as_option
@json_option
@explained
def show(profile: CallerProfile, authorization_id: str, holder_name: str, as_json: bool) -> None:
    """Show one authorization to its holder (授权详情).

    While it waits for the decision, the consent page (告知页) is shown too.
    """
    answer = _as_holder(
        profile,
        holder_name,
        lambda client, token: client.authorizations.get(authorization_id=authorization_id, session_token=token),
    )
    if as_json:
        print_json(message_dict(answer))
        return
    entry = answer.authorization
    facts = {
        "state 状态": enum_word(entry, "state"),
        "recipient 接收方": f"{entry.relying_party_name} {entry.relying_party_uscc}",
        "matter 事项": f"{entry.matter_name} {entry.matter_code}",
        "purpose 目的": entry.purpose,
        "basis 依据": enum_word(entry, "legal_basis"),
        "asked 申请": local_time(entry.request_time),
        "decided 决定": local_time(entry.decide_time) or "-",
        "ends 有效期至": local_time(entry.end_time) or "-",
        "withdrawn 撤回": local_time(entry.withdraw_time) or "-",
    }
    for item in entry.items:
        parts = [*item.field_names, *(["document"] if item.document else [])]
        left = entry.remaining_uses.get(item.item_no)
        facts[f"{item.item_no}. {item.license_type}"] = ", ".join(parts) + (
            "" if left is None else f"; {left} uses left"
        )
    print_table(f"authorization {authorization_id}", ("", ""), facts.items())
    if answer.page.notice_text:
        click.echo(answer.page.notice_text)


@authorization.command("export")
@click.argument("authorization_id")
@caller_options
@click.option("--as", "holder_name", metavar="NAME", help="Synthetic subject; without it the caller is an auditor.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="A new file, mode 0600; printed otherwise."
)
@explained
def export(profile: CallerProfile, authorization_id: str, holder_name: str | None, output: Path | None) -> None:
    """Export an authorization with its evidence (导出证据).

    The caller must be an audit operator, or a holders' application with --as.

    The JSON has the requests, the holder's decision, the grant, its uses and the trust bundle, each with its signature;
    clients/go/cmd/verify-consent checks it without asking any node.
    """
    import json

    if holder_name is None:
        with profile.connect() as client:
            answer = client.authorizations.export(authorization_id=authorization_id)
    else:
        answer = _as_holder(
            profile,
            holder_name,
            lambda client, token: client.authorizations.export(authorization_id=authorization_id, session_token=token),
        )
    if output is None:
        print_json(message_dict(answer))
        return
    # It says who asked whom for what: as private as the records of the node.
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(message_dict(answer), ensure_ascii=False, indent=2) + "\n")
    click.echo(f"{output}")


def _as_holder(profile: CallerProfile, holder_name: str, ask: "Callable[[Client, str], T]") -> T:
    """It asks with the session of a synthetic holder, opened anew where the kept one has ended."""
    from govcode_client import NodeError

    from govcode_node.commands.holders import HolderBackEnd, SessionShelf, find_holder

    if profile.holders_file is None or profile.sessions_dir is None:
        fail("error: the profile names no holders_file and sessions_dir", "advice: use a profile that `make run` wrote")
    holder = find_holder(profile.holders_file, holder_name)
    shelf = SessionShelf(profile.sessions_dir)
    with profile.connect() as client:
        back_end = HolderBackEnd(client)
        try:
            return ask(client, shelf.session(holder, back_end).token)
        except NodeError as error:
            if error.reason != "SESSION_INVALID":
                raise
            return ask(client, shelf.session(holder, back_end, fresh=True).token)
