"""Keeps the catalogues of mails' words: what the templates say, and its translations.

`make docs` adds what is new to each catalogue, with an empty translation; `make docs-check` fails
while one is missing, or stands for words that no template has any more.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

_SERVICE = Path("notification_service")
_CATALOGUES = sorted(_SERVICE.glob("locale/*/LC_MESSAGES/mails.po"))
_METHODS = [(f"templates/*.{kind}", "jinja2") for kind in ("jinja", "html", "txt")]
_OPTIONS = {pattern: {"trimmed": "false", "silent": "false"} for pattern, _method in _METHODS}


def extracted() -> Catalog:
    """Every message of the templates."""
    found = Catalog(project="Parterre", fuzzy=False)
    for file, _line, message, comments, context in extract_from_dir(
        _SERVICE, method_map=_METHODS, options_map=_OPTIONS
    ):
        found.add(message, locations=[(file, 0)], auto_comments=comments, context=context)
    return found


def updated(file: Path) -> Catalog:
    """The catalogue with the templates' messages, and no others."""
    with file.open("rb") as source:
        catalogue = read_po(source)
    catalogue.update(extracted(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    return catalogue


def written(catalogue: Catalog) -> bytes:
    """The catalogue as it is committed."""
    content = io.BytesIO()
    write_po(
        content, catalogue, sort_output=True, include_lineno=False, omit_header=False, width=100
    )
    return content.getvalue()


def faults() -> Iterator[str]:
    """What is wrong with the catalogues."""
    for file in _CATALOGUES:
        catalogue = updated(file)
        for message in catalogue:
            texts = message.string if isinstance(message.string, tuple) else (message.string,)
            if message.id and not all(texts):
                yield f"{file}: no translation of {message.id!r}"
            yield from (f"{file}: {message.id!r}: {error}" for error in message.check(catalogue))
        if file.read_bytes() != written(catalogue):
            yield f"{file} is stale: run make docs"


def main() -> None:
    """Writes the catalogues; under --check it only compares them, exit 1 if one is wrong."""
    parser = argparse.ArgumentParser(prog="ops.catalogues", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether they are right")
    if not parser.parse_args().check:
        for file in _CATALOGUES:
            file.write_bytes(written(updated(file)))
    elif found := list(faults()):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
