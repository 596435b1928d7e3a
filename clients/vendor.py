"""The libraries that the web page runs on: copied from their npm packages into web/vendor.

A page has no build step, so what is in the repository is what runs. Here they are made from the
packages that package-lock.json pins, with the few changes that a browser needs: imports name files
instead of packages, and a library that knows no ES modules gets an export.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients import node

FOLDER = node.ROOT / "web" / "vendor"


@dataclass(frozen=True, slots=True)
class Library:
    """A file of a package, and the names by which it imports others of them."""

    package: str
    path: str
    imports: Mapping[str, str]
    # What the types of the file are: of which module, and whether that has a default export.
    types: str = ""
    has_default: bool = False
    # A line behind a script that only sets a global, or `module.exports`.
    before: str = ""
    after: str = ""


_PREACT = {"preact": "./preact.js", "preact/hooks": "./hooks.js"}
FILES: Mapping[str, Library] = {
    "preact.js": Library("preact", "dist/preact.mjs", {}, "preact"),
    "hooks.js": Library("preact", "hooks/dist/hooks.mjs", _PREACT, "preact/hooks"),
    "htm.js": Library("htm", "dist/htm.mjs", {}, "htm", has_default=True),
    "signals-core.js": Library("@preact/signals-core", "dist/signals-core.mjs", {}),
    "signals.js": Library(
        "@preact/signals",
        "dist/signals.mjs",
        {**_PREACT, "@preact/signals-core": "./signals-core.js"},
        "@preact/signals",
    ),
    "openapi-fetch.js": Library(
        "openapi-fetch", "dist/index.mjs", {}, "openapi-fetch", has_default=True
    ),
    "jsqr.js": Library(
        "jsqr",
        "dist/jsQR.js",
        {},
        "jsqr",
        has_default=True,
        before="const module = { exports: {} }, exports = module.exports;\n",
        after="\nexport default module.exports.default ?? module.exports;\n",
    ),
    "uplot.js": Library("uplot", "dist/uPlot.esm.js", {}, "uplot", has_default=True),
    "uplot.css": Library("uplot", "dist/uPlot.min.css", {}),
}


_HEAD = """\
# Licences of the libraries in this folder

`make web-vendor` makes them from the packages that clients/package-lock.json pins; vendor.json
has their versions and hashes.
"""


def _written(library: Library, source: bytes) -> bytes:
    text = re.sub(rb"//# sourceMappingURL=\S+\s*$", b"", source)
    for package, file in library.imports.items():
        for quote in (b'"', b"'"):
            text = text.replace(quote + package.encode() + quote, quote + file.encode() + quote)
    return (library.before.encode() + text.rstrip() + library.after.encode()).rstrip() + b"\n"


def _types(library: Library) -> bytes:
    """What tsc and editors know the file by: the types of its package."""
    lines = [f'export * from "{library.types}";\n']
    if library.has_default:
        lines.append(f'export {{ default }} from "{library.types}";\n')
    return "".join(lines).encode()


def _pins() -> dict[str, Any]:
    packages: dict[str, Any] = json.loads((node.ROOT / "clients/package-lock.json").read_text())
    return dict(packages["packages"])


def made() -> dict[str, bytes]:
    """Every file of web/vendor by its name, as the pinned packages give it; npm must have run."""
    pins = _pins()
    files: dict[str, bytes] = {}
    listed: list[dict[str, str]] = []
    licences: dict[str, str] = {}
    for name, library in FILES.items():
        folder = node.CACHE / "node_modules" / library.package
        pin = pins[f"node_modules/{library.package}"]
        files[name] = _written(library, (folder / library.path).read_bytes())
        listed.append(
            {
                "file": name,
                "package": library.package,
                "version": pin["version"],
                "integrity": pin["integrity"],
                "sha256": hashlib.sha256(files[name]).hexdigest(),
            }
        )
        if library.types:
            files[f"{name.removesuffix('.js')}.d.ts"] = _types(library)
        title = f"{library.package} {pin['version']} ({pin['license']})"
        licences[title] = (folder / "LICENSE").read_text().strip()
    files["vendor.json"] = (json.dumps(listed, indent=2) + "\n").encode()
    told = "\n\n".join(f"## {name}\n\n```\n{text}\n```" for name, text in licences.items())
    files["LICENSES.md"] = f"{_HEAD}\n{told}\n".encode()
    return files


def write() -> None:
    """Makes web/vendor anew.

    Raises:
        ToolError: npm failed.
    """
    node.install()
    files = made()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file in FOLDER.iterdir():
        if file.name not in files:
            file.unlink()
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)


def check() -> None:
    """Compares web/vendor with what the pinned packages give.

    Raises:
        ToolError: a file differs, is missing, or is one too many; npm failed.
    """
    node.install()
    files = made()
    there = {file.name for file in FOLDER.iterdir() if file.is_file()}
    stale = sorted(
        {name for name in files if not _same(FOLDER / name, files[name])} | (there - files.keys())
    )
    if stale:
        raise node.ToolError(
            f"web/vendor: {', '.join(stale)} is not as pinned: run make web-vendor"
        )


def _same(file: Path, content: bytes) -> bool:
    return file.exists() and file.read_bytes() == content
