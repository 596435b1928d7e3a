"""A service with an event on sale."""

from __future__ import annotations

import pytest

from booking_service import messaging
from tests.component.conftest import MakeDatabase, Serve

from .box import Box


@pytest.fixture
async def box(make_database: MakeDatabase, serve: Serve) -> Box:
    box = Box(await make_database("booking", encode=messaging.encode))
    await box.open(serve)
    await box.publish()
    return box
