"""What organizers make and see: coupons, attendees, figures, the gate."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from parterre.booking.v1 import booking_pb2

from booking_service import saga
from booking_service.domain import Coupon, CouponChange, InvalidCouponError, InvalidCursorError
from booking_service.handlers import coupons, organizing
from booking_service.rpc import shapes
from booking_service.rpc.servicer import (
    Call,
    Servicer,
    check_limit,
    cursor_after,
    event_id_of,
    is_admin,
    position_of,
    states_of,
)
from chassis.context import caller_id
from chassis.database import Session
from chassis.idempotency import once
from chassis.text import line

_MOST_DAYS = 366
_NEW = datetime(2000, 1, 1, tzinfo=UTC)


class Organizing(Servicer):
    """For an event's organizer, and admins."""

    async def CreateCoupon(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.CreateCouponRequest,
        context: Call,
    ) -> booking_pb2.CreateCouponResponse:
        wish = request.coupon
        coupon = Coupon(
            code=wish.code,
            kind=wish.kind,
            value=wish.value,
            min_total=wish.min_total if wish.HasField("min_total") else None,
            max_discount=wish.max_discount if wish.HasField("max_discount") else None,
            usage_limit=wish.usage_limit if wish.HasField("usage_limit") else None,
            per_customer_limit=(
                wish.per_customer_limit if wish.HasField("per_customer_limit") else None
            ),
            valid_from=_moment(wish.valid_from, "valid_from")
            if wish.HasField("valid_from")
            else None,
            valid_to=_moment(wish.valid_to, "valid_to") if wish.HasField("valid_to") else None,
            active=True,
            used=0,
            created_at=_NEW,  # the database's clock says when
        )
        event_id = event_id_of(request.event_id)

        async def work(session: Session) -> booking_pb2.CreateCouponResponse:
            made = await coupons.create(session, event_id, caller_id(), coupon, is_admin=is_admin())
            return booking_pb2.CreateCouponResponse(coupon=shapes.coupon(made))

        return await once(self._database, request, booking_pb2.CreateCouponResponse, work, context)

    async def UpdateCoupon(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.UpdateCouponRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.UpdateCouponResponse:
        has = request.HasField
        wish = CouponChange(
            active=request.active if has("active") else None,
            usage_limit=request.usage_limit if has("usage_limit") else None,
            per_customer_limit=request.per_customer_limit if has("per_customer_limit") else None,
            min_total=request.min_total if has("min_total") else None,
            max_discount=request.max_discount if has("max_discount") else None,
            valid_from=_moment(request.valid_from, "valid_from") if has("valid_from") else None,
            valid_to=_moment(request.valid_to, "valid_to") if has("valid_to") else None,
        )
        event_id = event_id_of(request.event_id)
        async with self._database.transaction() as session:
            changed = await coupons.change(
                session, event_id, caller_id(), request.code, wish, is_admin=is_admin()
            )
        return booking_pb2.UpdateCouponResponse(coupon=shapes.coupon(changed))

    async def ListCoupons(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.ListCouponsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.ListCouponsResponse:
        limit = check_limit(request.limit)
        event_id = event_id_of(request.event_id)
        if len(request.cursor) > 40:
            raise InvalidCursorError(
                "Not a cursor of ours.", cursor="must be the next_cursor of a page of this list"
            )
        async with self._database.transaction() as session:
            page = await coupons.page(
                session,
                event_id,
                caller_id(),
                is_admin=is_admin(),
                after=request.cursor,
                limit=limit + 1,
            )
        return booking_pb2.ListCouponsResponse(
            coupons=[shapes.coupon(coupon) for coupon in page[:limit]],
            next_cursor=page[limit - 1].code if len(page) > limit else "",
        )

    async def ListEventBookings(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.ListEventBookingsRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.ListEventBookingsResponse:
        limit = check_limit(request.limit, with_tickets=request.with_tickets)
        states = states_of(request.status)
        since = request.updated_since if request.HasField("updated_since") else None
        position = position_of(since, request.cursor)
        event_id = event_id_of(request.event_id)
        async with self._database.transaction() as session:
            views = await organizing.attendees(
                session,
                event_id,
                caller_id(),
                is_admin=is_admin(),
                states=states,
                query=line(request.query),
                position=position,
                limit=limit + 1,
            )
            shown = [shapes.sold_booking(view, reader=caller_id()) for view in views[:limit]]
            if request.with_tickets:
                await self._add_tickets(session, shown)
        return booking_pb2.ListEventBookingsResponse(
            bookings=shown,
            next_cursor=cursor_after(views[limit - 1], position) if len(views) > limit else "",
        )

    async def GetSales(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.GetSalesRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.GetSalesResponse:
        event_id = event_id_of(request.event_id)
        async with self._database.transaction() as session:
            sales = await organizing.sales_of(session, event_id, caller_id(), is_admin=is_admin())
        reply = booking_pb2.GetSalesResponse(
            currency=sales.currency, admission_minutes=sales.admission_minutes
        )
        tiers: dict[str, booking_pb2.GetSalesResponse.Tier] = {}
        days: dict[str, booking_pb2.GetSalesResponse.Day] = {}
        for row in sales.rows:
            reply.bookings += row.bookings
            reply.gross += int(row.gross)
            reply.refunded += int(row.refunded)
            reply.tickets += row.tickets
            reply.admitted += row.admitted
            reply.discounts += int(row.discount)
            reply.tax += int(row.tax)
            date = row.day.isoformat()
            day = days.setdefault(date, booking_pb2.GetSalesResponse.Day(date=date))
            day.tickets += row.sold
            day.gross += int(row.gross)
            day.refunded += int(row.refunded)
            if row.tier_id:
                known = booking_pb2.GetSalesResponse.Tier(tier_id=row.tier_id)
                tier = tiers.setdefault(row.tier_id, known)
                tier.name = row.tier  # of the newest day: it may have been renamed
                tier.tickets += row.tickets
                tier.amount += int(row.amount)
        reply.tiers.extend(tiers.values())
        # A day on which bookings only failed is none of sales.
        sold = [day for day in days.values() if day.tickets or day.gross or day.refunded]
        reply.days.extend(sold[-_MOST_DAYS:])
        for begins_at, tickets in sales.admissions:
            reply.admissions.add(begins_at=begins_at, tickets=tickets)
        return reply

    async def GetDashboard(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.GetDashboardRequest,
        context: Call,  # noqa: ARG002 - gRPC's signature
    ) -> booking_pb2.GetDashboardResponse:
        async with self._database.transaction() as session:
            figures, live = await organizing.dashboard(
                session, caller_id(), own_only=request.own_only, is_admin=is_admin()
            )
        reply = booking_pb2.GetDashboardResponse()
        states = Counter({row.state: int(row.sagas) for row in live})
        for row in figures:
            if row.gross or row.refunded:
                reply.revenue.add(
                    currency=row.currency, gross=int(row.gross), refunded=int(row.refunded)
                )
            reply.tickets += int(row.tickets)
            for state in saga.ENDINGS:
                states[state.value] += int(row._asdict()[state.value.lower()])
        for name, number in sorted(states.items()):
            if number:
                reply.bookings[saga.customer_status(saga.State(name))] += number
                if is_admin():
                    reply.sagas[name] = number
        return reply

    async def CheckIn(  # noqa: N802 - the proto's name
        self,
        request: booking_pb2.CheckInRequest,
        context: Call,
    ) -> booking_pb2.CheckInResponse:
        event_id = event_id_of(request.event_id)

        async def work(session: Session) -> booking_pb2.CheckInResponse:
            admission = await organizing.check_in(
                session,
                self._keys,
                event_id,
                caller_id(),
                is_admin=is_admin(),
                token=request.token,
                gate=line(request.gate),
            )
            return self._admission(admission)

        return await once(self._database, request, booking_pb2.CheckInResponse, work, context)

    def _admission(self, admission: organizing.Admission) -> booking_pb2.CheckInResponse:
        reply = booking_pb2.CheckInResponse(result=admission.result)
        row = admission.ticket
        if row is not None:
            reply.ticket.CopyFrom(shapes.bare_ticket(row))
            reply.gate = row.gate
            if row.admitted_at is not None:
                reply.admitted_at.FromDatetime(row.admitted_at)
        return reply


def _moment(written: Timestamp, field: str) -> datetime:
    try:
        return written.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidCouponError("The coupon is not valid.", **{field: "must be a time"}) from error
