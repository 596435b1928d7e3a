"""The files of `web/`: one version for all of them, so that relative imports find their files.

A file's address has the version in it, and is kept for good. A gateway that runs another version,
as during a rolling upgrade, answers with its own file, and nobody keeps that.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from posixpath import normpath

from gateway.representations import compress
from gateway.snapshots import PLAIN

ROOT = Path(__file__).parents[2] / "web"
MEDIA_TYPES: Mapping[str, str] = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
# What every page is drawn with comes in one sheet: each request more is a round trip for some.
SITE_SHEET = "styles/site.css"
_OF_SITE_SHEET = ("styles/tokens.css", "styles/base.css", "styles/parts.css")
# They are compressed as they are.
_PACKED = frozenset({"image/png", "font/woff2"})
_UNSERVED = re.compile(r"/\.|__pycache__|/(?:js|ts)config\.json$|/vendor\.json$")
# Less does not get smaller by as much as the header is long that says so.
_LEAST_BYTES = 200
_VERSION_CHARACTERS = 12
# Best for what is text and sent often; above that size it would take a second.
_BROTLI_QUALITY, _BROTLI_QUALITY_OF_LARGE, _LARGE_BYTES = 11, 9, 64 * 1024
_GZIP_LEVEL = 9
# `import … from "./x.js"` and `export … from`, also where a minified file has several on a line;
# `import("./x.js")`, which is for later, and types in comments have a parenthesis.
_IMPORT = re.compile(
    rb"""(?:^|;)(?:import|export)\b[^;"'()]*["'](\.{1,2}/[^"']+)["']""", re.MULTILINE
)
_CHANGES_SEEN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, in each coding that was asked for."""

    content: bytes
    media_type: str
    tag: str
    compressed: dict[str, bytes] = field(default_factory=dict)
    being_made: asyncio.Lock = field(default_factory=asyncio.Lock, compare=False, repr=False)

    def coding(self, liked: str) -> str:
        """How it travels to a client that likes this coding best."""
        gains = self.media_type not in _PACKED and len(self.content) >= _LEAST_BYTES
        return liked if gains else PLAIN

    async def coded(self, coding: str) -> bytes:
        """The file in that coding; the first to ask has it made, beside the event loop."""
        if coding == PLAIN:
            return self.content
        async with self.being_made:  # of many who come together, one makes it
            made = self.compressed.get(coding)
            if made is None:
                large = len(self.content) > _LARGE_BYTES
                quality = _BROTLI_QUALITY_OF_LARGE if large else _BROTLI_QUALITY
                made = await asyncio.to_thread(
                    compress, self.content, coding, gzip=_GZIP_LEVEL, brotli=quality
                )
                self.compressed[coding] = made
        return made


@dataclass(frozen=True, slots=True)
class Tree:
    """All files, by their paths below `web/`, and the version of them all."""

    files: Mapping[str, Asset]
    version: str
    imports: Mapping[str, Sequence[str]]  # of modules, by static imports

    @classmethod
    def read(cls, root: Path) -> Tree:
        """What is on disk."""
        contents = dict(_contents(root))
        sheets = [contents[path] for path in _OF_SITE_SHEET if path in contents]
        if sheets:
            contents[SITE_SHEET] = b"\n".join(sheets)
        files = {
            path: Asset(
                content, MEDIA_TYPES[Path(path).suffix], hashlib.sha256(content).hexdigest()[:16]
            )
            for path, content in contents.items()
        }
        whole = hashlib.sha256()
        for path, asset in sorted(files.items()):
            whole.update(f"{path}\0{asset.tag}\0".encode())
        imports = {
            path: [found for found in _imports(path, asset.content) if found in files]
            for path, asset in files.items()
            if path.endswith(".js")
        }
        return cls(files, whole.hexdigest()[:_VERSION_CHARACTERS], imports)

    def address(self, path: str) -> str:
        """Where a file of this version is."""
        return f"/assets/{self.version}/{path}"

    def needed(self, *modules: str) -> list[str]:
        """The modules that these need to run, themselves included, each once.

        All that the first needs come before the second.
        """
        found: dict[str, None] = {}
        for each in modules:
            waiting = [each]
            while waiting:
                module = waiting.pop(0)
                if module not in found and module in self.imports:
                    found[module] = None
                    waiting += self.imports[module]
        return list(found)


class Assets:
    """The files, read once; on a developer's machine read again when one has changed."""

    def __init__(
        self,
        root: Path = ROOT,
        *,
        watches: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._watches = watches
        self._clock = clock
        self._stamp = _stamp(root) if watches else 0
        self._looked_at = clock()
        self._tree = Tree.read(root)

    @property
    def tree(self) -> Tree:
        """The files as they are now."""
        if self._watches and self._clock() - self._looked_at >= _CHANGES_SEEN_SECONDS:
            self._looked_at = self._clock()
            try:
                stamp = _stamp(self._root)
                if stamp != self._stamp:
                    self._tree, self._stamp = Tree.read(self._root), stamp
            except OSError:
                pass  # an editor is just putting a file in its place; the next look finds it
        return self._tree


def _paths(root: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        if file.suffix in MEDIA_TYPES and not _UNSERVED.search(f"/{path}") and file.is_file():
            yield path, file


def _contents(root: Path) -> Iterator[tuple[str, bytes]]:
    for path, file in _paths(root):
        yield path, file.read_bytes()


def _stamp(root: Path) -> int:
    """Changes when a file does."""
    return hash(tuple((path, file.stat().st_mtime_ns) for path, file in _paths(root)))


def _imports(path: str, source: bytes) -> Iterator[str]:
    folder = PurePosixPath(path).parent
    for target in dict.fromkeys(_IMPORT.findall(source)):
        yield normpath((folder / target.decode()).as_posix())
