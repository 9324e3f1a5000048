"""Certificates for tests: honest ones, and those that a handshake accepts although they must prove nothing."""

from datetime import UTC, datetime, timedelta
from functools import cache

from govcode_node.crypto.authorities import AUTHORITY_LIFETIME, LOCAL_HOSTS, CertificateAuthority, IssuedCertificate
from govcode_node.crypto.certificates import CertificateChecker
from govcode_node.domain.identities import (
    FEDERATION,
    FEDERATION_TRUST_DOMAIN,
    CallerClass,
    Identity,
    issuing_authority,
    trust_domain_of,
)

REGIONS = ("000000", "110000", "310000", "420100")
SERVING = frozenset({CallerClass.NODE, CallerClass.HUB, CallerClass.LICENCE})
FEDERATED = frozenset({CallerClass.NODE, CallerClass.HUB})


class KitPki:
    """A PKI in memory; every certificate is made once and then remembered.

    Args:
        now: When everything begins to hold; leaves hold a year from then.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime.now(UTC)
        self._authorities: dict[str, CertificateAuthority] = {}
        self._leaves: dict[tuple[str, str, str], IssuedCertificate] = {}

    def authority(self, name: str) -> CertificateAuthority:
        """The authority `federation` or that of a region code."""
        if name not in self._authorities:
            self._authorities[name] = CertificateAuthority.create(
                trust_domain_of(name), now=self.now - timedelta(days=2), lifetime=AUTHORITY_LIFETIME
            )
        return self._authorities[name]

    @property
    def federation_ca_pem(self) -> bytes:
        return self.authority(FEDERATION).certificate_pem

    @property
    def region_ca_pems(self) -> dict[str, bytes]:
        return {region: self.authority(region).certificate_pem for region in REGIONS}

    @property
    def roots_pem(self) -> bytes:
        """The root pool of a port: all authorities, as in a real federation."""
        return self.federation_ca_pem + b"".join(self.region_ca_pems.values())

    def checker(self) -> CertificateChecker:
        """A checker that knows every authority of this PKI, with the real clock."""
        return CertificateChecker(self.federation_ca_pem, self.region_ca_pems)

    def issue(self, caller_class: CallerClass, name: str, *, region: str | None = None) -> IssuedCertificate:
        """An honest certificate; `region` for all but nodes and the hub."""
        domain = FEDERATION_TRUST_DOMAIN if region is None else trust_domain_of(region)
        identity = Identity(domain, caller_class, name)
        return self._leaf(str(identity), signer=issuing_authority(identity), kind="honest")

    def node(self, node_id: str = "110000") -> IssuedCertificate:
        return self.issue(CallerClass.NODE, node_id)

    def hub(self) -> IssuedCertificate:
        return self.issue(CallerClass.HUB, "000000")

    def app(self, name: str = "counter-app", *, region: str = "110000") -> IssuedCertificate:
        return self.issue(CallerClass.APP, name, region=region)

    def overreaching(self, identity: str, *, signer: str) -> IssuedCertificate:
        """A certificate that a known authority signed for an identity which it may not vouch for."""
        return self._leaf(identity, signer=signer, kind="overreaching")

    def region_naming_a_node(self, *, region: str = "310000", node_id: str = "110000") -> IssuedCertificate:
        """A node's certificate that a region's authority signed."""
        return self.overreaching(f"spiffe://{FEDERATION_TRUST_DOMAIN}/node/{node_id}", signer=region)

    def foreign(self, identity: str) -> IssuedCertificate:
        """A certificate of an authority that calls itself like ours and is in nobody's pool."""
        domain = identity.split("/")[2]
        key = (identity, "nobody", "foreign")
        if key not in self._leaves:
            stranger = CertificateAuthority.create(domain, now=self.now - timedelta(days=2))
            self._leaves[key] = stranger.issue([identity], now=self.now, server=True)
        return self._leaves[key]

    def expired(self, identity: str, *, signer: str) -> IssuedCertificate:
        """An honest certificate whose day ended an hour ago."""
        return self._leaf(
            identity,
            signer=signer,
            kind="expired",
            now=self.now - timedelta(days=1),
            lifetime=timedelta(hours=23),
        )

    def _leaf(
        self,
        identity: str,
        *,
        signer: str,
        kind: str,
        now: datetime | None = None,
        lifetime: timedelta = timedelta(days=365),
    ) -> IssuedCertificate:
        key = (identity, signer, kind)
        if key not in self._leaves:
            domain, caller_class, name = identity.split("/")[2:5]
            self._leaves[key] = self.authority(signer).issue(
                [identity],
                now=now or self.now,
                lifetime=lifetime,
                server=caller_class in SERVING,
                hosts=(*LOCAL_HOSTS, f"{name}.{caller_class}.{domain}") if caller_class in FEDERATED else LOCAL_HOSTS,
            )
        return self._leaves[key]


@cache
def kit_pki() -> KitPki:
    """The one PKI of a test session."""
    return KitPki()
