"""Checks the web page's modules: their types, their lint, and that each text is translated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from clients import generated, node, vendor

WEB = node.ROOT / "web"
_OWN = Path(__file__).parent
_TYPES = node.CACHE / "web"
# `t("…")`, and both texts of `n(count, "…", "…")`, wherever they stand.
_ONE = re.compile(r"""(?<![\w.])t\(\s*("(?:[^"\\]|\\.)*")""")
_TWO = re.compile(
    r"""(?<![\w.])n\(\s*(?:[^"]*?),\s*("(?:[^"\\]|\\.)*"),\s*("(?:[^"\\]|\\.)*")""", re.DOTALL
)
_COMMENT = re.compile(r"/\*.*?\*/|^\s*//[^\n]*", re.DOTALL | re.MULTILINE)
_VALUE = re.compile(r"\{\w+\}")
# What the page's protection or its habits forbid, and why.
_FORBIDDEN: Mapping[str, tuple[re.Pattern[str], Sequence[str]]] = {
    "HTML of text": (re.compile(r"innerHTML|outerHTML|insertAdjacentHTML"), ()),
    "a kept value": (
        re.compile(r"\blocalStorage\b|\bsessionStorage\b"),
        ("core/preferences.js", "core/theme.js"),
    ),
}


def steps() -> Iterator[tuple[str, Callable[[], object]]]:
    """What is checked, and how; what fails raises a ToolError. Each needs those before it."""
    yield "the tools are installed", node.install
    yield "the libraries in web/vendor are those that are pinned", vendor.check
    yield "the modules fit each other and the API", check_types
    yield "the modules' lint is good", check_lint
    yield "no module makes HTML of text, or keeps what is no preference", check_habits
    yield "every text is in Nepali, too", check_texts


def modules() -> Iterator[Path]:
    """Our own modules."""
    yield from sorted(file for file in WEB.rglob("*.js") if vendor.FOLDER not in file.parents)


def check_types() -> None:
    """Checks the types by tsc; those of the API are made of its description.

    Raises:
        ToolError: something does not fit.
    """
    generated.typescript_types(generated.document_in(_TYPES), _TYPES / "api.d.ts")
    node.run(node.tool("tsc"), "--project", WEB / "jsconfig.json")


def check_lint() -> None:
    """Lints the modules.

    Raises:
        ToolError: ESLint found something.
    """
    node.run(node.tool("eslint"), "--config", _OWN / "eslint.config.js", "--max-warnings", "0", WEB)


def check_habits() -> None:
    """Looks for what no module of ours does.

    Raises:
        ToolError: one does.
    """
    found = [
        f"{file.relative_to(node.ROOT)} has {what}"
        for file in modules()
        for what, (pattern, allowed) in _FORBIDDEN.items()
        if pattern.search(file.read_text()) and file.relative_to(WEB).as_posix() not in allowed
    ]
    if found:
        raise node.ToolError("\n".join(found))


def texts_of(source: str) -> set[str]:
    """The English texts that a module says."""
    source = _COMMENT.sub("", source)
    ones = set(_ONE.findall(source))
    twos = {text for pair in _TWO.findall(source) for text in pair}
    return {json.loads(text) for text in ones | twos}


def check_texts() -> None:
    """Compares the texts that modules say with those that are translated.

    Raises:
        ToolError: one is missing, is said no more, or has other values in Nepali.
    """
    said: dict[str, set[str]] = {"core": set()}
    for file in modules():
        parts = file.relative_to(WEB).parts
        if parts[0] == "lang":
            continue
        area = parts[1] if parts[0] == "pages" and len(parts) > 2 else "core"
        said.setdefault(area, set()).update(texts_of(file.read_text()))
    faults: list[str] = []
    core = _translated("core")
    for area, texts in sorted(said.items()):
        there = _translated(area)
        known = {*there, *core}
        faults += [f"web/lang/ne/{area}.js lacks {text!r}" for text in sorted(texts - known)]
        faults += [
            f"web/lang/ne/{area}.js has {text!r}, unsaid" for text in sorted(set(there) - texts)
        ]
        faults += [
            f"web/lang/ne/{area}.js: the values of {text!r} differ"
            for text, told in there.items()
            if sorted(_VALUE.findall(text)) != sorted(_VALUE.findall(told))
        ]
    if faults:
        raise node.ToolError("\n".join(faults))


def _translated(area: str) -> dict[str, str]:
    file = WEB / "lang" / "ne" / f"{area}.js"
    if not file.exists():
        return {}
    program = f"import texts from {json.dumps(file.as_uri())}; console.log(JSON.stringify(texts));"
    texts: dict[str, str] = json.loads(node.run("node", "--input-type=module", "--eval", program))
    return texts
