"""`govcode`: exit codes, explanations, and what it writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from govcode_client import HolderDevice
from govcode_node.cli import main
from govcode_node.commands.holders import BrokenShelfError, HolderSession, kept_session, load_device
from govcode_node.commands.profiles import CallerProfile, ProfileError
from govcode_node.demo.plan import CHECKOUT, PEOPLE_FILE

CODE = "ZWM1:GHBX62W50L 0YM0V50V50H20SV0WEDTV00U3+LK+CN**6G+HTXA-:S.DL77EY%LT E 72/3OY/M1+4W$JZN6"
EVERY_COMMAND = [
    ["serve"],
    ["check-config"],
    ["migrate"],
    ["pki"],
    ["pki", "init"],
    ["pki", "keys"],
    ["code"],
    ["code", "present"],
    ["code", "scan"],
    ["code", "verify"],
    ["code", "render"],
    ["code", "decode"],
    ["registry"],
    ["registry", "apply"],
    ["registry", "list"],
    ["registry", "make-key"],
    ["registry", "make-code"],
    ["authorization"],
    ["authorization", "list"],
    ["authorization", "uses"],
    ["authorization", "show"],
    ["authorization", "export"],
    ["hub"],
    ["hub", "nodes"],
    ["hub", "approve"],
    ["hub", "suspend"],
    ["status"],
    ["audit"],
    ["audit", "list"],
    ["demo"],
    ["demo", "play"],
    ["demo", "run"],
    ["sandbox"],
]


def govcode(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def node_toml(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(
        """
        [node]
        node_id = "420100"
        region_code = "420100"
        name = { zh = "武汉市", en = "Wuhan" }
        [server]
        certificate = "certs/federation/node-420100.pem"
        key = "certs/federation/node-420100.key"
        roots = "certs/roots.pem"
        federation_ca = "certs/federation/ca.pem"
        region_cas = { 420100 = "certs/regions/420100/ca.pem" }
        """,
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    shown = govcode(*command, "--help")
    assert shown.exit_code == 0
    assert shown.output.startswith("Usage: ")


def test_the_help_names_every_command() -> None:
    listed = govcode("--help").output.split("Commands:")[1]
    assert {line.split()[0] for line in listed.splitlines() if line.strip()} == {words[0] for words in EVERY_COMMAND}


@pytest.mark.parametrize(
    "arguments",
    [["dance"], ["code", "scan"], ["code", "scan", CODE], ["status"], ["code", "render", CODE, "--scale", "99"]],
)
def test_a_wrong_command_line_gives_2(arguments: list[str]) -> None:
    assert govcode(*arguments).exit_code == 2


def test_a_faulty_configuration_is_told_whole(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text('[node]\nnode_id = "x"\n[codes]\ndynamic_validity = "1s"\n', encoding="utf-8")
    shown = govcode("check-config", path)
    assert shown.exit_code == 1
    for option in ("node.node_id", "node.region_code", "server.certificate", "codes.dynamic_validity"):
        assert option in shown.output
    told = json.loads(govcode("check-config", path, "--json").output)
    assert {fault["option"] for fault in told["faults"]} >= {"node.node_id", "codes.dynamic_validity"}


def test_missing_files_are_told_with_what_makes_them(node_toml: Path) -> None:
    assert govcode("check-config", node_toml, "--no-files").exit_code == 0
    shown = govcode("serve", "--config", node_toml)
    assert shown.exit_code == 1
    assert "server.certificate" in shown.output
    assert "govcode pki" in shown.output


def test_certificates_and_keystore_make_a_node_ready_to_start(node_toml: Path) -> None:
    identities = CHECKOUT / "certs" / "identities.toml"
    directory = node_toml.with_name("certs")
    made = govcode("pki", "init", "--identities", identities, "--directory", directory, "--config", node_toml)
    assert made.exit_code == 0, made.output
    assert govcode("check-config", node_toml).exit_code == 0
    kek = node_toml.with_name("keys") / "kek"
    assert kek.stat().st_mode & 0o777 == 0o600
    assert govcode("migrate", "--config", node_toml).exit_code == 0
    assert node_toml.with_name("govcode.db").exists()


def test_keys_are_made_once_and_only_their_public_parts_are_shown(node_toml: Path) -> None:
    first = json.loads(govcode("pki", "keys", "--config", node_toml, "--json").output)
    again = json.loads(govcode("pki", "keys", "--config", node_toml, "--json").output)
    assert (first["made"], again["made"]) == (True, False)
    assert first["keys"] == again["keys"]
    assert {key["purpose"] for key in first["keys"]} >= {"NODE_SIGN", "NODE_ENC", "CODE_SEAL"}
    assert all(key["public_key"].startswith("04") and len(key["public_key"]) == 130 for key in first["keys"])


def test_a_code_is_read_and_drawn_without_a_node(tmp_path: Path) -> None:
    said = json.loads(CliRunner().invoke(main, ["code", "decode", "-", "--json"], input=CODE + "\n").stdout)
    assert (said["home_region"], said["one_time"], said["profile"]) == ("420100", True, "MAC")
    assert govcode("code", "render", CODE, "--output", tmp_path / "code.png").exit_code == 0
    assert (tmp_path / "code.png").read_bytes().startswith(b"\x89PNG")
    assert govcode("code", "render", CODE, "--output", tmp_path / "code.gif").exit_code == 2


def test_a_text_that_is_no_code_gives_1_and_its_fault() -> None:
    for verb in ("decode", "render"):
        shown = govcode("code", verb, CODE[:-1])
        assert shown.exit_code == 1
        assert "not a well-formed code" in shown.output


def test_a_node_that_is_not_there_is_told_with_advice(tmp_path: Path) -> None:
    pki = tmp_path / "certs"
    govcode("pki", "init", "--identities", CHECKOUT / "certs" / "identities.toml", "--directory", pki)
    profile = CallerProfile(
        node="127.0.0.1:1",
        certificate=pki / "regions" / "420100" / "operator-audit.pem",
        key=pki / "regions" / "420100" / "operator-audit.key",
        roots=pki / "roots.pem",
    )
    profile.write(tmp_path / "audit.toml")
    shown = govcode("status", "--profile", tmp_path / "audit.toml")
    assert shown.exit_code == 1
    assert "no node answers at 127.0.0.1:1" in shown.output
    assert "advice: " in shown.output


def test_a_profile_comes_back_as_it_was_written(tmp_path: Path) -> None:
    profile = CallerProfile(
        node="127.0.0.1:7443",
        certificate=tmp_path / "a.pem",
        key=tmp_path / "a.key",
        roots=tmp_path / "roots.pem",
        server_name="420100.node.federation.govcode",
        device_id="counter-scanner-1",
        scene_no=1,
        holders_file=PEOPLE_FILE,
        sessions_dir=tmp_path / "会话",
    )
    profile.write(tmp_path / "profile.toml")
    assert CallerProfile.load(tmp_path / "profile.toml") == profile


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("node = 7", "certificate, key, roots missing"),
        ('node = 7\ncertificate = "a"\nkey = "b"\nroots = "c"', "node must be a text"),
        ('nod = "x"', "unknown keys nod"),
        ("nod", "no TOML"),
    ],
)
def test_a_faulty_profile_is_refused_with_its_fault(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "profile.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError, match=fault):
        CallerProfile.load(path)


def test_the_command_line_loads_neither_grpc_nor_sql_before_it_needs_them() -> None:
    probe = (
        "import sys; from click.testing import CliRunner; from govcode_node.cli import main;"
        "result = CliRunner().invoke(main, ['--help']); assert result.exit_code == 0, result.output;"
        "heavy = {'grpc', 'sqlalchemy', 'alembic', 'opentelemetry', 'rich'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_address_without_a_port_and_a_key_of_another_certificate_are_told_before_calling(tmp_path: Path) -> None:
    pki = tmp_path / "certs"
    govcode("pki", "init", "--identities", CHECKOUT / "certs" / "identities.toml", "--directory", pki)
    audit, business = (pki / "regions" / "420100" / f"operator-{name}.pem" for name in ("audit", "business"))
    caller: list[str | Path] = ["--cert", audit, "--roots", pki / "roots.pem"]
    no_port = govcode("status", "--node", "127.0.0.1", "--key", audit.with_suffix(".key"), *caller)
    assert (no_port.exit_code, "host:port is needed" in no_port.output) == (1, True)
    mixed = govcode("status", "--node", "127.0.0.1:1", "--key", business.with_suffix(".key"), *caller)
    assert (mixed.exit_code, "are not a certificate and its key" in mixed.output) == (1, True)


def test_advice_is_also_given_in_chinese(tmp_path: Path) -> None:
    assert "建议：" in govcode("code", "decode", "hello").output
    (tmp_path / "node.toml").write_text("", encoding="utf-8")
    assert "建议：" in govcode("check-config", tmp_path / "node.toml").output


def test_output_to_a_terminal_without_chinese_and_to_a_closed_pipe_ends_no_command_in_a_traceback(
    node_toml: Path,
) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    shown = [sys.executable, "-m", "govcode_node.cli", "check-config", "--no-files", str(node_toml)]
    plain = subprocess.run(shown, capture_output=True, text=True, env=environment, check=False)
    assert (plain.returncode, plain.stderr) == (0, "")
    assert "node.name.zh = ???" in plain.stdout
    with subprocess.Popen(shown, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as cut:
        assert cut.stdout is not None
        assert cut.stderr is not None
        cut.stdout.close()
        assert cut.stderr.read() == ""


def test_a_kept_session_that_cannot_be_read_counts_as_none_and_a_broken_key_is_named(tmp_path: Path) -> None:
    device = HolderDevice.generate()
    kept = tmp_path / "kept.json"
    for text in ("{", "[]", "{}", "\xff"):
        kept.write_text(text, encoding="latin-1")
        assert kept_session(kept, device) is None
    kept.write_text('{"token": "t", "account_id": "ac_1"}', encoding="utf-8")
    assert kept_session(kept, device) == HolderSession(device=device, token="t", account_id="ac_1")
    (tmp_path / "broken.key").write_bytes(b"junk")
    with pytest.raises(BrokenShelfError, match=r"broken\.key holds no device key; remove it"):
        load_device(tmp_path / "broken.key")
