"""Organizers' webhooks: their endpoints, the facts that go there, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Session
from notification_service.domain import (
    TooManyWebhookEndpointsError,
    TooManyWebhookTestsError,
    WebhookDeliveryNotFoundError,
    WebhookEndpointDisabledError,
    WebhookEndpointNotFoundError,
    webhooks,
)
from notification_service.domain.webhooks import (
    Answer,
    Delivery,
    Endpoint,
    EndpointChange,
    EndpointWish,
    Parcel,
)
from notification_service.handlers import news
from notification_service.storage import webhooks as stored


async def create_endpoint(
    session: Session, organizer_id: UUID, wish: EndpointWish, sealed_secret: str
) -> Endpoint:
    """Makes an endpoint.

    Raises:
        TooManyWebhookEndpointsError: the organizer has as many as they may.
    """
    most = webhooks.MAX_ENDPOINTS
    made = await stored.add_endpoint(session, organizer_id, wish, sealed_secret, most)
    if made is None:
        raise TooManyWebhookEndpointsError(
            f"You have {most} webhook endpoints; delete one that is not used."
        )
    return made


async def list_endpoints(
    session: Session, organizer_id: UUID, *, limit: int, cursor: str
) -> tuple[Sequence[Endpoint], str]:
    """A page of endpoints, newest first, and the next one's cursor; empty: there is none.

    Raises:
        InvalidFilterError: the page's size is none.
        InvalidCursorError: no page was given with it.
    """
    webhooks.check_page(limit)
    before = webhooks.from_cursor(cursor)
    found = await stored.list_endpoints(session, organizer_id, before=before, limit=limit + 1)
    more = len(found) > limit
    return found[:limit], webhooks.to_cursor(found[limit - 1].id) if more else ""


async def change_endpoint(
    session: Session, organizer_id: UUID, id: UUID, change: EndpointChange
) -> Endpoint:
    """Changes an endpoint.

    Raises:
        WebhookEndpointNotFoundError: the organizer has no such.
    """
    changed = await stored.change_endpoint(session, organizer_id, id, change)
    if changed is None:
        raise WebhookEndpointNotFoundError
    return changed


async def delete_endpoint(session: Session, organizer_id: UUID, id: UUID) -> None:
    """Ends an endpoint; what waits is not sent any more.

    Raises:
        WebhookEndpointNotFoundError: the organizer has no such.
    """
    if not await stored.delete_endpoint(session, organizer_id, id):
        raise WebhookEndpointNotFoundError


async def rotate_secret(
    session: Session, organizer_id: UUID, id: UUID, sealed_secret: str
) -> Endpoint:
    """Gives an endpoint another secret; for a day the one of before signs too.

    Raises:
        WebhookEndpointNotFoundError: the organizer has no such.
    """
    changed = await stored.rotate(
        session, organizer_id, id, sealed_secret, old_good=webhooks.OLD_SECRET_GOOD
    )
    if changed is None:
        raise WebhookEndpointNotFoundError
    return changed


async def try_endpoint(session: Session, organizer_id: UUID, id: UUID) -> Delivery:
    """Has a test sent.

    Raises:
        WebhookEndpointNotFoundError: the organizer has no such.
        WebhookEndpointDisabledError: nothing is sent to it.
        TooManyWebhookTestsError: it was tested often enough for an hour.
    """
    await _lock_enabled(session, organizer_id, id)
    delivery = await stored.add_test(session, id, webhooks.MAX_TESTS)
    if delivery is None:
        raise TooManyWebhookTestsError(
            f"An endpoint can be tested {webhooks.MAX_TESTS} times an hour.", retry_after="600"
        )
    return delivery


async def resend(
    session: Session, organizer_id: UUID, endpoint_id: UUID, delivery_id: UUID
) -> Delivery:
    """Has a delivery tried at once, and as often as a new one.

    Raises:
        WebhookEndpointNotFoundError: the organizer has no such.
        WebhookDeliveryNotFoundError: the endpoint has no such, or it is forgotten.
        WebhookEndpointDisabledError: nothing is sent to it.
    """
    await _lock_enabled(session, organizer_id, endpoint_id)
    delivery = await stored.resend(session, endpoint_id, delivery_id)
    if delivery is None:
        raise WebhookDeliveryNotFoundError
    return delivery


async def list_deliveries(
    session: Session,
    organizer_id: UUID,
    endpoint_id: UUID,
    *,
    status: str,
    limit: int,
    cursor: str,
) -> tuple[Sequence[Delivery], str]:
    """A page of deliveries, newest first, and the next one's cursor; empty: there is none.

    Raises:
        WebhookEndpointNotFoundError: the organizer has no such.
        InvalidFilterError: there is no such status, or the page's size is none.
        InvalidCursorError: no page was given with it.
    """
    webhooks.check_page(limit, status)
    before = webhooks.from_cursor(cursor)
    if await stored.status_of(session, organizer_id, endpoint_id) is None:
        raise WebhookEndpointNotFoundError
    found = await stored.list_deliveries(
        session, endpoint_id, status=status, before=before, limit=limit + 1
    )
    more = len(found) > limit
    return found[:limit], webhooks.to_cursor(found[limit - 1].id) if more else ""


async def note_answer(session: Session, parcel: Parcel, answer: Answer, *, jitter: float) -> str:
    """Notes what came of a try; gives why the endpoint was disabled by it, or "".

    One that has failed for days, or says that it is gone, is disabled, and its owner is told.
    """
    if answer.is_success:
        stored.note_success(session, parcel.endpoint_id)
        await stored.note_answer(session, parcel, answer, status=webhooks.DELIVERED, pause=None)
        return ""
    # The endpoint's row first, as everywhere, so that two tries never wait for one another.
    failure = None if answer.is_ours else await stored.note_failure(session, parcel.endpoint_id)
    pause = webhooks.pause_after(parcel.attempts)
    await stored.note_answer(
        session,
        parcel,
        answer,
        status=webhooks.GIVEN_UP,
        pause=None if pause is None else pause.total_seconds() * jitter,
    )
    if failure is None:
        return ""
    why = ""
    if answer.is_gone:
        why = webhooks.GONE
    elif failure.failed_for > webhooks.FAILS_AT_MOST:
        why = webhooks.FAILING
    if why and await stored.disable(session, parcel.endpoint_id, why):
        news.tell(session, [webhooks.disabled_mail(parcel, why, failure.failing_since)])
        return why
    if rest := webhooks.rest_after(failure.failures):
        stored.rest(session, parcel.endpoint_id, rest)
    return ""


async def _lock_enabled(session: Session, organizer_id: UUID, id: UUID) -> None:
    status = await stored.status_of(session, organizer_id, id, locks=True)
    if status is None:
        raise WebhookEndpointNotFoundError
    if status != webhooks.ENABLED:
        raise WebhookEndpointDisabledError(
            "Nothing is sent to this endpoint; enable it again.", status=status
        )
