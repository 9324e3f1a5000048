"""Certificate files that change under a running node."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from govcode_node.certificate_files import CertificateFiles, CertificateFilesError
from govcode_node.config_sections import ServerConfig
from govcode_node.crypto.authorities import IssuedCertificate
from govcode_node.domain.identities import FEDERATION, CertificateFault, UntrustedCertificateError
from govcode_node.federation.channels import ChannelIdentity
from kit.pki import KitPki, kit_pki

WUHAN = "spiffe://federation.govcode/node/420100"


class Folder:
    """The files of node 420100, as an operator changes them."""

    def __init__(self, folder: Path, pki: KitPki) -> None:
        self.pki = pki
        self.folder = folder
        self.server = ServerConfig(
            certificate=folder / "node.pem",
            key=folder / "node.key",
            roots=folder / "roots.pem",
            federation_ca=folder / "federation.pem",
            region_ca_dir=folder / "regions",
        )
        self.server.federation_ca.write_bytes(pki.federation_ca_pem)
        self.show(pki.node("420100"))
        self.believe("420100")

    def show(self, certificate: IssuedCertificate) -> None:
        self.put(self.server.certificate, certificate.certificate_pem)
        self.put(self.server.key, certificate.key_pem)

    def believe(self, region: str, pem: bytes | None = None) -> Path:
        path = self.folder / "regions" / region / "ca.pem"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.put(path, self.pki.authority(region).certificate_pem if pem is None else pem)
        return path

    def put(self, path: Path, content: bytes) -> None:
        """Replace a file as careful tools do: written aside, then renamed."""
        aside = path.with_suffix(".new")
        aside.write_bytes(content)
        os.replace(aside, path)

    def renewed(self) -> IssuedCertificate:
        return self.pki.authority(FEDERATION).issue([WUHAN], now=self.pki.now + timedelta(hours=1), server=True)

    def read(self) -> CertificateFiles:
        return CertificateFiles(self.server, now=lambda: self.pki.now)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, kit_pki())


def told_by(files: CertificateFiles) -> list[ChannelIdentity]:
    told: list[ChannelIdentity] = []
    files.on_identity(told.append)
    return told


async def test_authority_added_on_disk_is_believed_and_one_taken_away_no_more(folder: Folder) -> None:
    files = folder.read()
    shanghai = folder.pki.app(region="310000").certificate_pem
    with pytest.raises(UntrustedCertificateError) as refused:
        files.checker.check(shanghai)
    assert refused.value.reason is CertificateFault.UNKNOWN_AUTHORITY

    added = folder.believe("310000")
    await files.step()
    assert files.checker.check(shanghai).authority == "310000"

    added.unlink()
    await files.step()
    with pytest.raises(UntrustedCertificateError):
        files.checker.check(shanghai)


async def test_new_certificate_is_told_once(folder: Folder) -> None:
    files = folder.read()
    told = told_by(files)
    await files.step()
    assert told == []
    renewed = folder.renewed()
    folder.show(renewed)
    await files.step()
    await files.step()
    assert [(identity.certificate_pem, identity.key_pem) for identity in told] == [
        (renewed.certificate_pem, renewed.key_pem)
    ]
    assert files.identity == told[0]


async def test_renewed_federation_authority_is_shown_to_channels_and_believed_of_callers(folder: Folder) -> None:
    files = folder.read()
    told = told_by(files)
    successor = KitPki(folder.pki.now)
    folder.put(folder.server.federation_ca, folder.pki.federation_ca_pem + successor.federation_ca_pem)
    await files.step()
    assert told[0].federation_ca_pem == folder.pki.federation_ca_pem + successor.federation_ca_pem
    for pki in (folder.pki, successor):
        assert files.checker.check(pki.node("110000").certificate_pem).identity.name == "110000"


async def test_half_a_rotation_leaves_the_old_certificate_in_force_until_the_other_half_is_there(
    folder: Folder,
) -> None:
    files = folder.read()
    told = told_by(files)
    old, renewed = files.identity, folder.renewed()
    folder.put(folder.server.certificate, renewed.certificate_pem)
    for _ in range(2):
        with pytest.raises(CertificateFilesError, match="do not belong together"):
            await files.step()
    assert (files.identity, told) == (old, [])
    folder.put(folder.server.key, renewed.key_pem)
    await files.step()
    assert [identity.certificate_pem for identity in told] == [renewed.certificate_pem]


@pytest.mark.parametrize("content", [b"", b"no certificate"])
async def test_broken_authority_is_said_and_holds_up_neither_the_others_nor_the_own_certificate(
    folder: Folder, content: bytes
) -> None:
    files = folder.read()
    told = told_by(files)
    folder.believe("310000", content)
    renewed = folder.renewed()
    folder.show(renewed)
    for _ in range(2):
        with pytest.raises(CertificateFilesError, match="PEM"):
            await files.step()
    assert [identity.certificate_pem for identity in told] == [renewed.certificate_pem]
    assert files.checker.check(folder.pki.app(region="420100").certificate_pem).authority == "420100"


async def test_missing_file_leaves_all_as_it_was(folder: Folder) -> None:
    files = folder.read()
    told = told_by(files)
    folder.server.key.unlink()
    with pytest.raises(FileNotFoundError):
        await files.step()
    assert told == []


def test_node_does_not_start_with_the_key_of_another_certificate(folder: Folder) -> None:
    folder.server.key.write_bytes(folder.renewed().key_pem)
    with pytest.raises(CertificateFilesError, match="do not belong together"):
        folder.read()
