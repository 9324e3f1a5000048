"""The sections of a node's configuration: every option with its type, its bounds and its default.

Bounds are the hard limits; where the rule's source has a number, it is the bound. Defaults suit a node on one machine.
Rules between options stand in `config.py`, the meaning for operators in ``deploy/config/node.full.toml``.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from govcode_node.config_values import (
    Between,
    ByteSize,
    DatabaseUrl,
    Endpoint,
    Entries,
    ListenAddress,
    Matches,
    PublicPoint,
    Rate,
    parse_rate,
    parse_size,
)
from govcode_node.domain.callers import OperatorRole
from govcode_node.domain.disclosure import FieldRule
from govcode_node.domain.regions import RegionCode

_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)

NodeId = Annotated[str, Matches(r"[0-9]{6}(-[a-z0-9]{1,16})?", "a region code, with a suffix for a second node")]
OperatorName = Annotated[
    str, Matches(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", "an operator's name as in the certificate")
]
# One role a person: business, security and audit administration are separated (8.3-07, 8.3-21).
OneRole = Annotated[tuple[OperatorRole, ...], Entries(least=1, most=1)]
MatterCode = Annotated[str, Matches(r"[A-Za-z0-9-]{1,64}", "the code of a matter")]
CrossRegionFields = Annotated[tuple[FieldRule, ...], Entries()]


class LogLevel(StrEnum):
    """The least important event that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line is written."""

    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayName:
    """A name for people, in Chinese and English."""

    zh: Annotated[str, Matches(r"(?s).{1,64}", "1 to 64 characters")]
    en: Annotated[str, Matches(r"(?s).{1,64}", "1 to 64 characters")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Which node this is."""

    node_id: NodeId
    region_code: RegionCode
    name: DisplayName


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """The hub role."""

    enabled: bool = False
    down_after: Annotated[timedelta, Between("6s", "5m")] = 20 * _SECOND
    republish_interval: Annotated[timedelta, Between("10s", "30m")] = 10 * _MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """The gRPC port, its certificate and the authorities it believes."""

    listen: ListenAddress = field(default_factory=lambda: ListenAddress("127.0.0.1", 7443))
    advertised: Annotated[tuple[Endpoint, ...], Entries(most=8)] = ()
    certificate: Path
    key: Path
    roots: Path
    federation_ca: Path
    region_ca_dir: Path | None = None
    region_cas: dict[RegionCode, Path] = field(default_factory=dict)
    reflection: bool = False
    max_message_bytes: Annotated[ByteSize, Between(4096, 4 * 1024**2)] = field(
        default_factory=lambda: parse_size("64KiB")
    )
    max_batch_bytes: Annotated[ByteSize, Between(4096, 16 * 1024**2)] = field(
        default_factory=lambda: parse_size("1MiB")
    )
    drain_timeout: Annotated[timedelta, Between("0s", "10m")] = 20 * _SECOND
    default_deadline: Annotated[timedelta, Between("1s", "60s")] = 10 * _SECOND

    def region_ca_files(self) -> dict[str, Path]:
        """It finds the CA file of each region: those of the directory, then those named one by one, which win."""
        found: dict[str, Path] = {}
        if self.region_ca_dir is not None:
            found = {path.parent.name: path for path in sorted(self.region_ca_dir.glob("[0-9]*/ca.pem"))}
        return found | {str(region): path for region, path in self.region_cas.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageConfig:
    """The database and the group commit in front of it."""

    url: DatabaseUrl = field(default_factory=lambda: DatabaseUrl("sqlite:///govcode.db"))
    queue_limit: Annotated[int, Between(1, 1_000_000)] = 10_000
    batch_limit: Annotated[int, Between(1, 10_000)] = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysConfig:
    """The software keystore."""

    directory: Path = Path("keys")
    kek_file: Path = Path("keys/kek")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustConfig:
    """The hub, its pinned keys, and the trust bundle that comes from it."""

    hub_endpoints: Annotated[tuple[Endpoint, ...], Entries(most=8)] = ()
    hub_public_keys: Annotated[tuple[PublicPoint, ...], Entries(most=2)] = ()
    bundle_file: Path = Path("trust-bundle.bin")
    poll_interval: Annotated[timedelta, Between("1s", "30m")] = 60 * _SECOND
    warn_after: Annotated[timedelta, Between("1m", "72h")] = _HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationConfig:
    """Calls to peer nodes; each limit holds for one peer."""

    concurrency: Annotated[int, Between(1, 10_000)] = 64
    connections: Annotated[int, Between(1, 64)] = 2
    connection_max_age: Annotated[timedelta, Between("1m", "24h")] = _HOUR
    forward_timeout: Annotated[timedelta, Between("100ms", "2s")] = 2 * _SECOND
    breaker_failures: Annotated[int, Between(1, 1000)] = 5
    breaker_open: Annotated[timedelta, Between("1s", "5m")] = 10 * _SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingConfig:
    """What the node reports to the hub."""

    interval: Annotated[timedelta, Between("1s", "15s")] = 5 * _SECOND
    buffered_summaries: Annotated[int, Between(10, 100_000)] = 4320


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesConfig:
    """Defaults for codes; scenes may differ within the hard limits (domain 4.2), which are the bounds here."""

    dynamic_validity: Annotated[timedelta, Between("15s", "600s")] = 120 * _SECOND
    dynamic_refresh: Annotated[timedelta, Between("15s", "600s")] = 60 * _SECOND
    supersede_grace: Annotated[timedelta, Between("0s", "30s")] = 5 * _SECOND
    one_time_validity: Annotated[timedelta, Between("15s", "300s")] = 180 * _SECOND
    static_validity: Annotated[timedelta, Between("1d", "1095d")] = 365 * _DAY
    scheme: Annotated[str, Matches(r"[A-Z0-9]{1,16}", "the name of a code scheme, such as ZWM1")] = "ZWM1"
    guide_host: (
        Annotated[str, Matches(r"(?=.{4,253}$)([A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{1,63}", "a host name")] | None
    ) = None
    test_environment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfig:
    """The local identity provider, which knows synthetic people."""

    people_file: Path | None = None
    identification_validity: Annotated[timedelta, Between("30s", "15m")] = 5 * _MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class LicencesConfig:
    """The licence system (电子证照系统): a folder of licences, or a sharing service (GB/T 36906); none by default."""

    folder: Path | None = None
    synthetic_file: Path | None = None
    service_url: Annotated[str, Matches(r"https?://[^\s/?#]{1,253}(/[^\s?#]{0,200})?", "an address")] | None = None
    service_app_id: Annotated[str, Matches(r"[\x21-\x7e]{1,64}", "a name at the service")] | None = None
    service_secret_file: Path | None = None
    service_ca: Path | None = None
    trust_file: Path | None = None
    answer_timeout: Annotated[timedelta, Between("1s", "30s")] = 9 * _SECOND
    file_timeout: Annotated[timedelta, Between("10s", "10m")] = 2 * _MINUTE
    breaker_failures: Annotated[int, Between(1, 1000)] = 5
    breaker_open: Annotated[timedelta, Between("1s", "5m")] = 5 * _SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationsConfig:
    """What this node lets be done with its subjects' data beyond their consent, and how long it keeps the records."""

    statutory_matters: Annotated[tuple[MatterCode, ...], Entries(most=100)] = ()
    record_retention: Annotated[timedelta, Between("1095d", "36500d")] = 1095 * _DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsConfig:
    """Holder sessions."""

    lifetime: Annotated[timedelta, Between("1m", "30d")] = 12 * _HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """How often callers may call before they are told to wait (7.1-04)."""

    per_subject: Rate = field(default_factory=lambda: parse_rate("60/1m"))
    per_app: Rate = field(default_factory=lambda: parse_rate("5000/1s"))
    per_device: Rate = field(default_factory=lambda: parse_rate("1200/1m"))
    per_operator: Rate = field(default_factory=lambda: parse_rate("50/1s"))
    per_peer: Rate = field(default_factory=lambda: parse_rate("5000/1s"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """Traces and metrics."""

    otlp_endpoint: Endpoint | None = None
    trace_ratio: Annotated[float, Between(0, 1)] = 0.01
    metrics: bool = True
    metrics_listen: ListenAddress = field(default_factory=lambda: ListenAddress("127.0.0.1", 9464))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """The log."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.JSON
