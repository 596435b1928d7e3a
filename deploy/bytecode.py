"""Compiles what the image's processes import, while the image is built.

Bytecode of every module of every package would take 42 MB, a third of it never read. A module
that a process needs later than at its start is compiled by the process itself, in memory.
"""

from __future__ import annotations

import sys
from compileall import compile_dir
from importlib import import_module
from pathlib import Path
from py_compile import PycInvalidationMode
from py_compile import compile as compile_file

from deploy.plan import MODULES

# The files never change: nothing looks at their times.
_ALWAYS_GOOD = PycInvalidationMode.UNCHECKED_HASH


def main() -> None:
    """Compiles the application, and of the packages what importing every process loads."""
    application = Path(__file__).parents[1]
    for process in MODULES.values():
        import_module(f"{process}.__main__")
    import_module("deploy.__main__")
    import_module("deploy.command")  # `parterre`
    files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    for file in sorted(files):
        if file.endswith(".py") and Path(file).is_relative_to(sys.prefix):
            compile_file(file, doraise=True, invalidation_mode=_ALWAYS_GOOD)
    if not compile_dir(application, quiet=1, invalidation_mode=_ALWAYS_GOOD):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
