import ast
import dataclasses
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from govcode_node.config import Config, ConfigError, describe, load_config, missing_files
from govcode_node.config_values import Endpoint, Rate, format_duration, parse_duration
from govcode_node.domain.callers import OperatorRole
from govcode_node.domain.disclosure import FieldName, FieldRule
from govcode_node.domain.regions import RegionCode
from govcode_node.domain.scenes import SceneClass
from hypothesis import given
from hypothesis import strategies as st

FULL = Path(__file__).parents[2] / "deploy" / "config" / "node.full.toml"

# The base point of the SM2 curve (GB/T 32918.5): a public key that is certainly on it.
POINT = (
    "0432c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7"
    "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0"
)
NEGATED = (
    POINT[:66] + f"{0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF - int(POINT[66:], 16):064x}"
)

MINIMAL = {
    "node": {
        "node_id": '"110000"',
        "region_code": '"110000"',
        "name": '{ zh = "北京市", en = "Beijing" }',
    },
    "server": {
        "certificate": '"tls/node.pem"',
        "key": '"tls/node.key"',
        "roots": '"tls/roots.pem"',
        "federation_ca": '"tls/federation.pem"',
        "region_cas": '{ 110000 = "tls/region.pem" }',
    },
}


def write(folder: Path, changes: dict[str, str | None] | None = None, *, name: str = "node.toml") -> Path:
    """Writes the smallest good configuration with options set (`section.option`: TOML) or, by None, left out."""
    sections: dict[str, dict[str, str]] = {section: dict(options) for section, options in MINIMAL.items()}
    top = ""
    for path, value in (changes or {}).items():
        section, _, option = path.rpartition(".")
        if not section:
            top += f"{option} = {value}\n"
        elif value is None:
            del sections[section][option]
        else:
            sections.setdefault(section, {})[option] = value
    text = top + "".join(
        f"[{section}]\n" + "".join(f"{option} = {value}\n" for option, value in options.items())
        for section, options in sections.items()
    )
    folder.mkdir(parents=True, exist_ok=True)
    path_written = folder / name
    path_written.write_text(text, encoding="utf-8")
    return path_written


def faults_of(path: Path) -> dict[str, str]:
    with pytest.raises(ConfigError) as refusal:
        load_config(path)
    faults = refusal.value.faults
    assert all(str(fault) in str(refusal.value) for fault in faults)
    assert len({fault.path for fault in faults}) == len(faults)
    return {fault.path: fault.message for fault in faults}


def test_smallest_configuration_has_the_defaults_of_the_domain(tmp_path: Path) -> None:
    config = load_config(write(tmp_path))
    assert config.node.region_code == RegionCode("110000")
    assert config.codes.dynamic_validity == timedelta(seconds=120)
    assert config.codes.dynamic_refresh == timedelta(seconds=60)
    assert config.codes.supersede_grace == timedelta(seconds=5)
    assert config.codes.one_time_validity == timedelta(seconds=180)
    assert config.codes.static_validity == timedelta(days=365)
    assert config.trust.warn_after == timedelta(hours=1)
    assert config.server.max_message_bytes == 64 * 1024
    assert config.server.max_batch_bytes == 1024 * 1024
    assert config.server.default_deadline == timedelta(seconds=10)
    assert not config.hub.enabled
    assert not config.server.reflection
    assert config.telemetry.otlp_endpoint is None
    assert config.disclosure == {}
    assert config.operators == {}


@pytest.mark.req("5-02")
def test_one_program_is_two_regions_by_configuration_alone(tmp_path: Path) -> None:
    beijing = load_config(write(tmp_path / "beijing"))
    shanghai = load_config(
        write(
            tmp_path / "shanghai",
            {
                "node.node_id": '"310000"',
                "node.region_code": '"310000"',
                "node.name": '{ zh = "上海市", en = "Shanghai" }',
                "server.region_cas": '{ 310000 = "tls/region.pem" }',
                "trust.hub_endpoints": '["hub.example.cn:7443"]',
                "trust.hub_public_keys": f'["{POINT}"]',
            },
        )
    )
    differing = {path for path, value in describe(beijing).items() if describe(shanghai).get(path) != value}
    assert (str(beijing.node.region_code), str(shanghai.node.region_code)) == ("110000", "310000")
    assert {"keys.directory", "keys.kek_file", "trust.hub_endpoints", "storage.url"} <= differing
    assert shanghai.trust.hub_endpoints == (Endpoint("hub.example.cn", 7443),)
    assert beijing.codes == shanghai.codes


