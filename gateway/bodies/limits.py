"""The bounds of what clients send, as the description tells them.

The services hold every value to their own rules. These are the same numbers, so that nothing that
the description allows is refused for its size, and nothing is sent on that can only be refused.
`tests/unit/test_gateway_limits.py` pairs each with the service's own. Texts are in characters,
amounts of money in minor units.
"""

from __future__ import annotations

# Pages.
PAGE = 100

# Accounts.
PERSON_NAME = 100
BUSINESS_NAME = 100
PASSWORD_LEAST = 8
PASSWORD = 128
USER_QUERY = 100
API_KEY_NAME = 100

# Venues.
VENUE_NAME = 200
ADDRESS = 300
CITY = 100
VENUE_CAPACITY = 10_000_000
AMENITIES = 30
AMENITY = 40
SECTION_NAME = 60
STANDING = 200_000
ROWS = 500
PLACES_IN_ROW = 500
ROW_LABEL = 10
SEAT_NUMBER = 8
FIRST_NUMBER = 10_000
COORDINATE = 10_000
SPACING_LEAST = 0.1
SPACING = 100
CURVE = 1_000
SIDE_LEAST = 0.1
SIDE = 10_000

# Events.
TITLE = 200
PROSE = 10_000
LOCATION = 300
PLACES_OF_PERSON = 100
REFUND_HOURS = 8760
TIERS = 50
TIER_NAME = 60
TIER_SECTIONS = 200
TIER_TICKETS = 1_000_000
CANCEL_REASON = 500
EVENT_QUERY = 200
EVENT_QUERY_WORDS = 10
REVIEW = 2000

# Seats and holds.
HOLD_LINES = 100
BLOCKED_SEATS = 1000
BLOCK_NOTE = 200

# Bookings and tickets.
WAIT_SECONDS = 20
PAYMENT_TOKEN = 200
ATTENDEE_NAME = 100
BOOKING_REASON = 500
GATE = 50

# Coupons.
MESSAGE_SUBJECT = 150
MESSAGE_TEXT = 5_000
WEBHOOK_URL = 2_000
WEBHOOK_DESCRIPTION = 100
WEBHOOK_FACTS = 7
COUPON_CODE_LEAST = 3
COUPON_CODE = 40
COUPON_USES = 1_000_000

# Money: JSON carries it whole.
AMOUNT = 10**12
REFUND_REASON = 500

# Notices: some more than there are kinds by channels.
PREFERENCES = 100
