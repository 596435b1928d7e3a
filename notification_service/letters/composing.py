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
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from presentation.amounts import format_amount
from presentation.devices import device_name
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
        known = self._known(language, facts) | {"unsubscribe": unsubscribe}
        html, text = (self._template(kind, language, layout) for layout in ("html", "txt"))
        return Letter(
            one_line(_block(text, "subject", known))[:_MOST_SUBJECT],
            _BREAKS.sub("\n\n", text.render(known)).strip() + "\n",
            html.render(known),
        )

    def notice(self, kind: str, language: str, facts: Mapping[str, Any]) -> tuple[str, str]:
        """The title and the text of news in the app; in English where there is no catalogue.

        Raises:
            jinja2.TemplateError: the template can't be filled with these facts.
        """
        known = self._known(language, facts)
        template = self._template(kind, language, "txt")
        title, text = (_block(template, name, known) for name in ("subject", "notice"))
        return one_line(title)[:_MOST_SUBJECT], text.strip()

    def _known(self, language: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        known = {
            "house": self._house,
            "language": _spoken(language),
            **facts,
            # `amount` is what writes one.
            "minor": facts.get("amount", 0),
        }
        known.pop("amount", None)
        return known

    def _template(self, kind: str, language: str, layout: str) -> Template:
        return self._environments[_spoken(language), layout].get_template(f"{kind}.jinja")


def _spoken(language: str) -> str:
    return language if language in LANGUAGES else "en"


def _block(template: Template, name: str, known: Mapping[str, Any]) -> str:
    return "".join(template.blocks[name](template.new_context(dict(known))))


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
        "device_name": device_name,
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