def test_hub_is_a_node_whose_configuration_says_so(tmp_path: Path) -> None:
    config = load_config(
        write(tmp_path, {"hub.enabled": "true", "node.node_id": '"000000"', "node.region_code": '"000000"'})
    )
    assert config.hub.enabled


def test_relative_paths_start_from_the_folder_of_the_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, {"identity.people_file": '"people.toml"', "keys.kek_file": '"/etc/kek"'}))
    assert config.server.certificate == tmp_path / "tls/node.pem"
    assert config.server.region_cas == {RegionCode("110000"): tmp_path / "tls/region.pem"}
    assert config.identity.people_file == tmp_path / "people.toml"
    assert config.keys.kek_file == Path("/etc/kek")
    assert config.keys.directory == tmp_path / "keys"
    assert config.storage.url.text == f"sqlite:///{tmp_path}/govcode.db"


def test_typed_values_are_read(tmp_path: Path) -> None:
    config = load_config(
        write(
            tmp_path,
            {
                "server.listen": '"[::1]:0"',
                "limits.per_subject": '"5/10s"',
                "disclosure.COUNTER": '["name", "id_number:whole"]',
                "operators.wang": '["audit"]',
                "trust.hub_public_keys": f'["{POINT}", "{NEGATED.upper()}"]',
                "telemetry.trace_ratio": "1",
            },
        )
    )
    assert (config.server.listen.host, config.server.listen.port) == ("[::1]", 0)
    assert config.limits.per_subject == Rate(5, timedelta(seconds=10))
    assert config.disclosure == {
        SceneClass.COUNTER: (FieldRule(FieldName.NAME), FieldRule(FieldName.ID_NUMBER, unmasked=True))
    }
    assert config.operators == {"wang": (OperatorRole.AUDIT,)}
    assert config.trust.hub_public_keys == (POINT, NEGATED)
    assert config.telemetry.trace_ratio == 1.0


SINGLE_FAULTS = [
    # What is required.
    ("node.node_id", None, "required"),
    ("server.certificate", None, "required"),
    # Unknown options, at every depth.
    ("nodes.node_id", '"110000"', "did you mean node?"),
    ("server.lissten", '"127.0.0.1:1"', "did you mean listen?"),
    # Wrong kinds of value.
    ("storage.batch_limit", '"4"', "whole number"),
    ("storage.batch_limit", "true", "whole number"),
    ("storage.batch_limit", "0", "between 1 and 10000"),
    ("server.reflection", "1", "true or false"),
    ("server.certificate", "1", "text"),
    ("server.certificate", '""', "path"),
    ("server.listen", '"127.0.0.1"', "host:port"),
    ("server.listen", '"127.0.0.1:65536"', "host:port"),
    ("server.listen", '"127.0.0.1:８０"', "host:port"),
    ("server.max_message_bytes", "65536", "text"),
    ("server.max_message_bytes", '"64KB"', "KiB"),
    ("server.max_message_bytes", '"1GiB"', "between"),
    ("server.region_cas", '"tls/region.pem"', "table"),
    ("telemetry.trace_ratio", "1.5", "between 0 and 1"),
    ("log.level", '"loud"', "debug, info"),
    ("storage.url", '"mysql://root:hunter2@db/x"', "sqlite"),
    ("storage.url", '"sqlite://"', "sqlite"),
    ("storage.url", '"sqlite:///:memory:"', "sqlite"),
    ("limits.per_app", '"fast"', "rate"),
    ("limits.per_app", '"0/1s"', "rate"),
    ("limits.per_app", '"1/0s"', "rate"),
    # Hard limits of the timing rules (domain 4.2).
    ("codes.dynamic_validity", "120", "text"),
    ("codes.dynamic_validity", '"2 m"', "duration"),
    ("codes.dynamic_validity", '"601s"', "between 15s and 600s, is 601s"),
    ("codes.dynamic_refresh", '"14s"', "between 15s"),
    ("codes.dynamic_refresh", '"120s"', "shorter than codes.dynamic_validity"),
    ("codes.one_time_validity", '"301s"', "300s"),
    ("codes.static_validity", '"1096d"', "1095d"),
    ("codes.static_validity", '"999999999d"', "1095d"),
    ("trust.warn_after", '"72h"', "shorter than 72h"),
    ("federation.forward_timeout", '"3s"', "2s"),
    # Lists and tables.
    ("server.advertised", '"node.example.cn:7443"', "list"),
    ("server.advertised", '["a:1", "b:1", "c:1", "d:1", "e:1", "f:1", "g:1", "h:1", "i:1"]', "0 to 8"),
    ("codes.scheme", '"zwm 1"', "code scheme"),
    ("operators.wang", '["business", "audit"]', "1 to 1"),
    ("operators.wang", "[]", "1 to 1"),
    ("operators.Wang", '["audit"]', "operator's name"),
    ("disclosure.OFFICE", '["name"]', "COUNTER"),
    ("disclosure.COUNTER", '["name", "name"]', "twice"),
    ("trust.hub_public_keys", f'["{POINT}", "{POINT}"]', "twice"),
    # Rules between options.
    ("node.node_id", '"310000"', "begin with"),
    ("hub.enabled", "true", "000000"),
    ("server.advertised", '["0.0.0.0:7443"]', "wildcard"),
    ("server.max_batch_bytes", '"32KiB"', "smaller"),
]


