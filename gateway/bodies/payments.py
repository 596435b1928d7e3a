"""Attempts to pay, and refunds."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Path
from pydantic import Field, StringConstraints, WithJsonSchema

from gateway.bodies import limits
from gateway.bodies.base import (
    UUID,
    UUID_SCHEMA,
    Amount,
    GivenReference,
    Input,
    line,
    not_found,
)
from presentation.vocabulary import PaymentMethod

_PROVIDER = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)

PaymentToken = Annotated[
    str, StringConstraints(pattern=rf"^[\x21-\x7e]{{1,{limits.PAYMENT_TOKEN}}}$")
]
PaymentId = Annotated[
    str,
    not_found("PAYMENT_NOT_FOUND", UUID),
    UUID_SCHEMA,
    Path(description="The payment's id."),
]
Provider = Annotated[
    str,
    not_found("UNKNOWN_PROVIDER", _PROVIDER),
    WithJsonSchema({"type": "string", "pattern": f"^{_PROVIDER.pattern}$"}),
    Path(description="The provider's name, such as `sandbox`."),
]


class NewPayment(Input):
    """Another attempt to pay a booking."""

    booking_reference: GivenReference
    """The booking: one's own, PENDING."""
    method: PaymentMethod
    """How to pay this time."""
    payment_token: PaymentToken | None = Field(default=None, repr=False)
    """What the provider gave for the card; for CARD alone."""


class NewRefund(Input):
    """Money to give back."""

    amount: Amount | None = None
    """In minor units; absent: all that is left."""
    reason: Annotated[str, *line(limits.REFUND_REASON)]
    """Why, in words."""
