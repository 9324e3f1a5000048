import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from govcode_node.crypto.authorities import IssuedCertificate
from govcode_node.crypto.certificates import CertificateChecker
from govcode_node.domain.identities import CallerClass, MalformedIdentityError, MisplacedIdentityError
from govcode_node.pki import DevelopmentPki, load_plan

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
IDENTITIES = Path(__file__).parents[2] / "certs" / "identities.toml"


def pki_at(directory: Path, now: datetime = NOW, *, force: bool = False) -> DevelopmentPki:
    return DevelopmentPki(directory, now=lambda: now, force=force)


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def leaf_of(issued: IssuedCertificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate_pem)


def test_layout_and_identity_of_a_node(tmp_path: Path) -> None:
    issued = pki_at(tmp_path).issue(CallerClass.NODE, "110000")
    assert issued.certificate_path == tmp_path / "federation" / "node-110000.pem"
    assert issued.key_path == tmp_path / "federation" / "node-110000.key"
    assert issued.certificate_path.read_bytes() == issued.certificate_pem
    leaf = leaf_of(issued)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://federation.govcode/node/110000"]
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "110000.node.federation.govcode"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    public = leaf.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"
    assert leaf.not_valid_after_utc == NOW + timedelta(days=365)


def test_regional_identity_lies_with_its_region(tmp_path: Path) -> None:
    issued = pki_at(tmp_path).issue(CallerClass.APP, "counter-app", region="420100")
    assert issued.certificate_path == tmp_path / "regions" / "420100" / "app-counter-app.pem"
    assert (tmp_path / "regions" / "420100" / "ca.pem").exists()
    assert not (tmp_path / "federation").exists()


@pytest.mark.parametrize(("caller_class", "serves"), [(CallerClass.NODE, True), (CallerClass.SCANNER, False)])
def test_only_classes_that_listen_get_server_use(tmp_path: Path, caller_class: CallerClass, *, serves: bool) -> None:
    region = None if caller_class.federated else "110000"
    leaf = leaf_of(pki_at(tmp_path).issue(caller_class, "110000", region=region))
    uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.CLIENT_AUTH in uses
    assert (ExtendedKeyUsageOID.SERVER_AUTH in uses) == serves


def test_private_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    pki_at(tmp_path).issue(CallerClass.NODE, "110000")
    keys = list(tmp_path.rglob("*.key"))
    assert len(keys) == 2
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def test_no_private_key_in_the_representation(tmp_path: Path) -> None:
    assert "PRIVATE" not in repr(pki_at(tmp_path).issue(CallerClass.NODE, "110000"))


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    plan = load_plan(IDENTITIES)
    pki_at(tmp_path).issue_all(plan)
    before = contents(tmp_path)
    pki_at(tmp_path, NOW + timedelta(days=300)).issue_all(plan)
    assert contents(tmp_path) == before


def test_certificate_that_ends_within_thirty_days_is_renewed(tmp_path: Path) -> None:
    old = pki_at(tmp_path).issue(CallerClass.NODE, "110000")
    later = pki_at(tmp_path, NOW + timedelta(days=336))
    renewed = later.issue(CallerClass.NODE, "110000")
    assert renewed.certificate_pem != old.certificate_pem
    assert leaf_of(renewed).not_valid_after_utc == NOW + timedelta(days=336 + 365)
    leaf_of(renewed).verify_directly_issued_by(later.authority("federation").certificate)


def test_renewed_authority_takes_its_leaves_along(tmp_path: Path) -> None:
    old = pki_at(tmp_path).issue(CallerClass.NODE, "110000")
    years_later = pki_at(tmp_path, NOW + timedelta(days=3630))
    renewed = years_later.issue(CallerClass.NODE, "110000")
    assert renewed.certificate_pem != old.certificate_pem
    leaf_of(renewed).verify_directly_issued_by(years_later.authority("federation").certificate)
    assert years_later.roots_path.read_bytes() == years_later.authority("federation").certificate_pem


