"""The files of the web page: which are served, under which version, how small, and when anew."""

from __future__ import annotations

import gzip
import os
import re
from importlib.resources import files
from pathlib import Path

import brotli
import pytest

from gateway.site.assets import ROOT, Assets, Tree
from gateway.site.pages import PAGES

SOURCES = {
    "main.js": """import { a } from "./core/a.js";
import {
  b,
  c as d,
} from './core/b.js';
export * from "./core/c.js";
/** @type {import("./core/typed.js").Type} */
const later = () => import("./pages/later.js");
export const x = "from './core/no.js'";
""",
    "core/a.js": 'import "../styles.js";\nimport{b}from"./b.js";export{c}from"./c.js";\n',
    "core/b.js": 'import { a } from "./a.js";\n' + "// a long comment\n" * 50,
    "core/c.js": 'import x from "./absent.js";\nimport y from "elsewhere";\n',
    "core/typed.js": "",
    "core/no.js": "",
    "styles.js": "",
    "pages/later.js": 'import "../core/typed.js";\n',
    "styles/base.css": "a { color: red }\n" * 50,
    "icons/icon.svg": "<svg/>",
    "icons/icon.png": "\x89PNG" + "0" * 1000,
    "types/own.d.ts": "type X = 1",
    "vendor/LICENSES.md": "MIT",
    "vendor/vendor.json": "{}",
    "jsconfig.json": "{}",
    "__init__.py": "",
    ".hidden.js": "",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, text in SOURCES.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_only_what_a_browser_runs_or_shows_is_served(folder: Path) -> None:
    assert {*SOURCES} - {*Tree.read(folder).files} == {
        "types/own.d.ts",
        "vendor/LICENSES.md",
        "vendor/vendor.json",
        "jsconfig.json",
        "__init__.py",
        ".hidden.js",
    }


def test_a_module_brings_what_runs_before_it_and_not_what_is_loaded_later(folder: Path) -> None:
    tree = Tree.read(folder)
    assert tree.needed("main.js") == [
        "main.js", "core/a.js", "core/b.js", "core/c.js", "styles.js",
    ]  # fmt: skip
    assert tree.needed("main.js", "pages/later.js")[5:] == ["pages/later.js", "core/typed.js"]
    assert tree.needed("core/c.js", "main.js")[:2] == ["core/c.js", "main.js"]
    assert tree.needed("pages/absent.js") == []


def test_one_version_is_of_all_files(folder: Path) -> None:
    before = Tree.read(folder).version
    assert Tree.read(folder).version == before
    (folder / "styles/base.css").write_text("a { color: blue }")
    changed = Tree.read(folder).version
    assert changed != before
    (folder / "styles/base.css").rename(folder / "styles/other.css")
    assert Tree.read(folder).version not in {before, changed}


async def test_files_come_compressed_where_that_gains_something(folder: Path) -> None:
    tree = Tree.read(folder)
    style = tree.files["styles/base.css"]
    assert style.coding("br") == "br"
    assert brotli.decompress(await style.coded("br")) == style.content
    assert gzip.decompress(await style.coded("gzip")) == style.content
    assert await style.coded("identity") is style.content
    assert tree.files["icons/icon.png"].coding("br") == "identity"
    assert tree.files["icons/icon.svg"].coding("br") == "identity"


def test_a_developer_sees_a_change_within_a_second_and_the_folder_is_not_read_for_each_request(
    folder: Path,
) -> None:
    now = 0.0
    watching = Assets(folder, watches=True, clock=lambda: now)
    resting = Assets(folder, clock=lambda: now)
    before = watching.tree
    (folder / "main.js").write_text("// changed\n")
    os.utime(folder / "main.js", ns=(1, 1))
    assert watching.tree is before
    now = 1.0
    assert watching.tree.files["main.js"].content == b"// changed\n"
    assert watching.tree.version != before.version
    assert resting.tree.version == before.version
    changed = watching.tree
    (folder / "main.js").unlink()
    (folder / "main.js").symlink_to(folder / "nowhere")  # as an editor may leave it for a moment
    now = 2.0
    assert "main.js" in changed.files
    assert "core/a.js" in watching.tree.files


def test_the_page_is_a_part_of_the_package() -> None:
    assert Path(str(files("web"))) == ROOT
    packages = (ROOT.parent / "pyproject.toml").read_text()
    assert re.search(r'^packages = \[[^\]]*"web"', packages, re.MULTILINE)
    assert "!web\n" in (ROOT.parent / "deploy/Dockerfile.dockerignore").read_text()


# --- the page itself -----------------------------------------------------------------------------


def in_the_browser() -> dict[str, tuple[str, str, str]]:
    """Of each row of web/pages.js the area, the module below web/pages, and the role."""
    rows = re.findall(
        r'\{ path: "([^"]+)", area: "(\w+)",(?: role: "(\w+)",)? '
        r'load: \(\) => import\("\./pages/([\w/]+)\.js"\)',
        (ROOT / "pages.js").read_text(),
    )
    return {
        re.sub(r":(\w+)", r"{\1}", path): (area, module, role) for path, area, role, module in rows
    }


def test_the_gateway_has_the_pages_that_the_browser_has() -> None:
    rows = in_the_browser()
    assert len(rows) == (ROOT / "pages.js").read_text().count("path:")
    assert len(rows) > 8
    for path, (area, module, role) in rows.items():
        page = PAGES[path]
        assert (page.area, page.module) == (area, module), path
        assert not (role and page.is_public), f"{path} is for who is logged in"


def test_every_module_that_a_page_needs_is_there() -> None:
    tree = Tree.read(ROOT)
    for path in in_the_browser():
        page = PAGES[path]
        assert {*page.modules, *page.styles} <= {*tree.files}, path
    for module in tree.files:
        if module.endswith(".js"):
            source = tree.files[module].content.decode()
            named = re.findall(r'^import\b[^;"\'()]*["\'](\.[^"\']+)["\']', source, re.MULTILINE)
            assert len(set(named)) <= len(tree.imports[module]), module


def test_what_the_picker_needs_is_asked_for_at_once() -> None:
    """Imports of imports would cost a phone far away a round trip each."""
    named = re.search(r"const PICKER = (.*);", (ROOT / "pages.js").read_text())
    assert named
    areas = re.search(r"\.\.\.\[([^\]]*)\]\.map\(\(name\) => `(pages/picker/)", named[1])
    assert areas
    own = [areas[2] + name for name in re.findall(r'"(\w+)"', areas[1])]
    asked = {*re.findall(r'"(\w+/\w+)"', named[1]), *own}
    tree = Tree.read(ROOT)
    page = "pages/picker/page.js"
    there = {*tree.needed(*PAGES["/events/{event_id}"].modules), page}
    assert {f"{name}.js" for name in asked} == {*tree.needed(page)} - there