@pytest.mark.parametrize(("path", "value", "part"), SINGLE_FAULTS)
def test_each_fault_alone_names_its_option(tmp_path: Path, path: str, value: str | None, part: str) -> None:
    faults = faults_of(write(tmp_path, {path: value}))
    expected = path.split(".", maxsplit=1)[0] if path.startswith("nodes.") else path
    assert list(faults) == [expected]
    assert part in faults[expected]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"trust.hub_endpoints": '["hub:7443"]'}, "trust.hub_public_keys"),
        ({"trust.hub_endpoints": '["hub:0"]', "trust.hub_public_keys": f'["{POINT}"]'}, "trust.hub_endpoints[0]"),
        ({"trust.hub_public_keys": f'["{POINT}", "04ff"]'}, "trust.hub_public_keys[1]"),
        ({"trust.hub_public_keys": f'["{POINT[:-1]}1"]'}, "trust.hub_public_keys[0]"),
        ({"server.region_cas": None}, "server.region_ca_dir"),
        ({"server.region_cas": '{ 999 = "x" }'}, "server.region_cas.999"),
        ({"server.listen": '"0.0.0.0:7443"'}, "server.advertised"),
        ({"storage.queue_limit": "100"}, "storage.batch_limit"),
        ({"server.advertised": '["node.example.cn:7443", "node.example.cn"]'}, "server.advertised[1]"),
        ({"node.name": '{ zh = "北京市" }'}, "node.name.en"),
        ({"node.name": '{ zh = "北京市", en = "Beijing", fr = "Pékin" }'}, "node.name.fr"),
        ({"disclosure.GATE": '["name", "shoe_size"]'}, "disclosure.GATE[1]"),
        ({"disclosure.GATE": '["name:half"]'}, "disclosure.GATE[0]"),
        ({"node.region_code": '"420001"'}, "node.region_code"),
        ({"licences.synthetic_file": '"licences.toml"'}, "licences.synthetic_file"),
        ({"licences.service_url": '"https://licences.example.cn"'}, "licences.service_url"),
        ({"licences.service_url": '"ftp://licences.example.cn"'}, "licences.service_url"),
    ],
)
def test_fault_in_depth_or_between_options_names_its_place(
    tmp_path: Path, changes: dict[str, str | None], path: str
) -> None:
    assert list(faults_of(write(tmp_path, changes))) == [path]


def test_region_that_is_the_hubs_must_be_the_hub(tmp_path: Path) -> None:
    changes: dict[str, str | None] = {"node.node_id": '"000000"', "node.region_code": '"000000"'}
    assert list(faults_of(write(tmp_path, changes))) == ["hub.enabled"]


