"""The configuration of a node: which region it is, whom it trusts, where it listens, and its rules.

Every node runs the same program; what makes one node Beijing and another the hub stands in its TOML file (5-02). What
each option means to an operator is written in ``deploy/config/node.full.toml``, which a test keeps complete.
"""

import dataclasses
import stat
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from govcode_node.config_reading import ConfigError, Fault, anchor, option_types, structure_sections
from govcode_node.config_sections import (
    AuthorizationsConfig,
    CodesConfig,
    CrossRegionFields,
    FederationConfig,
    HubConfig,
    IdentityConfig,
    KeysConfig,
    LicencesConfig,
    LimitsConfig,
    LogConfig,
    NodeConfig,
    OneRole,
    OperatorName,
    ReportingConfig,
    ServerConfig,
    SessionsConfig,
    StorageConfig,
    TelemetryConfig,
    TrustConfig,
)
from govcode_node.config_values import printable
from govcode_node.domain.regions import HUB_REGION
from govcode_node.domain.routes import BUNDLE_STOP_AGE
from govcode_node.domain.scenes import SceneClass

__all__ = ["Config", "ConfigError", "Fault", "describe", "load_config", "missing_files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that distinguishes one node from another; read with `load_config`.

    Attributes:
        disclosure: What this node's subjects show to other regions, by class of the asking scene; nothing by default.
        operators: The first operators by name, each with the one role it holds.
    """

    node: NodeConfig
    hub: HubConfig
    server: ServerConfig
    storage: StorageConfig
    keys: KeysConfig
    trust: TrustConfig
    federation: FederationConfig
    reporting: ReportingConfig
    codes: CodesConfig
    identity: IdentityConfig
    licences: LicencesConfig
    authorizations: AuthorizationsConfig
    sessions: SessionsConfig
    limits: LimitsConfig
    disclosure: dict[SceneClass, CrossRegionFields] = field(default_factory=dict)
    operators: dict[OperatorName, OneRole] = field(default_factory=dict)
    telemetry: TelemetryConfig
    log: LogConfig


def load_config(path: Path) -> Config:
    """It reads a node's TOML file; relative paths in it start from its folder.

    The files that it names are not opened: see `missing_files`.

    Raises:
        ConfigError: The file is absent, no TOML, or has faults; all of them are in ``faults``.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError((Fault("", f"cannot read {path}: {error.strerror}"),)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError((Fault("", f"{path.name} is no TOML: {error}"),)) from error
    values, faults = structure_sections(option_types(Config), document)
    faults += _broken_rules(values, faults)
    if faults:
        raise ConfigError(tuple(faults))
    return cast("Config", anchor(Config(**cast("dict[str, Any]", values)), path.resolve().parent))


def describe(config: Config) -> dict[str, str]:
    """It lists every option in effect as ``{"codes.dynamic_validity": "2m", …}``, fit for a log: no passwords."""
    return dict(_described(config, ""))


def _described(value: object, path: str) -> Iterator[tuple[str, str]]:
    if dataclasses.is_dataclass(value) and type(value).__module__ in {__name__, NodeConfig.__module__}:
        for option in dataclasses.fields(value):
            yield from _described(getattr(value, option.name), f"{path}.{option.name}" if path else option.name)
    elif isinstance(value, dict) and value:
        for key, entry in value.items():
            yield from _described(entry, f"{path}.{printable(key)}")
    else:
        yield path, printable(value)


def missing_files(config: Config) -> tuple[Fault, ...]:
    """It names the files that a start needs and that are absent, or whose secrets other users can read."""
    server = config.server
    needed: dict[str, Path | None] = {
        "server.certificate": server.certificate,
        "server.key": server.key,
        "server.roots": server.roots,
        "server.federation_ca": server.federation_ca,
        "server.region_ca_dir": server.region_ca_dir,
        **{f"server.region_cas.{region}": path for region, path in server.region_cas.items()},
        "keys.kek_file": config.keys.kek_file,
        "identity.people_file": config.identity.people_file,
        "licences.synthetic_file": config.licences.synthetic_file,
        "licences.service_secret_file": config.licences.service_secret_file,
        "licences.service_ca": config.licences.service_ca,
        "licences.trust_file": config.licences.trust_file,
    }
    faults = [Fault(option, f"{path} does not exist") for option, path in needed.items() if path and not path.exists()]
    if str(config.node.region_code) not in server.region_ca_files():
        faults.append(Fault("server.region_cas", f"no CA file for this node's own region {config.node.region_code}"))
    for option in ("server.key", "keys.kek_file", "licences.service_secret_file"):
        path = needed[option]
        if path and path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            faults.append(Fault(option, f"{path} is open to other users; its mode must be 0600"))
    return tuple(faults)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule between options; it is looked at only when all of them are sound, and reported at the first."""

    options: tuple[str, ...]
    message: str
    broken: Callable[[Config], bool]


_RULES: Final = (
    _Rule(
        ("node.node_id", "node.region_code"),
        "must begin with node.region_code",
        lambda c: c.node.node_id[:6] != str(c.node.region_code),
    ),
    _Rule(
        ("hub.enabled", "node.region_code"),
        "region 000000 is the hub's, and no other region is a hub",
        lambda c: c.hub.enabled != (c.node.region_code == HUB_REGION),
    ),
    _Rule(
        ("server.advertised", "server.listen"),
        "is required where server.listen takes every address: peers must be told one of them",
        lambda c: c.server.listen.wildcard and not c.server.advertised,
    ),
    _Rule(
        ("server.advertised",),
        "peers cannot connect to a wildcard address",
        lambda c: any(endpoint.wildcard for endpoint in c.server.advertised),
    ),
    _Rule(
        ("server.region_ca_dir", "server.region_cas"),
        "server.region_ca_dir or server.region_cas is required",
        lambda c: c.server.region_ca_dir is None and not c.server.region_cas,
    ),
    _Rule(
        ("server.max_batch_bytes", "server.max_message_bytes"),
        "must not be smaller than server.max_message_bytes",
        lambda c: c.server.max_batch_bytes < c.server.max_message_bytes,
    ),
    _Rule(
        ("storage.batch_limit", "storage.queue_limit"),
        "must not exceed storage.queue_limit",
        lambda c: c.storage.batch_limit > c.storage.queue_limit,
    ),
    _Rule(
        ("trust.hub_public_keys", "trust.hub_endpoints"),
        "is required where trust.hub_endpoints names a hub: an unpinned hub is not believed",
        lambda c: bool(c.trust.hub_endpoints) and not c.trust.hub_public_keys,
    ),
    _Rule(
        ("trust.warn_after",),
        "must be shorter than 72h, from which on other regions are refused without a warning",
        lambda c: c.trust.warn_after >= BUNDLE_STOP_AGE,
    ),
    _Rule(
        ("trust.poll_interval", "trust.warn_after"),
        "must be shorter than trust.warn_after",
        lambda c: c.trust.poll_interval >= c.trust.warn_after,
    ),
    _Rule(
        ("codes.dynamic_refresh", "codes.dynamic_validity"),
        "must be shorter than codes.dynamic_validity",
        lambda c: c.codes.dynamic_refresh >= c.codes.dynamic_validity,
    ),
    _Rule(
        ("licences.synthetic_file", "licences.folder"),
        "needs licences.folder, which is made from it",
        lambda c: c.licences.synthetic_file is not None and c.licences.folder is None,
    ),
    _Rule(
        (
            "licences.service_url",
            "licences.service_app_id",
            "licences.service_secret_file",
            "licences.trust_file",
        ),
        "needs licences.service_app_id, service_secret_file and trust_file",
        lambda c: (
            c.licences.service_url is not None
            and None in (c.licences.service_app_id, c.licences.service_secret_file, c.licences.trust_file)
        ),
    ),
)


def _broken_rules(values: dict[str, object], faults: list[Fault]) -> list[Fault]:
    """It checks the rules whose options are all sound, so that no fault hides another and none is invented."""
    # Sections that could not be read are None here; no rule over them is looked at.
    partial = Config(**cast("dict[str, Any]", dict.fromkeys(option_types(Config)) | values))

    def sound(option: str) -> bool:
        section = option.split(".", maxsplit=1)[0]
        return section in values and not any(
            fault.path in {section, option} or fault.path.startswith((f"{option}.", f"{option}[")) for fault in faults
        )

    return [
        Fault(rule.options[0], rule.message)
        for rule in _RULES
        if all(map(sound, rule.options)) and rule.broken(partial)
    ]
