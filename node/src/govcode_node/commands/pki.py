"""Certificates and keys for development: `govcode pki`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from govcode_node.commands.screen import explained, fail, json_option, print_json

if TYPE_CHECKING:
    from govcode_node.config import Config

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def pki() -> None:
    """Make development certificates and keys (证书与密钥).

    Nothing of this is for production, but for `keys`, which makes the keystore of any node.
    """


@pki.command("init")
@click.option(
    "--identities", type=_FILE, default="certs/identities.toml", show_default=True, help="Table of the identities."
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default="certs/dev",
    show_default=True,
    help="Where the certificates go.",
)
@click.option("--force", is_flag=True, help="Make all of them anew, authorities included.")
@click.option("--config", "configs", type=_FILE, multiple=True, help="Also make the keystore of this node; repeatable.")
@explained
def init(identities: Path, directory: Path, force: bool, configs: tuple[Path, ...]) -> None:
    """Issue development certificates (签发开发证书).

    They are those of a table of identities; with --config also the keystores of nodes.
    What exists and still serves is kept.
    """
    from govcode_node.pki import DevelopmentPki, load_plan

    if not identities.exists():
        raise click.UsageError(f"{identities} does not exist; run this in a checkout or give --identities")
    try:
        plan = load_plan(identities)
    except ValueError as error:
        fail(f"error: {error}")
    authority = DevelopmentPki(directory, force=force)
    issued = authority.issue_all(plan)
    click.echo(f"{len(issued)} certificates under {directory}; roots in {authority.roots_path}")
    for path in configs:
        config = _config(path)
        made = make_keystore(config)
        click.echo(f"{config.node.node_id}: keystore {config.keys.directory} {'made' if made else 'kept'}")


@pki.command("keys")
@click.option("--config", "path", type=_FILE, required=True, envvar="GOVCODE_CONFIG", help="The node's TOML file.")
@json_option
@explained
def keys(path: Path, as_json: bool) -> None:
    """Make a node's keystore, show its public keys (密钥库).

    A keystore that exists is kept.

    The SM2 public key of purpose NODE_SIGN is what the hub's security operator compares before approving a node; the
    hub's own stands in every node's configuration as trust.hub_public_keys.
    """
    config = _config(path)
    made = make_keystore(config)
    shown = public_keys(config)
    if as_json:
        print_json({"node_id": config.node.node_id, "made": made, "keys": shown})
        return
    click.echo(f"{config.node.node_id}: keystore {config.keys.directory} {'made' if made else 'kept'}")
    for key in shown:
        click.echo(f"{key['purpose']}  {key['key_id']}  {key['state']}\n  {key['public_key']}")


def _config(path: Path) -> "Config":
    from govcode_node.config import load_config

    return load_config(path)


def make_keystore(config: "Config") -> bool:
    """It makes the node's keystore and key-encryption key where there is none; whether it did.

    Raises:
        KeystoreError: A file cannot be written.
    """
    from govcode_node.crypto.keyprovider import create_node_keys
    from govcode_node.system_clock import SystemClock

    directory = config.keys.directory
    if directory.is_dir() and any(directory.glob("*.json")):
        return False
    create_node_keys(directory, config.keys.kek_file, config.node.node_id, SystemClock())
    return True


def public_keys(config: "Config") -> list[dict[str, Any]]:
    """It lists the node's keys that have a public part.

    Raises:
        KeystoreError: The keystore cannot be read.
    """
    from govcode_node.crypto.keyprovider import SoftwareKeyStore
    from govcode_node.system_clock import SystemClock

    store = SoftwareKeyStore(config.keys.directory, config.keys.kek_file, clock=SystemClock())
    return [
        {
            "purpose": info.purpose.value,
            "key_id": info.key_id,
            "key_no": info.key_no,
            "state": info.state.value,
            "public_key": info.public_point.hex(),
        }
        for info in store.infos()
        if info.public_point is not None
    ]