def test_all_faults_are_reported_together(tmp_path: Path) -> None:
    faults = faults_of(
        write(
            tmp_path,
            {
                "node.node_id": '"310000"',
                "storage.batch_limit": '"many"',
                "server.lissten": '"x"',
                "server.certificate": None,
                "codes.one_time_validity": '"1h"',
                "codes.dynamic_refresh": '"10m"',
                "server.advertised": '["node.example.cn:7443", "node.example.cn"]',
                "trust.hub_public_keys": '["04", "05"]',
                "operators.wang": '["king"]',
                "log.format": '"xml"',
                "extra.option": "1",
            },
        )
    )
    assert set(faults) == {
        "node.node_id",
        "storage.batch_limit",
        "server.lissten",
        "server.certificate",
        "codes.one_time_validity",
        "codes.dynamic_refresh",
        "server.advertised[1]",
        "trust.hub_public_keys[0]",
        "trust.hub_public_keys[1]",
        "operators.wang[0]",
        "log.format",
        "extra",
    }


def test_rule_over_a_faulty_option_invents_no_fault(tmp_path: Path) -> None:
    changes: dict[str, str | None] = {"codes.dynamic_validity": '"oops"', "codes.dynamic_refresh": '"200s"'}
    assert list(faults_of(write(tmp_path, changes))) == ["codes.dynamic_validity"]


@pytest.mark.parametrize(("section", "value"), [("server", "1"), ("codes", '"fast"'), ("disclosure", "[]")])
def test_value_where_a_table_belongs_is_one_fault(tmp_path: Path, section: str, value: str) -> None:
    path = write(tmp_path)
    text = path.read_text(encoding="utf-8")
    if section == "server":
        text = text[: text.index("[server]")]
    path.write_text(f"{section} = {value}\n{text}", encoding="utf-8")
    assert faults_of(path) == {section: "expected a table"}


def test_absent_and_broken_files_are_refused(tmp_path: Path) -> None:
    assert "cannot read" in faults_of(tmp_path / "absent.toml")[""]
    broken = tmp_path / "broken.toml"
    broken.write_text("[node\n", encoding="utf-8")
    assert "no TOML" in faults_of(broken)[""]
    broken.write_bytes(b"\xff\xfe")
    assert "no TOML" in faults_of(broken)[""]
    broken.write_text("", encoding="utf-8")
    assert {"node.node_id", "node.region_code", "node.name", "server.key"} <= set(faults_of(broken))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://govcode:hunter2@db.example.cn/govcode",
        "postgresql+psycopg://govcode:hunter2%40@db.example.cn/govcode",
        "postgresql+psycopg:///govcode?user=govcode&password=hunter2&sslmode=verify-full",
    ],
)
def test_database_password_is_never_shown(tmp_path: Path, url: str) -> None:
    config = load_config(write(tmp_path, {"storage.url": f'"{url}"'}))
    assert config.storage.url.text == url
    assert "hunter2" not in repr(config)
    assert "hunter2" not in "".join(describe(config).values())
    assert "govcode" in describe(config)["storage.url"]


def test_refused_database_password_is_never_shown(tmp_path: Path) -> None:
    assert "hunter2" not in faults_of(write(tmp_path, {"storage.url": '"mysql://root:hunter2@db/x"'}))["storage.url"]


def test_region_authorities_come_from_the_folder_and_the_table(tmp_path: Path) -> None:
    for region in ("110000", "310000"):
        (tmp_path / "regions" / region).mkdir(parents=True)
        (tmp_path / "regions" / region / "ca.pem").touch()
    config = load_config(write(tmp_path, {"server.region_ca_dir": '"regions"'}))
    assert config.server.region_ca_files() == {
        "110000": tmp_path / "tls/region.pem",
        "310000": tmp_path / "regions/310000/ca.pem",
    }


