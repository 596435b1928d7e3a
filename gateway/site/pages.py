"""Every page: its address, what it is called, and the modules and style sheets it begins with.

`web/pages.js` has the same addresses; a test holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.site.assets import SITE_SHEET


@dataclass(frozen=True, slots=True)
class Page:
    """A page, before anything is known of what it shows."""

    path: str
    area: str
    module: str  # below web/pages
    title: str
    is_public: bool = False  # not for one person alone: caches may keep its document
    is_listed: bool = False  # worth finding for those who index
    is_local: bool = False  # on a developer's machine only
    shows_programme: bool = False  # it begins with the next events
    early: str = ""  # what its scripts ask the API for first, if it is the same for everybody
    picture_sizes: str = ""  # how wide its first picture is shown, as in its module

    @property
    def shows_event(self) -> bool:
        """Whether it is about an event that everybody may see, and not there without one."""
        return self.is_public and "{event_id}" in self.path

    @property
    def modules(self) -> Sequence[str]:
        """What the browser is to fetch at once."""
        return (_FIRST, "main.js", f"pages/{self.module}.js", _LAST)

    @property
    def styles(self) -> Sequence[str]:
        """Its style sheets, in their order."""
        return (SITE_SHEET, f"styles/{self.area}.css")


# It runs as soon as it is there, by a script element of its own: who is logged in waits for it.
_FIRST = "core/session.js"
# What asks the API, which no page waits for before it is drawn.
_LAST = "vendor/openapi-fetch.js"

_PAGES = (
    Page(
        "/",
        "discover",
        "discover/page",
        "What's on",
        is_public=True,
        is_listed=True,
        shows_programme=True,
        picture_sizes="(max-width: 40rem) 100vw, 18rem",
    ),
    Page(
        "/events/{event_id}",
        "event",
        "event/page",
        "Event",
        is_public=True,
        is_listed=True,
        picture_sizes="(max-width: 60rem) 100vw, 45rem",
    ),
    Page(
        "/events/{event_id}/seats",
        "picker",
        "picker/page",
        "Choose tickets",
        is_public=True,
        early="/events/{event_id}/seats",
    ),
    Page("/checkout/{hold_id}", "checkout", "checkout/page", "Pay"),
    Page("/bookings/{reference}", "booking", "booking/page", "Booking"),
    Page("/tickets", "booking", "booking/tickets", "My tickets"),
    Page("/login", "account", "account/login", "Log in", is_public=True),
    Page("/register", "account", "account/register", "Register", is_public=True),
    Page(
        "/password-reset",
        "account",
        "account/password_reset",
        "Reset your password",
        is_public=True,
    ),
    Page("/account", "account", "account/page", "Account"),
    Page("/notifications", "account", "account/notifications", "Notifications"),
    Page("/organizer", "organizer", "organizer/dashboard", "Organize"),
    Page("/organizer/events/new", "organizer", "organizer/new_event", "New event"),
    Page("/organizer/events/{event_id}", "organizer", "organizer/event", "Your event"),
    Page("/organizer/venues", "venue", "venue/list", "Venues"),
    Page("/organizer/venues/{venue_id}", "venue", "venue/page", "Venue"),
    Page("/organizer/webhooks", "organizer", "organizer/webhooks", "Webhooks"),
    Page("/organizer/keys", "organizer", "organizer/keys", "API keys"),
    Page("/door", "door", "door/list", "Door"),
    Page("/door/{event_id}", "door", "door/page", "Door"),
    Page("/operator", "operator", "operator/page", "Operations"),
    Page("/race", "race", "race/page", "Race test", is_public=True, is_local=True),
)
PAGES: Mapping[str, Page] = MappingProxyType({page.path: page for page in _PAGES})
# For an address that no page has.
LOST = Page("", "discover", "discover/page", "Page not found", is_public=True)
