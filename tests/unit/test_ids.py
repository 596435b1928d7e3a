"""Ids are UUIDv7: api.md promises it, and indexes grow at one end by it."""

from __future__ import annotations

import re
from pathlib import Path

from chassis.ids import uuid7

ROOT = Path(__file__).parents[2]
OTHERS = re.compile(r"uuid[1-6]\b|gen_random_uuid|uuid_generate")
# Ids of another kind, and why: secrets, which a UUIDv7's neighbours would nearly tell, and ids that
# follow from others, so that what is asked for twice is one thing.
OTHER_KINDS = {
    "auth_service/handlers/codes.py": "a code's otp_id is known to its asker alone (UUIDv4)",
    "catalog_service/uploads.py": "a draft's pictures are not to be guessed (UUIDv4)",
    "booking_service/domain/bookings.py": "the refund of a booking's payment (UUIDv5)",
    "payment_service/domain/steps.py": "the refund of a charge that came too late (UUIDv5)",
    "notification_service/domain/mails.py": "the Message-ID of a fact and its reader (UUIDv5)",
}


def test_an_id_is_a_uuid_of_version_7_and_later_ones_sort_behind() -> None:
    made = [uuid7() for _ in range(1000)]
    assert {(each.version, each.variant) for each in made} == {(7, "specified in RFC 4122")}
    assert made == sorted(made)
    assert len(set(made)) == 1000


def test_nothing_makes_ids_of_another_kind() -> None:
    # A migration gives rows of before an id once; it can't call ours.
    sources = [
        file
        for folder in ("*_service", "chassis", "gateway", "ops", "presentation")
        for file in ROOT.glob(f"{folder}/**/*.py")
        if "migrations" not in file.parts
    ]
    assert len(sources) > 200
    found = {str(file.relative_to(ROOT)) for file in sources if OTHERS.search(file.read_text())}
    assert found == OTHER_KINDS.keys()
