"""Every word that a field with a fixed set of them may have, in what comes in and in what goes out.

The services say the same words; `tests/unit/test_vocabulary.py` holds the two to each other. A new
word here is a change that clients meet: see `docs/api.md`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

# --- people --------------------------------------------------------------------------------------

Role = TypeAliasType(
    "Role",
    Annotated[
        Literal["CUSTOMER", "ORGANIZER", "ADMIN"],
        Field(description="What an account may do: each role may do what the ones before it may."),
    ],
)
SignUpRole = TypeAliasType(
    "SignUpRole",
    Annotated[
        Literal["CUSTOMER", "ORGANIZER"],
        Field(description="What somebody may ask to be when they register."),
    ],
)
AccountStatus = TypeAliasType(
    "AccountStatus",
    Annotated[
        Literal["ACTIVE", "DISABLED", "ORGANIZER_REQUESTED", "BUSINESS_NAME_REQUESTED"],
        Field(
            description="ACTIVE may log in, DISABLED may not; ORGANIZER_REQUESTED waits for an "
            "admin to grant that role, BUSINESS_NAME_REQUESTED to approve the name of a business."
        ),
    ],
)
Language = TypeAliasType(
    "Language",
    Annotated[
        Literal["en", "ne"],
        Field(description="In which mails are written: English or Nepali."),
    ],
)
CodePurpose = TypeAliasType(
    "CodePurpose",
    Annotated[
        Literal["REGISTER", "PASSWORD_RESET"],
        Field(description="What a one-time code is good for."),
    ],
)

AuditAction = TypeAliasType(
    "AuditAction",
    Annotated[
        Literal[
            "API_KEY_CREATED",
            "API_KEY_REVOKED",
            "BUSINESS_NAMED",
            "CODE_REFUSED",
            "DISABLED",
            "ENABLED",
            "KEYS_ROTATED",
            "LOGGED_IN",
            "LOGGED_OUT",
            "LOG_IN_FAILED",
            "LOG_IN_REFUSED",
            "ORGANIZER_DECLINED",
            "ORGANIZER_REQUESTED",
            "PASSWORD_CHANGED",
            "PASSWORD_CHANGE_FAILED",
            "PASSWORD_RESET",
            "PROFILE_CHANGED",
            "REFRESH_REUSED",
            "REGISTERED",
            "ROLE_CHANGED",
            "SESSION_REVOKED",
        ],
        Field(description="What was done, as the audit trail keeps it."),
    ],
)
ApiKeyStatus = TypeAliasType(
    "ApiKeyStatus",
    Annotated[
        Literal["ACTIVE", "EXPIRED", "REVOKED"],
        Field(description="Only an ACTIVE key opens anything."),
    ],
)
ApiKeyScope = TypeAliasType(
    "ApiKeyScope",
    Annotated[
        Literal[
            "events:read",
            "events:write",
            "bookings:read",
            "bookings:write",
            "coupons:read",
            "coupons:write",
            "check-ins:write",
            "sales:read",
            "webhooks:write",
        ],
        Field(description="What an API key is good for: each route that one opens names its own."),
    ],
)

# --- venues and events ---------------------------------------------------------------------------

EventStatus = TypeAliasType(
    "EventStatus",
    Annotated[
        Literal["DRAFT", "PUBLISHING", "PUBLISHED", "CANCELLED", "COMPLETED"],
        Field(
            description="DRAFT is seen by its owner alone; PUBLISHING opens its places, PUBLISHED "
            "has them open; CANCELLED was called off; COMPLETED is over."
        ),
    ],
)
PublicEventStatus = TypeAliasType(
    "PublicEventStatus",
    Annotated[
        Literal["PUBLISHED", "CANCELLED", "COMPLETED"],
        Field(description="A status that everybody may see events in."),
    ],
)
EventCategory = TypeAliasType(
    "EventCategory",
    Annotated[
        Literal[
            "CONCERT",
            "THEATRE",
            "DANCE",
            "COMEDY",
            "SPORT",
            "FILM",
            "FESTIVAL",
            "CONFERENCE",
            "FAMILY",
            "OTHER",
        ],
        Field(description="What kind of event it is."),
    ],
)
EventSort = TypeAliasType(
    "EventSort",
    Annotated[
        Literal[
            "starts_at", "-starts_at", "price", "-price", "popularity", "relevance", "updated_at"
        ],
        Field(
            description="`starts_at` and `price` ascend, with a minus they descend; `popularity`: "
            "most sold first; `relevance`: the best match for `q` first; `updated_at`: what was "
            "updated longest ago first."
        ),
    ],
)
SectionKind = TypeAliasType(
    "SectionKind",
    Annotated[
        Literal["SEATED", "STANDING"],
        Field(description="SEATED has numbered rows, STANDING counts people."),
    ],
)
Numbering = TypeAliasType(
    "Numbering",
    Annotated[
        Literal["FORWARD", "BACKWARD", "ODD", "EVEN"],
        Field(
            description="FORWARD counts 1, 2, 3 from the left, BACKWARD the same from the right, "
            "ODD 1, 3, 5 and EVEN 2, 4, 6 from the left."
        ),
    ],
)
ImageRole = TypeAliasType(
    "ImageRole",
    Annotated[
        Literal["BANNER", "GALLERY"],
        Field(description="BANNER: the one picture of lists; GALLERY: one of up to five more."),
    ],
)

# --- seats and holds -----------------------------------------------------------------------------

HoldStatus = TypeAliasType(
    "HoldStatus",
    Annotated[
        Literal["ACTIVE", "BOOKED", "RELEASED", "EXPIRED"],
        Field(
            description="ACTIVE keeps its places until `expires_at`; BOOKED has a booking; "
            "RELEASED was given back; EXPIRED ran out."
        ),
    ],
)
SeatStatus = TypeAliasType(
    "SeatStatus",
    Annotated[
        Literal["HELD", "SOLD", "BLOCKED"],
        Field(description="HELD may become free again, SOLD is bought, BLOCKED is kept back."),
    ],
)

# --- bookings and tickets ------------------------------------------------------------------------

BookingStatus = TypeAliasType(
    "BookingStatus",
    Annotated[
        Literal["PENDING", "CONFIRMED", "FAILED", "EXPIRED", "CANCELLING", "CANCELLED"],
        Field(
            description="PENDING is not paid yet; CONFIRMED has tickets; FAILED and EXPIRED (not "
            "paid in time) kept no money; CANCELLING gives money and places back, CANCELLED has."
        ),
    ],
)
SagaState = TypeAliasType(
    "SagaState",
    Annotated[
        Literal[
            "SECURING",
            "CHARGING",
            "AWAITING_PAYMENT",
            "CONFIRMED",
            "GIVING_BACK",
            "RELEASING",
            "RECLAIMING",
            "REFUNDING",
            "RESTOCKING",
            "FAILED",
            "EXPIRED",
            "CANCELLED",
            # Of bookings made by versions before 0005_charge_in_one.
            "AUTHORIZING",
            "SELLING",
            "CAPTURING",
            "UNSELLING",
            "VOIDING",
        ],
        Field(description="How far a booking is within: `docs/saga.md` draws it."),
    ],
)
StepOutcome = TypeAliasType(
    "StepOutcome",
    Annotated[
        Literal["DONE", "REFUSED", "RESENT", "IGNORED"],
        Field(
            description="DONE and REFUSED: what was answered; RESENT: asked again, for no answer "
            "came; IGNORED: it came too late to matter."
        ),
    ],
)
CancellationGround = TypeAliasType(
    "CancellationGround",
    Annotated[
        Literal["REFUND_POLICY", "EVENT_MOVED"],
        Field(
            description="Why a buyer may cancel: the event's refund policy, or its time or place "
            "changed after they bought."
        ),
    ],
)
TicketStatus = TypeAliasType(
    "TicketStatus",
    Annotated[
        Literal["VALID", "ADMITTED", "REVOKED"],
        Field(description="VALID lets one in, once; ADMITTED has; REVOKED was refunded."),
    ],
)
CheckInResult = TypeAliasType(
    "CheckInResult",
    Annotated[
        Literal["ADMITTED", "ALREADY_ADMITTED", "REVOKED", "WRONG_EVENT"],
        Field(description="Let in who has ADMITTED; nobody else."),
    ],
)
CouponKind = TypeAliasType(
    "CouponKind",
    Annotated[
        Literal["PERCENT", "FIXED"],
        Field(description="PERCENT takes a share off, FIXED an amount."),
    ],
)

# --- payments ------------------------------------------------------------------------------------

PaymentMethod = TypeAliasType(
    "PaymentMethod",
    Annotated[
        Literal["CARD", "KHALTI", "ESEWA"],
        Field(description="CARD needs a `payment_token`; the wallets send the customer to a page."),
    ],
)
PaymentFlow = TypeAliasType(
    "PaymentFlow",
    Annotated[
        Literal["TOKEN", "REDIRECT"],
        Field(
            description="TOKEN: give the `payment_token` that the provider made of a card; the"
            " bank may still ask the customer on a page. REDIRECT: the customer pays on a page of"
            " the provider, whose address is the payment's `action`."
        ),
    ],
)
PaymentStatus = TypeAliasType(
    "PaymentStatus",
    Annotated[
        Literal[
            "INITIATED",
            "REQUIRES_ACTION",
            "AUTHORIZED",
            "CAPTURED",
            "FAILED",
            "VOIDED",
            "REFUNDED",
            "PARTIALLY_REFUNDED",
        ],
        Field(
            description="INITIATED was asked for; REQUIRES_ACTION waits for the customer; "
            "AUTHORIZED is set aside; CAPTURED is paid; FAILED and VOIDED took nothing."
        ),
    ],
)
RefundStatus = TypeAliasType(
    "RefundStatus",
    Annotated[
        Literal["PENDING", "DONE"],
        Field(description="PENDING is on its way to the customer, DONE was confirmed."),
    ],
)


# --- mails ---------------------------------------------------------------------------------------

MailKind = TypeAliasType(
    "MailKind",
    Annotated[
        Literal[
            "code",
            "new_device",
            "booking_confirmed",
            "ticket",
            "booking_failed",
            "booking_expired",
            "booking_cancelled",
            "money_returned",
            "paid_late",
            "event_changed",
            "event_cancelled",
            "event_tomorrow",
            "organizer_message",
            "organizer_approved",
            "webhook_disabled",
        ],
        Field(description="What a mail or a notice is about."),
    ],
)
Channel = TypeAliasType(
    "Channel",
    Annotated[
        Literal["MAIL", "APP"],
        Field(description="How news reach people: MAIL by mail, APP as notices in the app."),
    ],
)
WebhookFact = TypeAliasType(
    "WebhookFact",
    Annotated[
        Literal[
            "booking.confirmed",
            "booking.cancelled",
            "ticket.admitted",
            "payment.refunded",
            "event.published",
            "event.changed",
            "event.cancelled",
        ],
        Field(description="What an organizer's systems can be told of."),
    ],
)
DeliveredFact = TypeAliasType(
    "DeliveredFact",
    Annotated[
        Literal[
            "booking.confirmed",
            "booking.cancelled",
            "ticket.admitted",
            "payment.refunded",
            "event.published",
            "event.changed",
            "event.cancelled",
            "webhook.test",
        ],
        Field(description="What a delivery tells; `webhook.test` was asked for by hand."),
    ],
)
WebhookEndpointStatus = TypeAliasType(
    "WebhookEndpointStatus",
    Annotated[
        Literal["ENABLED", "DISABLED", "FAILING", "GONE"],
        Field(
            description="Only what is ENABLED is sent to. DISABLED by its owner; FAILING for three "
            "days; GONE by its own word, 410."
        ),
    ],
)
WebhookDeliveryStatus = TypeAliasType(
    "WebhookDeliveryStatus",
    Annotated[
        Literal["WAITING", "DELIVERED", "GIVEN_UP"],
        Field(description="WAITING for its next try; DELIVERED; GIVEN_UP after a day."),
    ],
)


def word(said: str) -> Any:
    """A word as a service said it: one that is newer than this version is shown as it is."""
    return said
