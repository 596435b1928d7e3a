"""The gRPC servicer."""

from __future__ import annotations

from parterre.booking.v1 import booking_pb2

from booking_service.rpc.bookings import Bookings
from booking_service.rpc.holds import Holds, Inventory, Offer, Places, Wish
from booking_service.rpc.mails import Mails
from booking_service.rpc.making import Making
from booking_service.rpc.operating import Operating
from booking_service.rpc.organizing import Organizing
from booking_service.rpc.tickets import Tickets

__all__ = ["SERVICE", "BookingServicer", "Holds", "Inventory", "Offer", "Places", "Wish"]

SERVICE = booking_pb2.DESCRIPTOR.services_by_name["BookingService"]


class BookingServicer(Making, Bookings, Tickets, Organizing, Operating, Mails):
    """Bookings, tickets, what organizers and operators see of them, and what mails print."""