def test_missing_files_and_open_secrets_are_named(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, {"server.region_cas": '{ 310000 = "tls/region.pem" }'}))
    assert {fault.path for fault in missing_files(config)} == {
        "server.certificate",
        "server.key",
        "server.roots",
        "server.federation_ca",
        "server.region_cas.310000",
        "server.region_cas",
        "keys.kek_file",
    }
    config = load_config(write(tmp_path))
    for path in ("tls/node.pem", "tls/node.key", "tls/roots.pem", "tls/federation.pem", "tls/region.pem", "keys/kek"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch(mode=0o600)
    assert missing_files(config) == ()
    (tmp_path / "tls/node.key").chmod(0o640)
    assert [fault.path for fault in missing_files(config)] == ["server.key"]


@given(st.integers(0, 10**9 - 1), st.sampled_from(["ms", "s", "m", "h"]))
def test_durations_survive_their_text(count: int, unit: str) -> None:
    duration = parse_duration(f"{count}{unit}")
    assert parse_duration(format_duration(duration)) == duration


# The complete file -----------------------------------------------------------------------------------------------


def options_of(root: type, path: str = "") -> dict[str, dataclasses.Field[Any]]:
    """Every option below a configuration class, tables of free keys counted as one."""
    found: dict[str, dataclasses.Field[Any]] = {}
    for option in dataclasses.fields(root):
        where = f"{path}{option.name}"
        kind = option.type
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__.endswith("config_sections"):
            found |= options_of(kind, f"{where}.")
        else:
            found[where] = option
    return found


def has_default(option: dataclasses.Field[Any]) -> bool:
    return option.default is not dataclasses.MISSING or option.default_factory is not dataclasses.MISSING


def value_at(node: Any, path: str) -> Any:
    for name in path.split("."):
        node = node.get(name, dataclasses.MISSING) if isinstance(node, dict) else getattr(node, name)
    return node


def commented_in(text: str) -> str:
    """The complete file with its optional lines switched on."""
    return re.sub(r"(?m)^# (?=[a-zA-Z_]+ = )", "", text)


OPTIONS = options_of(Config)


@pytest.mark.parametrize("path", sorted(OPTIONS))
def test_complete_file_has_every_option_with_its_default(tmp_path: Path, path: str) -> None:
    text = FULL.read_text(encoding="utf-8")
    option = OPTIONS[path]
    unset = option.default is None
    assert (value_at(tomllib.loads(text), path) is dataclasses.MISSING) == unset
    assert value_at(tomllib.loads(commented_in(text)), path) is not dataclasses.MISSING
    minimal = load_config(write(tmp_path))
    copy = tmp_path / FULL.name
    copy.write_text(text, encoding="utf-8")
    if has_default(option) and path != "server.region_cas":
        assert value_at(load_config(copy), path) == value_at(minimal, path)


def test_complete_file_has_a_comment_before_every_section_option() -> None:
    previous_was_comment = False
    for line in FULL.read_text(encoding="utf-8").splitlines():
        if re.match(r"[a-z_]+ = ", line):
            assert previous_was_comment, f"no comment explains {line!r}"
        elif not line.startswith("#"):
            previous_was_comment = False
        if line.startswith("#"):
            previous_was_comment = True


def test_optional_lines_of_the_complete_file_are_right(tmp_path: Path) -> None:
    copy = tmp_path / FULL.name
    copy.write_text(commented_in(FULL.read_text(encoding="utf-8")), encoding="utf-8")
    config = load_config(copy)
    assert config.disclosure
    assert {role for roles in config.operators.values() for role in roles} == set(OperatorRole)


def test_complete_file_points_at_the_development_certificates() -> None:
    config = load_config(FULL)
    root = FULL.parents[2]
    assert config.server.certificate.resolve() == root / "certs/dev/federation/node-110000.pem"
    assert config.server.roots.resolve() == root / "certs/dev/roots.pem"


# No option without a use ---------------------------------------------------------------------------------------------

SOURCES = FULL.parents[2] / "node" / "src" / "govcode_node"


def options_used(source: str) -> set[str]:
    """The `section.option` pairs that a program reads, directly or by a local name of the section.

    A table of free keys is one option, `config.table`.
    """
    tree = ast.parse(source)
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target, value in pairs(node.targets[0], node.value):
                if isinstance(target, ast.Name) and isinstance(value, ast.Attribute):
                    names[target.id] = value.attr
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Attribute):
                used.add(f"{node.value.attr.lstrip('_')}.{node.attr}")
            elif isinstance(node.value, ast.Name):
                used.add(f"{names.get(node.value.id, node.value.id)}.{node.attr}")
    return used


def pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def test_the_search_for_uses_tells_a_used_option_from_another() -> None:
    used = options_used("server, _ = self._config.server, 1\nprint(server.key, config.log.level, other.roots)")
    assert {"server.key", "log.level"} <= used
    assert not {"server.roots", "log.format", "server.certificate"} & used


def test_every_option_is_used() -> None:
    used = set[str]()
    for path in SOURCES.rglob("*.py"):
        if not path.name.startswith("config"):
            used |= options_used(path.read_text(encoding="utf-8"))
    if "server.region_ca_files" in used:
        used |= {"server.region_ca_dir", "server.region_cas"}
    assert {option for option in OPTIONS if ".".join(f"config.{option}".split(".")[-2:]) not in used} == set()
