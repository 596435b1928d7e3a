"""What a browser is called by people, out of what it says of itself (`User-Agent`).

The page has the same in web/pages/account/page.js.
"""

from __future__ import annotations

from presentation.plain import one_line

# In this order: most browsers claim to be others, too.
_BROWSERS = {
    "Edg/": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS": "Mac",
    "Linux": "Linux",
}
_MOST_CHARACTERS = 60


def device_name(user_agent: str) -> str:
    """The browser and its system, such as "Firefox, Windows".

    Of what is no browser: the beginning of what it says, 60 characters at most.
    """
    browser = next((name for mark, name in _BROWSERS.items() if mark in user_agent), None)
    if browser is None:
        return one_line(user_agent)[:_MOST_CHARACTERS]
    system = next((name for mark, name in _SYSTEMS.items() if mark in user_agent), None)
    return f"{browser}, {system}" if system else browser
