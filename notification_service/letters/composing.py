"""Letters from Jinja2 templates: each kind has one, laid out once as HTML and once as text."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from jinja2 import Environment, PackageLoader, StrictUndefined

from presentation.amounts import format_amount
from presentation.languages import LANGUAGES
from presentation.moments import format_moment
from presentation.plain import one_line

_LOCALE = Path(__file__).parents[1] / "locale"
_DOMAIN = "mails"
_BREAKS = re.compile(r"\n{3,}")
_MOST_SUBJECT = 200  # characters
_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Links:
    """Where mails lead."""

    booking: str  # with {reference} in it; empty: there is no such page
    unsubscribe: str  # with {token} in it; empty: nothing can be switched off


class Composer:
    """Writes letters."""

    def __init__(self, house: str) -> None:
        """Loads the catalogues; `house` is how the box office calls itself."""
        self._house = house
        self._environments = {
            (language, layout): _environment(language, layout)
            for language in LANGUAGES
            for layout in ("html", "txt")
        }

    def compose(
        self,
        kind: str,
        language: str,
        facts: Mapping[str, Any],
        *,
        unsubscribe: str = "",
    ) -> Letter:
        """The letter of a kind; in English where the language has no catalogue.

        Raises:
            jinja2.TemplateError: the template can't be filled with these facts.
        """
        language = language if language in LANGUAGES else "en"
        known = {
            "house": self._house,
            "language": language,
            "unsubscribe": unsubscribe,
            **facts,
            # `amount` is what writes one.
            "minor": facts.get("amount", 0),
        }
        known.pop("amount", None)
        html, text = (
            self._environments[language, layout].get_template(f"{kind}.jinja")
            for layout in ("html", "txt")
        )
        subject = "".join(text.blocks["subject"](text.new_context(known)))
        return Letter(
            one_line(subject)[:_MOST_SUBJECT],
            _BREAKS.sub("\n\n", text.render(known)).strip() + "\n",
            html.render(known),
        )


def _environment(language: str, layout: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("notification_service"),
        autoescape=layout == "html",  # noqa: S701 - plain text has nothing to escape
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=100,
    )
    environment.install_gettext_translations(  # type: ignore[attr-defined]  # of the extension
        _translations(language), newstyle=True
    )
    environment.globals |= {
        "layout": f"layout.{layout}",
        "parts": f"parts.{layout}",
        "amount": lambda minor, currency: format_amount(minor, currency, language),
        "moment": lambda at, timezone: format_moment(
            at if isinstance(at, datetime) else datetime.fromisoformat(at), timezone, language
        ),
        "one_line": one_line,
        "words": _words,
    }
    return environment


def _words(reason: str) -> str:
    """A reason, if it is in somebody's words; empty for one of ours, which is a name."""
    return "" if _NAME.fullmatch(reason) else reason


@lru_cache
def _translations(language: str) -> NullTranslations:
    """The catalogue as it is committed, compiled when the service starts: it can't be stale."""
    file = _LOCALE / language / "LC_MESSAGES" / f"{_DOMAIN}.po"
    if not file.exists():
        return NullTranslations()  # English: the templates' own words
    with file.open("rb") as source:
        catalogue = read_po(source, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)
