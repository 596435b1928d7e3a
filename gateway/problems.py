"""Every refusal as `application/problem+json` (RFC 9457), and the table of their reasons."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import grpc
import orjson
from prometheus_client import Counter
from starlette.responses import Response

from chassis.context import current_identity, note, request_id
from chassis.errors import CODES, RemoteError, ServiceError
from chassis.idempotency import REPLAYED

MEDIA_TYPE = "application/problem+json"

# Reason -> HTTP status and title. `docs/problems.md` says when each comes and what to do.
REASONS: Mapping[str, tuple[int, str]] = {
    # Everywhere.
    "MALFORMED_JSON": (400, "The body is not JSON"),
    "MALFORMED_REQUEST": (400, "The request is not HTTP"),
    "INVALID_TOKEN": (401, "The access token is not valid"),
    "INVALID_API_KEY": (401, "The API key is not valid"),
    "NOT_AUTHENTICATED": (401, "An access token is needed"),
    "CROSS_SITE_REQUEST": (403, "The request may come from another site"),
    "FORBIDDEN": (403, "You may not do this"),
    "INSUFFICIENT_SCOPE": (403, "The API key has no permission for this"),
    "NOT_FOUND": (404, "Nothing is at this address"),
    "METHOD_NOT_ALLOWED": (405, "The method is not allowed here"),
    "REQUEST_TIMEOUT": (408, "The request did not arrive in time"),
    "IDEMPOTENCY_IN_PROGRESS": (409, "The first request with this key is still running"),
    "BODY_TOO_LARGE": (413, "The body is too large"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "The body's media type is not supported"),
    "UNKNOWN_HOST": (421, "The host is not known"),
    "IDEMPOTENCY_KEY_REFUSED": (422, "An idempotency key can't be honoured here"),
    "IDEMPOTENCY_KEY_REUSED": (422, "The idempotency key was used with another request"),
    "INVALID_CURSOR": (422, "The cursor is not valid"),
    "INVALID_FILTER": (422, "The filter is not valid"),
    "VALIDATION_FAILED": (422, "The request is not valid"),
    "RATE_LIMITED": (429, "Too many requests"),
    "TOO_MANY_CONNECTIONS": (429, "Too many connections are open"),
    "TOO_MANY_AT_ONCE": (429, "Too many requests at once"),
    "TOO_MANY_STREAMS": (429, "Too many streams are open"),
    "HEAD_TOO_LARGE": (431, "The request's head is too large"),
    "INTERNAL": (500, "Something went wrong on our side"),
    "DEADLINE_EXCEEDED": (503, "It took too long"),
    "OVERLOADED": (503, "The service is busy"),
    "SERVICE_UNAVAILABLE": (503, "The service is not available"),
    # Accounts and sessions.
    "INVALID_CREDENTIALS": (401, "The e-mail address or the password is wrong"),
    "INVALID_REFRESH_TOKEN": (401, "The session has ended"),
    "ACCOUNT_DISABLED": (403, "This account is disabled"),
    "ACCOUNT_NOT_FOUND": (404, "There is no such account"),
    "API_KEY_NOT_FOUND": (404, "No such API key"),
    "SESSION_NOT_FOUND": (404, "No such session"),
    "USER_NOT_FOUND": (404, "No such user"),
    "API_KEY_NOT_SHOWN": (409, "The API key can't be shown again"),
    "EMAIL_TAKEN": (409, "This address has an account"),
    "OWN_ACCOUNT": (409, "Not on your own account"),
    "TOO_MANY_API_KEYS": (409, "You have as many API keys as you may"),
    "INVALID_ACCOUNT": (422, "The account is not valid"),
    "INVALID_CODE": (422, "The code is not valid"),
    "WEAK_PASSWORD": (422, "The password is too weak"),
    "WRONG_PASSWORD": (422, "The password is wrong"),
    "ADDRESS_THROTTLED": (429, "Too many tries from this address"),
    "CODE_THROTTLED": (429, "Too many codes were asked for or tried"),
    "LOGIN_THROTTLED": (429, "Too many failed log-ins"),
    # Venues and events.
    "NOT_AN_ATTENDEE": (403, "Only ticket holders may review"),
    "EVENT_NOT_FOUND": (404, "No such event"),
    "IMAGE_NOT_FOUND": (404, "No such picture"),
    "SECTION_NOT_FOUND": (404, "No such section"),
    "VENUE_NOT_FOUND": (404, "No such venue"),
    "EVENT_NOT_BEGUN": (409, "The event has not begun"),
    "CAPACITY_BELOW_SOLD": (409, "The capacity is below what is sold"),
    "EVENT_NOT_PUBLISHABLE": (409, "The event can't go on sale yet"),
    "EVENT_STATE": (409, "The event's status does not allow that"),
    "SECTION_IN_USE": (409, "The section is in use"),
    "SECTION_NAME_TAKEN": (409, "The section's name is taken"),
    "TOO_MANY_IMAGES": (409, "The gallery is full"),
    "VENUE_FULL": (409, "The venue is full"),
    "IMAGE_TOO_LARGE": (413, "The picture is too large"),
    "STALE_VERSION": (412, "It has changed since it was read"),
    "INVALID_EVENT": (422, "The event is not valid"),
    "INVALID_IMAGE": (422, "The picture is not valid"),
    "INVALID_REVIEW": (422, "The review is not valid"),
    "INVALID_SECTION": (422, "The section is not valid"),
    "INVALID_VENUE": (422, "The venue is not valid"),
    # Seats and holds.
    "HOLD_NOT_FOUND": (404, "No such hold"),
    "CUSTOMER_LIMIT": (409, "More than one person may buy"),
    "EVENT_NOT_ON_SALE": (409, "The event is not on sale"),
    "HOLD_CHANGED": (409, "The hold changed"),
    "HOLD_EXTENSION_LIMIT": (409, "The hold can't be extended further"),
    "HOLD_LIMIT": (409, "You hold tickets for two other events"),
    "HOLD_NOT_ACTIVE": (409, "The hold is not active"),
    "HOLD_NOT_BOOKED": (409, "The hold is not booked"),
    "HOLD_RELEASED": (409, "The hold was released"),
    "NOT_ENOUGH_CAPACITY": (409, "Not enough tickets left"),
    "NO_ADJACENT_SEATS": (409, "Not enough seats side by side"),
    "SALES_CLOSED": (409, "Sales are closed"),
    "SEATS_NOT_BLOCKED": (409, "The seats are not blocked"),
    "SEATS_UNAVAILABLE": (409, "The seats are taken"),
    "HOLD_EXPIRED": (410, "The hold has expired"),
    "INVALID_BLOCK": (422, "The seats can't be blocked"),
    "INVALID_CAPACITY": (422, "The capacity is larger than the section"),
    "INVALID_HOLD": (422, "The hold is not valid"),
    "UNKNOWN_SEATS": (422, "No such seats"),
    "UNKNOWN_SECTION": (422, "No such section"),
    "UNKNOWN_TIER": (422, "No such tier"),
    # Bookings and tickets.
    "BOOKING_NOT_FOUND": (404, "No such booking"),
    "TICKET_NOT_FOUND": (404, "No such ticket"),
    "COUPON_NOT_FOUND": (404, "No such coupon"),
    "BOOKING_BUSY": (409, "The booking is being changed"),
    "BOOKING_STATE": (409, "The booking's status does not allow that"),
    "CANCELLATION_CLOSED": (409, "It is too late to cancel"),
    "COUPON_EXISTS": (409, "The coupon's code is taken"),
    "COUPON_USED_UP": (409, "The coupon is used up"),
    "EVENT_IS_CANCELLED": (409, "The event is cancelled"),
    "HOLD_ALREADY_BOOKED": (409, "The hold is already booked"),
    "PAYMENT_IN_PROGRESS": (409, "A payment is in progress"),
    "TICKET_ADMITTED": (409, "A ticket was admitted"),
    "AMOUNT_TOO_LARGE": (422, "The amount is too large"),
    "COUPON_MINIMUM": (422, "The booking is below the coupon's minimum"),
    "COUPON_NOT_VALID": (422, "The coupon is not valid"),
    "COUPON_UNKNOWN": (422, "The event has no such coupon"),
    "INVALID_ATTENDEES": (422, "The attendees are not valid"),
    "INVALID_CANCELLATION": (422, "The cancellation terms are not valid"),
    "INVALID_COUPON": (422, "The coupon can't be created like this"),
    "INVALID_PAYMENT_METHOD": (422, "The payment method is not valid"),
    "INVALID_PAYMENT_TOKEN": (422, "The payment token is not valid"),
    "INVALID_TICKET": (422, "The ticket is not valid"),
    "EVENT_NOT_READY": (503, "The event is not ready"),
    "HOLD_BUSY": (503, "The hold is busy"),
    # Payments.
    "INVALID_SIGNATURE": (401, "The webhook's signature is not valid"),
    "STALE_WEBHOOK": (401, "The webhook's signature is too old"),
    "PAYMENT_NOT_FOUND": (404, "No such payment"),
    "UNKNOWN_PROVIDER": (404, "No such payment provider"),
    "INVALID_WEBHOOK": (422, "The webhook can't be read"),
    "PAYMENT_NOT_CAPTURED": (409, "The payment was not captured"),
    "REFUND_TOO_LARGE": (409, "The refund is too large"),
    "INVALID_REFUND": (422, "The refund is not valid"),
    "PROVIDER_UNAVAILABLE": (503, "The payment provider does not answer"),
    # Mail and notices.
    "INVALID_MESSAGE": (422, "The message can't be sent"),
    "TOO_MANY_MESSAGES": (429, "Too many messages today"),
    "INVALID_UNSUBSCRIPTION": (422, "The link is not complete"),
    "NOTICE_NOT_FOUND": (404, "No such notice"),
    "INVALID_PREFERENCE": (422, "The preferences are not valid"),
    "MAILBOX_CLOSED": (404, "There is no mailbox here"),
    # Webhooks.
    "WEBHOOK_DELIVERY_NOT_FOUND": (404, "No such webhook delivery"),
    "WEBHOOK_ENDPOINT_NOT_FOUND": (404, "No such webhook endpoint"),
    "TOO_MANY_WEBHOOK_ENDPOINTS": (409, "You have as many webhook endpoints as you may"),
    "WEBHOOK_ENDPOINT_DISABLED": (409, "The webhook endpoint is disabled"),
    "WEBHOOK_SECRET_NOT_SHOWN": (409, "The secret can't be shown again"),
    "INVALID_WEBHOOK_ENDPOINT": (422, "The webhook endpoint is not valid"),
    "TOO_MANY_WEBHOOK_TESTS": (429, "Too many tests of this endpoint"),
}
PROBLEMS = Counter("parterre_problems", "Refusals that left as a problem, by reason", ["reason"])
_OTHER = "OTHER"  # counted as that: a reason that is not in the table
_COUNTED = {reason: PROBLEMS.labels(reason) for reason in (*REASONS, _OTHER)}
# For a reason that is not in the table yet: a service may be newer than this gateway.
_STATUSES: Mapping[grpc.StatusCode, int] = {
    CODES["INVALID"]: 422,
    CODES["UNAUTHENTICATED"]: 401,
    CODES["FORBIDDEN"]: 403,
    CODES["NOT_FOUND"]: 404,
    CODES["STATE"]: 409,
    CODES["STALE"]: 412,
    CODES["THROTTLED"]: 429,
    CODES["UNAVAILABLE"]: 503,
}
# A service that is not there, or not in time.
AWAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,  # by the callee, which stops: a caller that has gone reads nothing
    grpc.StatusCode.RESOURCE_EXHAUSTED,  # gRPC's own, beyond the callee's maximum_concurrent_rpcs
)
_RETRY_AFTER = "retry_after"
_STANDARD = frozenset({"type", "title", "status", "detail", "instance", "reason", "request_id"})
_DEFAULT_RETRY_SECONDS = "1"
_PATH_CHARACTERS = "/:@!$&'()*+,;=~"  # besides letters, digits and -._ (RFC 3986, 3.3)


def type_of(reason: str) -> str:
    """What problems of this reason name as their type; `routes.problem_pages` answers there."""
    return f"/problems/{reason.lower().replace('_', '-')}"


# What is wrong with a token, as RFC 6750 (3.1) names it.
_CHALLENGES: Mapping[str, str] = {
    "INVALID_TOKEN": "invalid_token",
    "INVALID_API_KEY": "invalid_token",
    "FORBIDDEN": "insufficient_scope",
    "INSUFFICIENT_SCOPE": "insufficient_scope",
}
# What an error_description may not have (RFC 6750, 3).
_UNQUOTABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


def _challenge(reason: str, detail: str, members: Mapping[str, Any]) -> str:
    """How to come again, as RFC 9110 (11.6.1) and RFC 6750 (3) have it."""
    parameters = ['Bearer realm="parterre"']
    if error := _CHALLENGES.get(reason):
        said = _UNQUOTABLE.sub("'", detail)
        parameters += [f'error="{error}"', f'error_description="{said}"']
        if reason == "INSUFFICIENT_SCOPE" and "scope" in members:
            parameters.append(f'scope="{members["scope"]}"')
    return ", ".join(parameters)


class ProblemError(Exception):
    """A refusal on its way to the client.

    `errors` are the fields at fault, `members` what else the problem says (RFC 9457, 3.2).
    """

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        errors: Sequence[Mapping[str, str]] = (),
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        known_status, self.title = REASONS.get(
            reason, (status or 500, reason.replace("_", " ").capitalize())
        )
        super().__init__(detail or f"{self.title}.")
        self.reason = reason
        self.status = known_status
        self.errors = errors
        self.members = members or {}
        self.headers = dict(headers or {})
        if self.status == 401 or reason in _CHALLENGES:
            challenge = _challenge(reason, str(self), self.members)
            self.headers.setdefault("WWW-Authenticate", challenge)
        if self.status in {429, 503}:
            self.headers.setdefault("Retry-After", _DEFAULT_RETRY_SECONDS)

    def response(self, path: str) -> Response:
        """The answer to a request for `path`; it is counted."""
        note(reason=self.reason)
        _COUNTED.get(self.reason, _COUNTED[_OTHER]).inc()
        body = {
            "type": type_of(self.reason),
            "title": self.title,
            "status": self.status,
            "detail": str(self),
            # RFC 9457 wants a URI reference: what is no character of one is written as its bytes.
            "instance": quote(path, safe=_PATH_CHARACTERS, errors="replace"),
            "reason": self.reason,
            "request_id": request_id.get(),
            **self.members,
        }
        if self.errors:
            body["errors"] = self.errors
        return Response(orjson.dumps(body), self.status, self.headers, MEDIA_TYPE)


def from_service_error(error: ServiceError) -> ProblemError:
    """The problem of a refusal by the chassis in this process."""
    return _refusal(CODES[error.kind], error.reason, str(error), error.metadata)


def from_remote_error(error: RemoteError) -> ProblemError:
    """The problem of a call that a service refused, or that failed."""
    identity = current_identity()
    if error.reason == "INVALID_TOKEN" and identity is not None and identity.is_key:
        # The service has heard sooner than this process that the key was revoked.
        return ProblemError("INVALID_API_KEY", "This API key was revoked.")
    if error.reason:
        problem = _refusal(error.code, error.reason, error.detail, error.metadata)
        if error.trailers.get(REPLAYED[0]) == REPLAYED[1]:
            problem.headers["Idempotency-Replayed"] = "true"
        return problem
    if error.code in AWAY:
        return ProblemError("SERVICE_UNAVAILABLE", "Try again in a moment.")
    return ProblemError("INTERNAL")


def _refusal(
    code: grpc.StatusCode, reason: str, detail: str, metadata: Mapping[str, str]
) -> ProblemError:
    facts = dict(metadata)
    headers: dict[str, str] = {}
    if seconds := facts.pop(_RETRY_AFTER, ""):
        headers["Retry-After"] = seconds
    errors: list[Mapping[str, str]] = []
    if code is CODES["INVALID"]:
        errors = [
            {"field": field, "message": message[:1].upper() + message[1:]}
            for field, message in facts.items()
        ]
        facts = {}
    return ProblemError(
        reason,
        detail,
        errors=errors,
        members=dict(_members(facts)),
        headers=headers,
        status=_STATUSES.get(code, 500),
    )


def _members(facts: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """What an error says to programs; text that is a JSON list or number is given as one."""
    for name, text in facts.items():
        if name in _STANDARD:
            continue
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        yield name, value if isinstance(value, list | int) else text
