"""Places in words."""

from __future__ import annotations

from parterre.catalog.v1 import catalog_pb2
from parterre.types.v1 import types_pb2

from presentation.languages import locale_of


def seat_name(line: types_pb2.Line) -> str:
    """A line's place: section, row and number, or how many stand."""
    if line.seat_id:
        return f"{line.section}, {' '.join(filter(None, (line.row, line.number)))}"
    return line.section if line.quantity == 1 else f"{line.quantity} x {line.section}"


def address(event: catalog_pb2.Event, language: str = "en") -> str:
    """Street, city and country of an event's venue; empty where it has none."""
    venue = event.venue
    country = locale_of(language).territories.get(venue.country, venue.country)
    return ", ".join(filter(None, (venue.address, venue.city, country)))
