"""Attempts to pay, and refunds."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.bodies.base import MAX_AMOUNT, REFERENCE, UUID, Input, Words, not_found

_PROVIDER = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)

Method = Literal["CARD", "KHALTI", "ESEWA"]
PaymentToken = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
PaymentId = Annotated[str, not_found("PAYMENT_NOT_FOUND", UUID)]
Provider = Annotated[str, not_found("UNKNOWN_PROVIDER", _PROVIDER)]


class NewPayment(Input):
    """Another attempt to pay a booking."""

    booking_reference: str = Field(pattern=f"^{REFERENCE.pattern}$", examples=["PT-7K2M9QXA"])
    method: Method
    payment_token: PaymentToken | None = Field(default=None, repr=False, examples=["tok_ok"])


class NewRefund(Input):
    """Money to give back."""

    # What is too little is refused with a reason of its own, by the service.
    amount: int | None = Field(
        default=None,
        strict=True,
        ge=-MAX_AMOUNT,
        le=MAX_AMOUNT,
        description="Minor units; left out: all that is left",
        examples=[50000],
    )
    reason: Words
