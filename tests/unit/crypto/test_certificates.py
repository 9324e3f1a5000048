from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from govcode_node.crypto.authorities import CertificateAuthority
from govcode_node.crypto.certificates import CertificateChecker
from govcode_node.domain.identities import (
    FEDERATION,
    CertificateFault,
    UntrustedCertificateError,
    parse_identity,
)
from kit.pki import KitPki, kit_pki

BEIJING_NODE = "spiffe://federation.govcode/node/110000"
BEIJING_APP = "spiffe://r110000.govcode/app/counter-app"


class TurnedClock:
    """A clock that moves only when a test moves it."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def pki() -> KitPki:
    return kit_pki()


@pytest.fixture
def clock(pki: KitPki) -> TurnedClock:
    return TurnedClock(pki.now)


@pytest.fixture
def checker(pki: KitPki, clock: TurnedClock) -> CertificateChecker:
    return CertificateChecker(pki.federation_ca_pem, pki.region_ca_pems, now=clock, capacity=2)


def refusal(checker: CertificateChecker, pem: bytes) -> CertificateFault:
    with pytest.raises(UntrustedCertificateError) as refused:
        checker.check(pem)
    return refused.value.reason


@pytest.mark.parametrize(
    ("identity", "authority"),
    [
        (BEIJING_NODE, FEDERATION),
        ("spiffe://federation.govcode/hub/000000", FEDERATION),
        (BEIJING_APP, "110000"),
        ("spiffe://r310000.govcode/licence/licence-service", "310000"),
        ("spiffe://r420100.govcode/scanner/counter-scanner-1", "420100"),
        ("spiffe://r000000.govcode/operator/audit", "000000"),
    ],
)
def test_honest_certificate_proves_its_identity(
    pki: KitPki, checker: CertificateChecker, identity: str, authority: str
) -> None:
    named = parse_identity(identity)
    region = None if named.caller_class.federated else str(named.region_code)
    pem = pki.issue(named.caller_class, named.name, region=region).certificate_pem
    certificate = x509.load_pem_x509_certificate(pem)
    checked = checker.check(pem)
    assert checked.identity == named
    assert checked.authority == authority
    assert int(checked.serial_number, 16) == certificate.serial_number
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert checked.sha256_thumbprint == sha256(der).hexdigest()
    sm3 = hashes.Hash(hashes.SM3())
    sm3.update(der)
    assert checked.sm3_thumbprint == sm3.finalize().hex()
    assert checked.not_after_at == certificate.not_valid_after_utc


@pytest.mark.req("6.2-03")
@pytest.mark.parametrize("region", ["310000", "110000", "000000"])
def test_region_authority_that_names_a_node_is_refused(pki: KitPki, checker: CertificateChecker, region: str) -> None:
    forged = pki.region_naming_a_node(region=region, node_id="110000")
    assert refusal(checker, forged.certificate_pem) is CertificateFault.WRONG_ISSUER


@pytest.mark.req("6.2-03")
def test_region_authority_that_names_the_hub_is_refused(pki: KitPki, checker: CertificateChecker) -> None:
    forged = pki.overreaching("spiffe://federation.govcode/hub/000000", signer="000000")
    assert refusal(checker, forged.certificate_pem) is CertificateFault.WRONG_ISSUER


@pytest.mark.parametrize("signer", ["310000", FEDERATION])
def test_app_signed_by_another_authority_than_its_region_is_refused(
    pki: KitPki, checker: CertificateChecker, signer: str
) -> None:
    forged = pki.overreaching(BEIJING_APP, signer=signer)
    assert refusal(checker, forged.certificate_pem) is CertificateFault.WRONG_ISSUER


@pytest.mark.req("6.2-03")
@pytest.mark.parametrize("identity", [BEIJING_NODE, BEIJING_APP])
def test_authority_of_the_same_name_with_another_key_is_refused(
    pki: KitPki, checker: CertificateChecker, identity: str
) -> None:
    assert refusal(checker, pki.foreign(identity).certificate_pem) is CertificateFault.WRONG_ISSUER


def test_region_without_a_known_authority_is_refused(pki: KitPki) -> None:
    checker = CertificateChecker(pki.federation_ca_pem, {"310000": pki.region_ca_pems["310000"]})
    assert refusal(checker, pki.app().certificate_pem) is CertificateFault.UNKNOWN_AUTHORITY


def test_expired_leaf_is_refused(pki: KitPki, checker: CertificateChecker) -> None:
    expired = pki.expired(BEIJING_NODE, signer=FEDERATION)
    assert refusal(checker, expired.certificate_pem) is CertificateFault.EXPIRED


def test_leaf_of_the_future_is_refused(pki: KitPki, checker: CertificateChecker, clock: TurnedClock) -> None:
    clock.time -= timedelta(hours=1)
    assert refusal(checker, pki.node().certificate_pem) is CertificateFault.NOT_YET_VALID


def test_leaf_ends_with_its_authority(pki: KitPki, clock: TurnedClock) -> None:
    old = CertificateAuthority.create("federation.govcode", now=clock.time, lifetime=timedelta(days=20))
    leaf = old.issue([BEIJING_NODE], now=clock.time, server=True)
    checker = CertificateChecker(old.certificate_pem, {}, now=clock)
    assert checker.check(leaf.certificate_pem).not_after_at == old.certificate.not_valid_after_utc
    clock.time += timedelta(days=21)
    assert refusal(checker, leaf.certificate_pem) is CertificateFault.EXPIRED


def test_remembered_certificate_is_refused_once_it_has_expired(
    pki: KitPki, checker: CertificateChecker, clock: TurnedClock
) -> None:
    pem = pki.node().certificate_pem
    first = checker.check(pem)
    assert checker.check(pem) is first
    clock.time = first.not_after_at + timedelta(seconds=1)
    assert refusal(checker, pem) is CertificateFault.EXPIRED
    assert checker.remembered == 0


def test_memory_is_bounded_and_drops_the_least_recently_used(pki: KitPki, checker: CertificateChecker) -> None:
    first, second, third = (pki.app(name).certificate_pem for name in ("one", "two", "three"))
    kept = checker.check(first)
    dropped = checker.check(second)
    checker.check(first)
    checker.check(third)
    assert checker.remembered == 2
    assert checker.check(first) is kept
    again = checker.check(second)
    assert again is not dropped
    assert again == dropped


def test_refused_certificates_do_not_push_out_good_ones(pki: KitPki, checker: CertificateChecker) -> None:
    kept = checker.check(pki.node().certificate_pem)
    for signer in ("110000", "310000", "420100"):
        refusal(checker, pki.region_naming_a_node(region=signer).certificate_pem)
    assert checker.check(pki.node().certificate_pem) is kept
    assert checker.remembered == 1


def test_both_certificates_of_an_authority_under_renewal_are_accepted(clock: TurnedClock) -> None:
    old = CertificateAuthority.create("federation.govcode", now=clock.time)
    new = CertificateAuthority.create("federation.govcode", now=clock.time)
    checker = CertificateChecker(old.certificate_pem + new.certificate_pem, {}, now=clock)
    for authority in (old, new):
        leaf = authority.issue([BEIJING_NODE], now=clock.time, server=True)
        assert str(checker.check(leaf.certificate_pem).identity) == BEIJING_NODE


@pytest.mark.parametrize(
    ("uris", "fault"),
    [
        ([], CertificateFault.NO_IDENTITY),
        ([BEIJING_NODE, BEIJING_APP], CertificateFault.NO_IDENTITY),
        (["spiffe://federation.govcode/app/counter-app"], CertificateFault.BAD_IDENTITY),
        (["spiffe://federation.govcode/root/110000"], CertificateFault.BAD_IDENTITY),
        (["https://federation.govcode/node/110000"], CertificateFault.BAD_IDENTITY),
    ],
)
def test_certificate_without_one_good_identity_is_refused(
    pki: KitPki, checker: CertificateChecker, uris: list[str], fault: CertificateFault
) -> None:
    leaf = pki.authority(FEDERATION).issue(uris, now=pki.now, server=True)
    assert refusal(checker, leaf.certificate_pem) is fault


def test_authority_certificate_proves_no_identity(pki: KitPki, checker: CertificateChecker) -> None:
    assert refusal(checker, pki.federation_ca_pem) is CertificateFault.NO_IDENTITY


def raw_leaf(pki: KitPki, *, ca: bool, client: bool, algorithm: hashes.HashAlgorithm) -> bytes:
    """A leaf for the Beijing node, honestly signed, of a make that the authority itself would not choose."""
    authority = pki.authority(FEDERATION)
    signer = serialization.load_pem_private_key(authority.key_pem, password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    use = x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH if client else x509.oid.ExtendedKeyUsageOID.SERVER_AUTH
    certificate = (
        x509.CertificateBuilder()
        .subject_name(authority.certificate.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(signer.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(pki.now - timedelta(hours=1))
        .not_valid_after(pki.now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(BEIJING_NODE)]), critical=False)
        .sign(signer, algorithm)  # type: ignore[arg-type]
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_only_leaves_for_clients_prove_an_identity(pki: KitPki, checker: CertificateChecker) -> None:
    sound = hashes.SHA256()
    assert checker.check(raw_leaf(pki, ca=False, client=True, algorithm=sound))
    for pem in (
        raw_leaf(pki, ca=True, client=True, algorithm=sound),
        raw_leaf(pki, ca=False, client=False, algorithm=sound),
    ):
        assert refusal(checker, pem) is CertificateFault.NOT_FOR_THIS_USE


def test_weak_hash_is_refused(pki: KitPki, checker: CertificateChecker) -> None:
    weak = raw_leaf(pki, ca=False, client=True, algorithm=hashes.SHA224())
    assert refusal(checker, weak) is CertificateFault.WEAK_SIGNATURE


@pytest.mark.parametrize("pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n" + b"A" * 20000])
def test_unreadable_bytes_are_refused(checker: CertificateChecker, pem: bytes) -> None:
    assert refusal(checker, pem) is CertificateFault.UNREADABLE


def test_altered_certificate_is_refused(pki: KitPki, checker: CertificateChecker) -> None:
    der = bytearray(x509.load_pem_x509_certificate(pki.app().certificate_pem).public_bytes(serialization.Encoding.DER))
    at = der.index(b"counter-app")
    der[at : at + 7] = b"another"
    altered = x509.load_der_x509_certificate(bytes(der)).public_bytes(serialization.Encoding.PEM)
    assert refusal(checker, altered) is CertificateFault.WRONG_ISSUER
    at = der.index(b"/app/counter-app")
    der[at : at + 16] = b"/app/another-app"
    altered = x509.load_der_x509_certificate(bytes(der)).public_bytes(serialization.Encoding.PEM)
    assert refusal(checker, altered) is CertificateFault.WRONG_ISSUER


def test_checker_refuses_an_authority_that_may_not_sign(pki: KitPki) -> None:
    with pytest.raises(ValueError, match="may not sign"):
        CertificateChecker(pki.node().certificate_pem, {})
    with pytest.raises(ValueError, match="PEM"):
        CertificateChecker(b"", {})


def test_kit_dates_are_honest(pki: KitPki) -> None:
    assert abs(datetime.now(UTC) - pki.now) < timedelta(hours=6)
    assert str(pki.checker().check(pki.hub().certificate_pem).identity) == "spiffe://federation.govcode/hub/000000"