def test_force_makes_everything_anew(tmp_path: Path) -> None:
    old = pki_at(tmp_path).issue(CallerClass.NODE, "110000")
    old_roots = (tmp_path / "roots.pem").read_bytes()
    forced = pki_at(tmp_path, force=True).issue(CallerClass.NODE, "110000")
    assert forced.certificate_pem != old.certificate_pem
    assert forced.key_pem != old.key_pem
    assert (tmp_path / "roots.pem").read_bytes() != old_roots


def test_changed_hosts_make_a_new_certificate(tmp_path: Path) -> None:
    pki = pki_at(tmp_path)
    old = pki.issue(CallerClass.NODE, "110000")
    new = pki.issue(CallerClass.NODE, "110000", hosts=("localhost", "node-beijing"))
    names = leaf_of(new).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert new.certificate_pem != old.certificate_pem
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "node-beijing", "110000.node.federation.govcode"]


@pytest.mark.parametrize("damage", [b"", b"rubbish"])
@pytest.mark.parametrize("suffix", ["pem", "key"])
def test_damaged_file_is_replaced_by_a_matching_pair(tmp_path: Path, suffix: str, damage: bytes) -> None:
    pki_at(tmp_path).issue(CallerClass.NODE, "110000")
    (tmp_path / "federation" / f"node-110000.{suffix}").write_bytes(damage)
    pki_at(tmp_path).issue(CallerClass.NODE, "110000")
    before = contents(tmp_path)
    pki_at(tmp_path).issue(CallerClass.NODE, "110000")
    assert contents(tmp_path) == before


def test_key_of_another_certificate_is_replaced(tmp_path: Path) -> None:
    pki = pki_at(tmp_path)
    node = pki.issue(CallerClass.NODE, "110000")
    other = pki.issue(CallerClass.NODE, "310000")
    assert node.key_path is not None
    node.key_path.write_bytes(other.key_pem)
    again = pki.issue(CallerClass.NODE, "110000")
    assert again.certificate_pem != node.certificate_pem


def test_no_half_written_files_are_left(tmp_path: Path) -> None:
    pki_at(tmp_path).issue_all(load_plan(IDENTITIES))
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {name for name in names if name.startswith(".")} == {".lock"}


@pytest.mark.req("6.2-03")
def test_every_planned_identity_is_proved_by_its_own_authority(tmp_path: Path) -> None:
    plan = load_plan(IDENTITIES)
    pki = pki_at(tmp_path)
    issued = pki.issue_all(plan)
    regions = {str(one.identity.region_code) for one in plan}
    assert regions == {"000000", "110000", "310000", "420100"}
    checker = CertificateChecker(
        pki.authority("federation").certificate_pem,
        {region: pki.authority(region).certificate_pem for region in regions},
        now=lambda: NOW,
    )
    proved = [checker.check(one.certificate_pem).identity for one in issued]
    assert proved == [planned.identity for planned in plan]
    roots = x509.load_pem_x509_certificates(pki.roots_path.read_bytes())
    assert len(roots) == 1 + len(regions)


def test_impossible_identities_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(MisplacedIdentityError):
        pki_at(tmp_path).issue(CallerClass.APP, "counter-app")
    with pytest.raises(MisplacedIdentityError):
        pki_at(tmp_path).issue(CallerClass.NODE, "110000", region="110000")
    with pytest.raises(MalformedIdentityError):
        pki_at(tmp_path).issue(CallerClass.APP, "../../escape", region="110000")
    with pytest.raises(MalformedIdentityError):
        pki_at(tmp_path).authority("../outside")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "groups = {}\nregions = []\nextra = 1",
        "[groups]\n[[regions]]\ncode='110000'\nzh='x'\nen='x'\ngroups=['absent']",
        "[[groups.a]]\nclass='king'\nname='x'\norganisation='x'\n[[regions]]\ncode='110000'\nzh='x'\nen='x'\ngroups=[]",
    ],
)
def test_faulty_plan_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "identities.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"identities\.toml"):
        load_plan(path)
