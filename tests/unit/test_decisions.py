"""Decisions have a number each, and the index names all of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_each_decision_has_a_number_of_its_own_and_is_in_the_index() -> None:
    pages = sorted((DOCS / "adr").glob("*.md"))
    assert [
        name for name, count in Counter(page.name[:4] for page in pages).items() if count > 1
    ] == []
    index = (DOCS / "README.md").read_text()
    for page in pages:
        title = page.read_text().partition("\n")[0].removeprefix("# ")
        assert title.startswith(f"{page.name[:4]}. ")
        assert f"- [{title}](adr/{page.name})" in index
