"""Running a node: `govcode serve`, `check-config`, `migrate`."""

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from govcode_node.commands.screen import explained, fail, json_option, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from govcode_node.config import Config, Fault

_CONFIG_ADVICE = """\
advice: correct these options; deploy/config/node.full.toml explains every one
建议：请修改以上配置项；每个配置项的说明见 deploy/config/node.full.toml"""

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="GOVCODE_CONFIG",
    required=True,
    help="The node's TOML file (GOVCODE_CONFIG); deploy/config/node.full.toml has every option.",
)


@click.command()
@config_option
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the bound address here once the node serves; useful where the port is 0.",
)
@click.option("--stop-at-eof", is_flag=True, help="Stop when standard input ends too; for programs that start nodes.")
@explained
def serve(config_path: Path, ready_file: Path | None, stop_at_eof: bool) -> None:
    """Run the node until SIGTERM or SIGINT (运行节点).

    Calls under way are finished first. The log goes to stderr.
    """
    config = _sound_config(config_path)
    if stop_at_eof:
        threading.Thread(target=_stop_at_eof, name="stop-at-eof", daemon=True).start()
    from govcode_node import app

    asyncio.run(app.serve(config, ready_file=ready_file))


@click.command("check-config")
@click.argument("config_path", type=click.Path(path_type=Path, dir_okay=False), metavar="CONFIG")
@click.option("--files/--no-files", default=True, help="Whether the files that it names must be there.")
@json_option
@explained
def check_config(config_path: Path, files: bool, as_json: bool) -> None:
    """Name all faults of a configuration (检查配置).

    Without faults it shows every option in effect.
    """
    from govcode_node.config import ConfigError, describe, load_config, missing_files

    advice = _CONFIG_ADVICE
    try:
        config = load_config(config_path)
        faults = missing_files(config) if files else ()
        advice = _advice_on(faults, config_path)
    except ConfigError as error:
        faults = error.faults
    if as_json:
        options = {} if faults else describe(config)
        print_json(
            {"faults": [{"option": fault.path, "message": fault.message} for fault in faults], "options": options}
        )
        raise SystemExit(1 if faults else 0)
    if faults:
        fail(f"{config_path} has faults:", *(f"  {fault}" for fault in faults), advice)
    for option, value in describe(config).items():
        click.echo(f"{option} = {value}")
    click.echo(f"{config_path} is sound")


@click.command()
@config_option
@explained
def migrate(config_path: Path) -> None:
    """Bring the database to this program's schema (升级数据库).

    A database that does not exist is made.
    """
    from govcode_node.config import load_config
    from govcode_node.storage.schema import migrate as migrate_schema

    config = load_config(config_path)
    version = migrate_schema(config.storage.url.text)
    click.echo(f"schema {version}: {config.storage.url}")


def _stop_at_eof() -> None:
    """It waits for the end of standard input, which comes also when the program at its other end is killed."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _sound_config(path: Path) -> "Config":
    from govcode_node.config import load_config, missing_files

    config = load_config(path)
    faults = missing_files(config)
    if faults:
        fail(f"{path}: files are missing:", *(f"  {fault}" for fault in faults), _advice_on(faults, path))
    return config


def _advice_on(faults: "Sequence[Fault]", path: Path) -> str:
    options = {fault.path for fault in faults}
    advice = []
    if any(option.startswith("server.") for option in options):
        advice.append("in a checkout, `govcode pki init` makes development certificates in certs/dev (生成开发证书)")
    if any(option.startswith("keys.") for option in options):
        advice.append(f"`govcode pki keys --config {path}` makes the node's keystore (生成密钥库)")
    return "\n".join(f"advice: {line}" for line in advice)
