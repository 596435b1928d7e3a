"""Generate the Python stubs from the protos, or check that the committed ones are current."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent
COMMITTED = HERE / "gen" / "parterre"


def generate(into: Path) -> None:
    sources = sorted(HERE.glob("parterre/*/v1/*.proto"))
    services = [source for source in sources if "\nservice " in source.read_text()]
    _protoc(sources, f"--python_out={into}", f"--mypy_out=quiet:{into}")
    _protoc(services, f"--grpc_python_out={into}", f"--mypy_grpc_out=quiet,only_async:{into}")
    for folder in [into / "parterre", *(into / "parterre").glob("**/*/")]:
        (folder / "__init__.py").touch()


def _protoc(sources: list[Path], *outputs: str) -> None:
    well_known = str(files("grpc_tools") / "_proto")
    names = [str(source.relative_to(HERE)) for source in sources]
    argv = ["protoc", f"--proto_path={HERE}", f"--proto_path={well_known}", *outputs, *names]
    if status := protoc.main(argv):
        sys.exit(status)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the committed stubs differ")
    check = parser.parse_args().check
    # protoc finds its mypy plug-in, installed beside this Python, on the PATH.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "parterre"
        generate(Path(folder))
        if check:
            if contents(fresh) != contents(COMMITTED):
                sys.exit("protos/gen is not current: run make protos and commit the result")
            return
        shutil.rmtree(COMMITTED, ignore_errors=True)
        shutil.copytree(fresh, COMMITTED)


if __name__ == "__main__":
    main()
