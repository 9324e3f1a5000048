"""What a node is and the rules under which it issues codes: the part of its configuration that the steps need."""

from dataclasses import dataclass
from datetime import timedelta

from govcode_node.domain.nodes import NodeKey
from govcode_node.domain.regions import RegionCode


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProfile:
    """Who this node is.

    Attributes:
        node_id: Its id.
        region_code: The region that it serves.
        name_zh: Name in Chinese.
        name_en: Name in English.
        prefixes: Region prefixes that it is home to.
        endpoints: Where peers reach it.
        software_version: Version of this program.
        keys: Its public keys, as it registers them.
        certificate_name: Identity in its certificate.
        test_environment: Whether it makes and takes test codes.
    """

    node_id: str
    region_code: RegionCode
    name_zh: str
    name_en: str
    prefixes: tuple[str, ...]
    endpoints: tuple[str, ...]
    software_version: str
    keys: tuple[NodeKey, ...]
    certificate_name: str
    test_environment: bool = False

    def serves(self, region: RegionCode) -> bool:
        """Whether a region is one of its own by its configuration."""
        return str(region).startswith(self.prefixes)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRules:
    """Defaults for issuing codes (domain 4.2), each within its hard limits.

    Attributes:
        issuer_no: Number of the node's own issuer.
        validity: How long a dynamic code is valid.
        refresh_after: When to refresh it.
        one_time_validity: How long a one-time code is valid.
        static_validity: How long a static code is valid.
        grace: How long a superseded code is still taken.
        session_lifetime: How long a session lives.
        terms_version: Terms in force.
        guide_host: Host of the guide page; empty where there is none.
    """

    issuer_no: int = 1
    validity: timedelta = timedelta(seconds=120)
    refresh_after: timedelta = timedelta(seconds=60)
    one_time_validity: timedelta = timedelta(seconds=180)
    static_validity: timedelta = timedelta(days=365)
    grace: timedelta = timedelta(seconds=5)
    session_lifetime: timedelta = timedelta(days=30)
    terms_version: str = "2026-01"
    guide_host: str = ""
