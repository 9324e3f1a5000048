"""It builds what a release consists of into dist/. Run it by ``make dist``.

- `govcode-protos-<version>.tar.gz` and `.zip`: the protos, the few of `google/protobuf` that they import,
  `govcode.binpb`, a descriptor set of both with comments, so that a team without protoc can start at once, and what a
  client's team reads beside them: the errors and the sandbox;
- the wheels of `govcode-client` and `govcode-node`;
- `SHA256SUMS` and `SM3SUMS`, in the form that `sha256sum -c` reads and `openssl dgst -sm3 -r` prints.

Times inside the archives are those of SOURCE_DATE_EPOCH, or of the last commit, so that a second build of the same
commit gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PROTOS: Final = ROOT / "protos"
PROJECTS: Final = (ROOT / "clients" / "python", ROOT)
_EARLIEST_ZIP: Final = 315_532_800
"""1980 began then; zip knows no time before it."""

_ABOUT: Final = """Contract of govcode (政务服务码节点), version {version}

govcode/          the protos; google/protobuf/ those that they import
govcode.binpb     all of them as one descriptor set, with comments
docs/             errors.md, every error reason with advice; sandbox.md, a node to try a client against

    protoc -I . --java_out=out --grpc-java_out=out $(find govcode -name '*.proto')
    protoc --descriptor_set_in=govcode.binpb --go_out=out govcode/code/v1/code_application_service.proto

Beside the archives lie SHA256SUMS and SM3SUMS. In their folder:

    sha256sum -c SHA256SUMS
    awk '{{print $2}}' SM3SUMS | xargs openssl dgst -sm3 -r | sed 's/ \\*/  /' | diff - SM3SUMS && echo OK
"""


def version_of(project: Path) -> str:
    """It reads a project's version."""
    return str(tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def epoch() -> int:
    """It gives the time that archives carry, in seconds since 1970."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        command = ["git", "log", "-1", "--format=%ct"]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
        given = found.stdout.strip()
    return max(int(given or 0), _EARLIEST_ZIP)


def proto_files(protoc: Path, scratch: Path) -> dict[str, bytes]:
    """It gives the content of the protos archive by path.

    Args:
        protoc: Python of the environment that has grpcio-tools.
        scratch: Where the descriptor set may lie for a moment.

    Raises:
        subprocess.CalledProcessError: protoc refused the protos; it has said why.
    """
    command = [str(protoc), "-c", "import grpc_tools; print(grpc_tools.__path__[0])"]
    tools = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())  # noqa: S603
    own = {path.relative_to(PROTOS).as_posix(): path.read_bytes() for path in sorted(PROTOS.glob("govcode/**/*.proto"))}
    pattern = re.compile(r'^import "(google/[^"]+)";', re.MULTILINE)
    imports = {name for content in own.values() for name in pattern.findall(content.decode())}
    google = {name: (tools / "_proto" / name).read_bytes() for name in sorted(imports)}
    out = scratch / "govcode.binpb"
    arguments = [
        f"--proto_path={PROTOS}",
        f"--proto_path={tools / '_proto'}",
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={out}",
        *own,
    ]
    subprocess.run([str(protoc), "-m", "grpc_tools.protoc", *arguments], check=True)  # noqa: S603
    descriptors = out.read_bytes()
    out.unlink()
    about = _ABOUT.format(version=version_of(ROOT)).encode()
    license_ = (ROOT / "LICENSE").read_bytes()
    docs = {f"docs/{name}": (ROOT / "docs" / name).read_bytes() for name in ("errors.md", "sandbox.md")}
    return {**own, **google, **docs, "govcode.binpb": descriptors, "README.txt": about, "LICENSE": license_}


def write_tar(path: Path, folder: str, files: dict[str, bytes], *, moment: int) -> None:
    """It writes a tar.gz whose bytes depend on its content alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), moment, 0o644
            archive.addfile(entry, io.BytesIO(content))
    path.write_bytes(gzip.compress(packed.getvalue(), mtime=moment))


def write_zip(path: Path, folder: str, files: dict[str, bytes], *, moment: int) -> None:
    """It writes a zip whose bytes depend on its content alone."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}", time.gmtime(moment)[:6])
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)


def build_wheels(out: Path, *, moment: int) -> None:
    """It builds the wheels.

    Raises:
        subprocess.CalledProcessError: A build failed; pip has said why.
    """
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(moment)}
    subprocess.run([*command, "--wheel-dir", str(out), *map(str, PROJECTS)], env=environment, check=True)  # noqa: S603


def write_sums(out: Path) -> None:
    """It writes the checksums of all files of the folder."""
    files = sorted(path for path in out.iterdir() if not path.name.endswith("SUMS"))
    for algorithm in ("sha256", "sm3"):
        lines = [f"{hashlib.new(algorithm, path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
        (out / f"{algorithm.upper()}SUMS").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """It builds everything anew."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--protoc", type=Path, required=True, help="Python of the environment that has grpcio-tools")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder, emptied first; dist/ otherwise")
    arguments = parser.parse_args()
    out, moment, version = arguments.out.resolve(), epoch(), version_of(ROOT)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    folder, files = f"govcode-protos-{version}", proto_files(arguments.protoc, out)
    write_tar(out / f"{folder}.tar.gz", folder, files, moment=moment)
    write_zip(out / f"{folder}.zip", folder, files, moment=moment)
    build_wheels(out, moment=moment)
    write_sums(out)
    for path in sorted(out.iterdir()):
        sys.stdout.write(f"{path.stat().st_size:>10}  {path.name}\n")


if __name__ == "__main__":
    main()
