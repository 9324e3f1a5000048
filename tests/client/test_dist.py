"""What a release consists of is whole: another team starts from the archive alone, and the sums hold."""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

ROOT = Path(__file__).resolve().parents[2]
PROTOC = ROOT / ".venv-protoc" / "bin" / "python"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built release."""
    if not PROTOC.exists():
        if os.environ.get("CI"):
            pytest.fail("the generator's environment is missing; make it by: make proto")
        pytest.skip("the generator's environment is missing; make it by: make proto")
    out = tmp_path_factory.mktemp("release") / "dist"
    command = [sys.executable, ROOT / "clients" / "dist.py", "--protoc", PROTOC, "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=230, check=False)
    assert done.returncode == 0, done.stderr
    return out


def protos(dist: Path) -> dict[str, bytes]:
    """The archive of protos, by path."""
    (archive,) = dist.glob("govcode-protos-*.tar.gz")
    folder = archive.name.removesuffix(".tar.gz") + "/"
    with tarfile.open(archive) as opened:
        found = {member.name.removeprefix(folder): opened.extractfile(member) for member in opened}
        return {name: content.read() for name, content in found.items() if content is not None}


@pytest.mark.slow
@pytest.mark.req("N-49")
def test_the_archive_holds_every_proto_and_all_that_they_import(dist: Path) -> None:
    files = protos(dist)
    own = {path.relative_to(ROOT / "protos").as_posix() for path in (ROOT / "protos").glob("govcode/**/*.proto")}
    assert own <= files.keys()
    for name, content in files.items():
        if name.endswith(".proto"):
            assert set(re.findall(r'^import "([^"]+)";', content.decode(), re.MULTILINE)) <= files.keys(), name


@pytest.mark.slow
@pytest.mark.req("N-49")
def test_the_descriptor_set_is_the_whole_contract_with_its_comments(dist: Path) -> None:
    found = descriptor_pb2.FileDescriptorSet.FromString(protos(dist)["govcode.binpb"])
    pool = descriptor_pool.DescriptorPool()
    for file in found.file:
        pool.Add(file)  # type: ignore[no-untyped-call]
    methods = pool.FindServiceByName("govcode.authorization.v1.AuthorizationService").methods_by_name
    assert "FetchLicense" in methods
    comments = [location.leading_comments for file in found.file for location in file.source_code_info.location]
    assert any("Callers: app.relying_party" in comment for comment in comments)
    assert {file.name for file in found.file} == {name for name in protos(dist) if name.endswith(".proto")}


@pytest.mark.slow
def test_both_archives_hold_the_same(dist: Path) -> None:
    (archive,) = dist.glob("*.zip")
    with zipfile.ZipFile(archive) as opened:
        folder = archive.name.removesuffix(".zip") + "/"
        zipped = {name.removeprefix(folder): opened.read(name) for name in opened.namelist()}
    assert zipped == protos(dist)


@pytest.mark.slow
def test_the_sums_are_those_of_all_files(dist: Path) -> None:
    files = {path.name for path in dist.iterdir() if not path.name.endswith("SUMS")}
    assert {name.partition("-")[0] for name in files} == {"govcode", "govcode_client", "govcode_node"}
    for sums, algorithm in (("SHA256SUMS", "sha256"), ("SM3SUMS", "sm3")):
        lines = (dist / sums).read_text(encoding="utf-8").splitlines()
        listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
        assert listed == {name: hashlib.new(algorithm, (dist / name).read_bytes()).hexdigest() for name in files}


@pytest.mark.slow
def test_the_client_wheel_holds_the_library_the_stubs_and_the_fake_node(dist: Path) -> None:
    (wheel,) = dist.glob("govcode_client-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    assert {
        "govcode_client/__init__.py", "govcode_client/py.typed", "govcode_client/areas/codes.py",
        "govcode_client/testing/__init__.py", "govcode/authorization/v1/authorization_service_pb2_grpc.py",
    } <= names  # fmt: skip
    assert not any(name.startswith("govcode_node") for name in names)


@pytest.mark.slow
def test_the_archive_holds_what_a_client_s_team_reads_and_how_the_sums_are_checked(dist: Path) -> None:
    files = protos(dist)
    for name in ("errors.md", "sandbox.md"):
        assert files[f"docs/{name}"] == (ROOT / "docs" / name).read_bytes()
    (command,) = (line.strip() for line in files["README.txt"].decode().splitlines() if "dgst -sm3 -r" in line)
    done = subprocess.run(["sh", "-c", command], cwd=dist, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "OK\n"), done.stderr
