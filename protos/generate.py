"""It regenerates the Python messages and stubs under ``clients/python/src/govcode`` from the protos.

Run it by ``make proto``, which gives it the pinned generator of ``protos/requirements.txt`` in an environment of its
own: stubs of grpcio-tools 1.76.0 run on grpcio 1.76 and later and on protobuf 6.33 and later, while newer generators
refuse older runtimes. mypy-protobuf writes the type stubs, since protoc's own do not pass strict checking.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "clients" / "python" / "src" / "govcode"
HEADER = '"""Generated from the protos of govcode. Do not edit: run ``make proto``."""\n'


def generate(out: Path) -> None:
    """It writes the whole ``govcode`` package below ``out``.

    Raises:
        RuntimeError: protoc refused the protos; it has printed why.
    """
    sources = sorted(str(path.relative_to(HERE)) for path in HERE.glob("govcode/**/*.proto"))
    include = Path(protoc.__file__).resolve().parent / "_proto"
    plugin_folder = Path(sys.executable).parent
    arguments = [
        "protoc",
        f"--proto_path={HERE}",
        f"--proto_path={include}",
        f"--plugin=protoc-gen-mypy={plugin_folder / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugin_folder / 'protoc-gen-mypy_grpc'}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet:{out}",
        *sources,
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc refused the protos")
    for folder in [out / "govcode", *(path for path in (out / "govcode").rglob("*") if path.is_dir())]:
        (folder / "__init__.py").write_text(HEADER, encoding="utf-8")
    (out / "govcode" / "py.typed").write_text("", encoding="utf-8")
    for stub in (out / "govcode").rglob("*_pb2_grpc.py*"):
        service = stub.with_name(stub.name.split("_pb2_grpc")[0] + ".proto").name
        if not any("\nservice " in path.read_text(encoding="utf-8") for path in HERE.rglob(service)):
            stub.unlink()  # a file without a service has an empty stub, which nobody needs


def main() -> None:
    """It generates into the client's source tree, or into the folder given by ``--out``."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, help="write below this folder instead of into the source tree")
    out = parser.parse_args().out
    if out is not None:
        generate(out)
        return
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        shutil.rmtree(TARGET, ignore_errors=True)
        shutil.copytree(Path(scratch) / "govcode", TARGET)


if __name__ == "__main__":
    main()
