"""Codes as their callers see them: `govcode code`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
)

if TYPE_CHECKING:
    from govcode.code.v1 import code_application_service_pb2
    from govcode.common.v1 import verdict_pb2

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def code() -> None:
    """Present, scan, verify, draw, read codes (政务服务码)."""


@code.command()
@caller_options
@click.option("--as", "holder_name", required=True, metavar="NAME", help="Synthetic subject: name, citizen id or USCC.")
@click.option("--on-behalf-of", metavar="NAME", help="Show the code of this subject (代亮); needs a relation.")
@click.option("--scene", "scene_no", type=click.IntRange(0, 65535), default=0, help="Scene that the code is for.")
@click.option("--one-time", is_flag=True, help="Good for one use only.")
@click.option("--signed", is_flag=True, help="Sealed by SM2, so that other regions can check it on their own.")
@click.option("--png", type=_FILE, help="Also write the symbol to this file.")
@click.option("--qr/--no-qr", default=True, help="Whether to draw the symbol here.")
@json_option
@explained
def present(
    *,
    profile: CallerProfile,
    holder_name: str,
    on_behalf_of: str | None,
    scene_no: int,
    one_time: bool,
    signed: bool,
    png: Path | None,
    qr: bool,
    as_json: bool,
) -> None:
    """Show a synthetic subject's code (亮码).

    It does what a holders' application does.

    Account, device and session of the subject are made when they are first needed, and kept beside the profile.
    """
    from govcode.code.v1 import code_application_service_pb2 as pb
    from govcode.code.v1 import service_code_pb2

    from govcode_node.commands.holders import new_serial
    from govcode_node.symbols import render_png, render_terminal

    profiles = {
        False: service_code_pb2.CODE_PROFILE_UNSPECIFIED,
        True: service_code_pb2.CODE_PROFILE_SIGNED,
    }
    request = pb.PresentCodeRequest(
        biz_serial=new_serial("PRESENT"),
        scene_no=scene_no,
        terminal_type=service_code_pb2.TERMINAL_TYPE_APP,
        profile=profiles[signed],
        one_time=one_time,
    )
    answer = _present(profile, holder_name, on_behalf_of, request)
    if png is not None:
        png.write_bytes(render_png(answer.code.code_text, scale=8))
    if as_json:
        print_json(message_dict(answer))
        return
    if qr:
        _draw(render_terminal(answer.code.code_text))
    click.echo(answer.code.code_text)
    expires = local_time(answer.code.expire_time)
    reused = ", shown before" if answer.reused else ""
    click.echo(f"valid until {expires}, refresh after {answer.code.refresh_after.ToSeconds()} s{reused}", err=True)


def _present(
    profile: CallerProfile,
    holder_name: str,
    on_behalf_of: str | None,
    request: "code_application_service_pb2.PresentCodeRequest",
) -> "code_application_service_pb2.PresentCodeResponse":
    from govcode_client import NodeError

    from govcode_node.commands.holders import HolderBackEnd, SessionShelf, find_holder

    if profile.holders_file is None or profile.sessions_dir is None:
        fail("error: the profile names no holders_file and sessions_dir", "advice: use a profile that `make run` wrote")
    holder = find_holder(profile.holders_file, holder_name)
    dependant = find_holder(profile.holders_file, on_behalf_of) if on_behalf_of is not None else None
    shelf = SessionShelf(profile.sessions_dir)
    with profile.connect() as client:
        back_end = HolderBackEnd(client)
        if dependant is not None:
            request.on_behalf_of_account_id = shelf.session(dependant, back_end).account_id
        request.session_token = shelf.session(holder, back_end).token
        try:
            return client.code_application.PresentCode(request)
        except NodeError as error:
            if error.reason != "SESSION_INVALID":
                raise
            request.session_token = shelf.session(holder, back_end, fresh=True).token
            return client.code_application.PresentCode(request)


@code.command()
@click.argument("text")
@caller_options
@click.option("--scene", "scene_no", type=click.IntRange(1, 65535), help="Scene of the scan; the profile's otherwise.")
@click.option("--place", default="", help="Where, for the holder's records.")
@click.option("--serial", help="Business serial; a new one otherwise. Repeat a scan with the same serial.")
@json_option
@explained
def scan(
    profile: CallerProfile, text: str, scene_no: int | None, place: str, serial: str | None, as_json: bool
) -> None:
    """Scan a code as a relying party does (扫码).

    TEXT is the code text in quotes, since it may have spaces; `-` reads it from standard input.
    The command succeeds where the node answered, whatever the verdict is.
    """
    from govcode.code.v1 import code_application_service_pb2 as pb

    from govcode_node.commands.holders import new_serial

    request = pb.ScanCodeRequest(
        biz_serial=serial or new_serial("SCAN"),
        code_text=_text(text),
        scene_no=_scene(profile, scene_no),
        place=place,
    )
    with profile.connect() as client:
        answer = client.code_application.ScanCode(request)
    _show_judgement(answer, as_json=as_json)


@code.command()
@click.argument("text")
@caller_options
@click.option("--scene", "scene_no", type=click.IntRange(1, 65535), help="Scene; the profile's otherwise.")
@click.option("--serial", help="Business serial; a new one otherwise.")
@json_option
@explained
def verify(profile: CallerProfile, text: str, scene_no: int | None, serial: str | None, as_json: bool) -> None:
    """Judge a code without consuming it (验码).

    Nothing of the holder is shown. TEXT is the code text in quotes; `-` reads it from standard input.
    """
    from govcode.code.v1 import code_base_service_pb2 as pb

    from govcode_node.commands.holders import new_serial

    request = pb.VerifyCodeRequest(
        biz_serial=serial or new_serial("VERIFY"), code_text=_text(text), scene_no=_scene(profile, scene_no)
    )
    with profile.connect() as client:
        answer = client.code_base.VerifyCode(request)
    _show_judgement(answer, as_json=as_json)


@code.command()
@click.argument("text")
@click.option("--output", type=_FILE, help="Write .png or .svg; without it the symbol is drawn here.")
@click.option("--scale", type=click.IntRange(1, 32), default=8, show_default=True, help="Pixels per module.")
@click.option("--level", type=click.Choice(["L", "M", "Q", "H"]), default="M", show_default=True, help="Error level.")
@explained
def render(text: str, output: Path | None, scale: int, level: str) -> None:
    """Draw the symbol of a code text (赋码).

    This asks no node. TEXT is the code text in quotes; `-` reads it from standard input.
    """
    from govcode_node.domain.codes import ErrorLevel
    from govcode_node.symbols import render_png, render_svg, render_terminal

    text, error_level = _text(text), ErrorLevel(level)
    _parsed(text)
    if output is None:
        _draw(render_terminal(text, error_level=error_level))
        return
    renderers = {".png": render_png, ".svg": render_svg}
    if output.suffix not in renderers:
        raise click.UsageError("--output must end in .png or .svg")
    output.write_bytes(renderers[output.suffix](text, error_level=error_level, scale=scale))
    click.echo(f"{output}")


@code.command()
@click.argument("text")
@json_option
@explained
def decode(text: str, as_json: bool) -> None:
    """Read what a code text says, unjudged (解码).

    This asks no node. TEXT is the code text in quotes; `-` reads it from standard input.
    """
    content = _parsed(_text(text)).content
    facts = {
        "profile": content.profile.name,
        "subject": content.subject_kind.name,
        "mode": content.mode.name,
        "home region": str(content.region_code),
        "issuer and key": f"{content.issuer_no} / {content.key_no}",
        "scene": content.scene_no,
        "terminal": content.terminal_type.name,
        "one time": content.one_time,
        "on behalf of somebody": content.proxy,
        "test": content.test_environment,
        "issued": content.issued_at.isoformat(),
        "expires": content.expires_at.isoformat() if content.expires_at else None,
        "code id": content.code_id.hex(),
        "extension": {field.tag: field.value.hex() for field in content.extension},
    }
    if as_json:
        print_json({name.replace(" ", "_"): value for name, value in facts.items()})
        return
    for name, value in facts.items():
        click.echo(f"{name:22} {value}")
    click.echo("nothing of this was checked: only a node can judge the seal", err=True)


def _parsed(text: str) -> Any:
    from govcode_node.domain.codecs import CodecSet, MalformedCodeError
    from govcode_node.domain.zwm1 import Zwm1Codec

    codec = Zwm1Codec()
    try:
        return CodecSet((codec,), issuing=codec.scheme).parse(text)
    except MalformedCodeError as error:
        fail(
            f"error: {error}",
            "advice: give the whole text, from ZWM1: on, in single quotes: it may have spaces and $",
            "建议：请用单引号给出以 ZWM1: 开头的完整码串，其中可能含空格和 $",
        )


def _text(text: str) -> str:
    return sys.stdin.readline().rstrip("\r\n") if text == "-" else text


def _scene(profile: CallerProfile, given: int | None) -> int:
    scene_no = given or profile.scene_no
    if not scene_no:
        raise click.UsageError("give --scene; the profile names none")
    return scene_no


def _draw(symbol: str) -> None:
    try:
        "█▀▄".encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        click.echo("this terminal cannot show the symbol; the option for a file writes it, see --help", err=True)
        return
    click.echo(symbol, nl=False, color=True)


def _show_judgement(answer: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(message_dict(answer))
        return
    verdict: verdict_pb2.Verdict = answer.verdict
    click.echo(f"{enum_word(verdict, 'decision')}  {enum_word(verdict, 'outcome')}")
    click.echo(f"  {verdict.text_zh} / {verdict.text_en} ({verdict.advice})")
    facts = answer.answer
    click.echo(f"  decided by {facts.decided_by_node_id}" + (" for another region" if facts.cross_region else ""))
    for field in facts.fields:
        click.echo(f"  {field.name}: {field.value}")
    if facts.pairwise_id:
        click.echo(f"  pairwise id: {facts.pairwise_id}")
