"""Issue 13, item 1: a text that is twice as long takes twice as long to read, no more.

Every pattern in the packages is found in the source and given texts of its own parts, repeated:
those make a backtracking engine look at a character again and again.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from chassis.logs import redact
from gateway.edge import cookie_of
from gateway.preferences import wait_of
from gateway.snapshots import BROTLI, GZIP, PLAIN, best_encoding
from tests.abuse.conftest import BareSocket
from tests.contract.conftest import Edge

Healthy = Callable[[Edge], AbstractAsyncContextManager[None]]
ROOT = Path(__file__).parents[2]
PACKAGES = ["chassis", "gateway", *sorted(each.name for each in ROOT.glob("*_service"))]
_LONG = 16_000
# A linear search of `_LONG` characters takes some milliseconds at most, a quadratic one a second.
_SECONDS = 0.05
# Of four times the length: a linear search takes 4 times as long, a quadratic one 16 times.
_TOO_MUCH = 8.0

# What no client's text meets, or only a short one: where, and why.
EXEMPT = {
    ("chassis/postgres.py", "_PLACES"): "reads our own SQL",
    ("auth_service/domain/accounts.py", "_EMAIL"): "looks ahead first: 254 characters at most",
    ("inventory_service/holding/seating.py", "roomy"): "made of the event's own rows",
    ("inventory_service/holding/seating.py", "tight"): "made of the event's own rows",
    ("gateway/bodies/sales.py", "_COUPON"): "found where it is compiled",
    ("gateway/bodies/payments.py", "limits"): "one class of characters, with a bound",
}


class Found:
    """A pattern in the source."""

    def __init__(self, file: str, name: str, pattern: str | bytes | None, flags: int) -> None:
        self.file = file
        self.name = name
        self.pattern = pattern
        self.flags = flags

    def __repr__(self) -> str:
        return f"{self.file}:{self.name}"


def _flags(call: ast.Call) -> int:
    flags = 0
    for node in (*call.args, *(keyword.value for keyword in call.keywords)):
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and part.attr in re.RegexFlag.__members__:
                flags |= re.RegexFlag[part.attr]
    return flags


def _in_file(path: Path) -> Iterator[Found]:
    file = str(path.relative_to(ROOT))
    tree = ast.parse(path.read_text())
    names = {
        id(node.value): node.targets[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        given: ast.expr | None = None
        called = node.func
        if (
            isinstance(called, ast.Attribute)
            and isinstance(called.value, ast.Name)
            and called.value.id == "re"
            and called.attr != "escape"
        ):
            given = node.args[0]
        for keyword in node.keywords:
            if keyword.arg in {"pattern", "regex"}:
                given = keyword.value
        if given is None:
            continue
        if isinstance(given, ast.Constant) and isinstance(given.value, str | bytes):
            yield Found(file, names.get(id(node), f"line {node.lineno}"), given.value, _flags(node))
        elif id(node) in names:
            made = getattr(importlib.import_module(file[:-3].replace("/", ".")), names[id(node)])
            yield Found(file, names[id(node)], made.pattern, made.flags & ~re.UNICODE)
        else:
            inner = next((part for part in ast.walk(given) if isinstance(part, ast.Name)), None)
            yield Found(file, inner.id if inner else f"line {node.lineno}", None, 0)


def found() -> Sequence[Found]:
    """Every pattern of the packages, in the order of the files."""
    files = sorted(
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "migrations" not in path.parts
    )
    return [each for path in files for each in _in_file(path)]


# --- texts that a pattern likes -------------------------------------------------------------------


def _sample(tree: Any) -> str:
    """A text that the parts of a pattern match, one after another."""
    return "".join(_of(kind, value) for kind, value in tree)


def _of(kind: Any, value: Any) -> str:
    if kind is kinds.LITERAL:
        return chr(value)
    if kind is kinds.NOT_LITERAL:
        return "a" if value != ord("a") else "b"
    if kind is kinds.ANY:
        return "a"
    if kind is kinds.IN:
        return _member(value)
    if kind in {kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT}:
        least, most, inner = value
        times: int = max(least, min(1, most))
        return _sample(inner) * times
    if kind is kinds.SUBPATTERN:
        return _sample(value[-1])
    if kind is kinds.ATOMIC_GROUP:
        return _sample(value)
    if kind is kinds.BRANCH:
        return _sample(value[1][0])
    return ""  # a look around, an anchor, a reference


def _member(members: Sequence[tuple[Any, Any]]) -> str:
    negated = members[0][0] is kinds.NEGATE
    source = "".join(_class(*each) for each in members if each[0] is not kinds.NEGATE)
    if not negated:
        return source[:1]
    return next(each for each in 'a0 .-\\"' if each not in source)


def _class(kind: Any, value: Any) -> str:
    if kind is kinds.LITERAL:
        return chr(value)
    if kind is kinds.RANGE:
        return chr(value[0])
    samples: dict[Any, str] = {
        kinds.CATEGORY_DIGIT: "0123456789",
        kinds.CATEGORY_SPACE: " \t",
        kinds.CATEGORY_WORD: "a0_",
    }
    return samples.get(value, "a")


def _parts(tree: Any) -> Iterator[str]:
    """Samples of every part of a pattern, and of neighbours together."""
    items = list(tree)
    for start, end in itertools.combinations(range(len(items) + 1), 2):
        if end - start <= 3:
            yield _sample(items[start:end])
    for kind, value in items:
        if kind in {kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT}:
            yield from _parts(value[2])
        elif kind is kinds.SUBPATTERN:
            yield from _parts(value[-1])
        elif kind is kinds.ATOMIC_GROUP:
            yield from _parts(value)
        elif kind is kinds.BRANCH:
            for each in value[1]:
                yield _sample(each)
                yield from _parts(each)
        elif kind is kinds.IN and value[0][0] is not kinds.NEGATE:
            for member in value:
                yield from _class(*member)


def _literals(part: Any) -> Iterator[str]:
    """Every single character that a pattern, or a part of one, names."""
    if isinstance(part, tuple) and part[0] in {kinds.LITERAL, kinds.NOT_LITERAL}:
        yield chr(part[1])
    elif isinstance(part, tuple | list | parser.SubPattern):
        for each in part:
            yield from _literals(each)


def attacks(pattern: str | bytes, flags: int) -> Sequence[tuple[str, str, str]]:
    """What stands before, what is repeated, and what spoils it in the end."""
    tree = parser.parse(pattern, flags)
    items = list(tree)
    literal = sorted(set(_literals(tree)))[:6]
    pairs = {"".join(pair) for pair in itertools.product(literal, repeat=2)}
    pumps = sorted({part for part in _parts(tree) if part})[:40] + sorted(pairs)
    heads = sorted({"", *(_sample(items[:end]) for end in range(1, min(len(items), 4)))})
    return [(head, pump, tail) for head in heads for pump in pumps for tail in ("", "\x00!")]


def _text(attack: tuple[str, str, str], length: int) -> str:
    head, pump, tail = attack
    return head + pump * (length // len(pump)) + tail


def slowest(pattern: str | bytes, flags: int, attack: tuple[str, str, str], length: int) -> float:
    """Seconds that reading an attack of that length takes, the least of some tries."""
    compiled: re.Pattern[Any] = re.compile(pattern, flags)
    text: Any = _text(attack, length)
    if isinstance(pattern, bytes):
        text = text.encode("latin-1", "replace")
    took = []
    for _ in range(3):
        began = time.process_time()
        compiled.fullmatch(text)
        for _match in compiled.finditer(text):
            pass
        took.append(time.process_time() - began)
        if took[-1] < _SECONDS:
            break
    return min(took)


def is_linear(pattern: str | bytes, flags: int) -> bool:
    """Whether no attack grows faster than its length: judged by growth, where it takes long."""
    return all(_grows_linearly(pattern, flags, attack) for attack in attacks(pattern, flags))


def _grows_linearly(pattern: str | bytes, flags: int, attack: tuple[str, str, str]) -> bool:
    length = _LONG // 64
    while length <= _LONG:
        took = slowest(pattern, flags, attack, length)
        if took >= _SECONDS:
            before = slowest(pattern, flags, attack, length // 4)
            return took < before * _TOO_MUCH
        length *= 4
    return True


PATTERNS = found()


@pytest.mark.parametrize("each", PATTERNS, ids=repr)
def test_every_pattern_reads_each_character_a_few_times_at_most(each: Found) -> None:
    if (each.file, each.name) in EXEMPT:
        return
    assert each.pattern is not None, "a pattern made of others: say in EXEMPT what it reads"
    assert is_linear(each.pattern, each.flags)


def test_the_patterns_are_found_and_the_exemptions_are_used() -> None:
    assert len([each for each in PATTERNS if each.pattern is not None]) > 30
    assert {(each.file, each.name) for each in PATTERNS} >= set(EXEMPT)


@pytest.mark.parametrize(
    ("pattern", "flags"),
    [
        # What this found in the gateway, and the school's examples.
        (r"eyJ[\w-]+\.[\w-]+\.[\w-]*|\btok_\w+|[\w.+-]+@[\w-]+\.[\w.-]+", 0),
        (r"(?:^|,)\s*(?P<name>br|gzip)\s*(?:;\s*q=(\d(?:\.\d{0,3})?))?\s*(?=,|$)", re.IGNORECASE),
        (r'(?:[^",]|"(?:[^"\\]|\\.)*")+', 0),
        (r"\s+$", 0),
        (r"a*a*b", 0),
    ],
)
def test_a_pattern_that_is_quadratic_would_be_found(pattern: str, flags: int) -> None:
    assert not is_linear(pattern, flags)


# --- what reads a client's text by hand -----------------------------------------------------------


def _path(length: int) -> object:
    return redact({"path": "/" + "a.b-" * (length // 4), "other": "eyJ" * (length // 3) + "@"})


def _mails(length: int) -> object:
    return redact(("a@" * (length // 2), "tok_" * (length // 4), "://a:" * (length // 5) + "@"))


def _encoding(length: int) -> object:
    return best_encoding("br" + " " * length), best_encoding("br;" * (length // 3))


def _cookie(length: int) -> object:
    quotes = ('a="' + '\\"' * (length // 2)).encode()
    return [
        cookie_of({"parterre.cookie": text}, "x") for text in (quotes, b";" * length, b"=" * length)
    ]


def _prefer(length: int) -> object:
    return wait_of(['"' + '\\"' * (length // 2) + "\\"] * 2)


@pytest.mark.parametrize("read", [_path, _mails, _encoding, _cookie, _prefer])
def test_a_reader_takes_twice_as_long_for_twice_as_much(read: Callable[[int], object]) -> None:
    took = {}
    for length in (100_000, 400_000):
        tries = []
        for _ in range(3):
            began = time.process_time()
            read(length)
            tries.append(time.process_time() - began)
        took[length] = min(tries)
    assert took[400_000] < max(0.2, 8 * took[100_000]), took


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("gzip, deflate, br", BROTLI),
        ("gzip", GZIP),
        ("GZIP ; q=0.5", GZIP),
        ("br;q=0, gzip;q=1.000", GZIP),
        ("br;q=0.000", PLAIN),
        ("br;q=2", PLAIN),
        ("br" + " " * 10_000, BROTLI),
        ("", PLAIN),
        ("*", BROTLI),
    ],
)
def test_the_encoding_is_the_smallest_that_is_taken(header: str, encoding: str) -> None:
    assert best_encoding(header) == encoding


def test_our_own_cookie_is_read_as_it_stands_and_no_other() -> None:
    scope = {"parterre.cookie": b'x="y\\"; parterre_refresh = abc ;; parterre_refresh=second; z'}
    assert cookie_of(scope, "parterre_refresh") == "abc"
    assert cookie_of(scope, "refresh") == ""
    assert cookie_of({}, "parterre_refresh") == ""


@pytest.mark.parametrize(
    "fields",
    [
        b"Accept-Encoding: br" + b" " * 10_000 + b"x",
        b'Cookie: a="' + b'\\"' * 1_900 + b'"',
        b'Cookie: a="' + b'\\"' * 7_000 + b'"',
        b"If-None-Match: " + b'"1' * 5_000,
        b'Prefer: "' + b'\\"' * 7_000,
        b"Authorization: Bearer " + b"eyJ" * 5_000,
        b"X-Request-ID: " + b"eyJ" * 5_000,
        b"Content-Type: multipart/form-data; " + b'x="\\' * 3_000,
    ],
    ids=lambda fields: fields[:20].decode(),
)
async def test_no_header_keeps_the_gateway_from_answering(
    edge: Edge, stays_healthy: Healthy, fields: bytes
) -> None:
    async with stays_healthy(edge), BareSocket.to(edge.url) as socket:
        for _ in range(10):
            await socket.send(
                b"GET /api/v1/events/00000000-0000-7000-8000-000000000001/seats HTTP/1.1\r\n"
                b"Host: localhost\r\n" + fields + b"\r\n\r\n"
            )
            status = await socket.reader.readuntil(b" ")
            assert status == b"HTTP/1.1 "
            code = int(await socket.reader.readexactly(3))
            assert code in {200, 304, 401, 404, 422, 431, 500}
            head = await socket.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert (length is None) == (code == 304)  # which has no body
            await socket.reader.readexactly(int(length[1]) if length else 0)


async def test_a_path_is_cut_before_it_is_logged(
    edge: Edge, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await edge.get("/" + "a.b-" * 3_000)
    assert answer.status_code == 404
    out = capsys.readouterr().out
    assert "a.b-" * 50 in out
    assert "a.b-" * 200 not in out
