"""What the endpoints work with, made once for the app."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from parterre.auth.v1 import auth_pb2_grpc
from parterre.booking.v1 import booking_pb2_grpc
from parterre.catalog.v1 import catalog_pb2_grpc
from parterre.inventory.v1 import inventory_pb2_grpc
from parterre.notification.v1 import notification_pb2_grpc
from parterre.payment.v1 import payment_pb2_grpc

from chassis.identity import Jwks
from chassis.telemetry import Health
from gateway.bookings import Bookings
from gateway.events import Events
from gateway.guesses import Guesses
from gateway.holds import Holds
from gateway.organizers import Organizers
from gateway.payment_methods import PaymentMethods
from gateway.press import Press, code_press, page_press
from gateway.rates import UnderWay
from gateway.services import Remote, Services
from gateway.settings import Settings
from gateway.site.assets import Assets
from gateway.site.documents import Documents
from gateway.site.programme import Programme
from gateway.site.sitemap import Sitemap
from gateway.streams import Streams
from gateway.webhooks import Webhooks

# As many may send a picture at once, each 5 MiB of memory; the next is refused.
_UPLOAD_PLACES = 16
_UPLOADS_OF_A_PERSON = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The services, and what the gateway itself keeps between requests."""

    auth: Remote[auth_pb2_grpc.AuthServiceStub]
    catalog: Remote[catalog_pb2_grpc.CatalogServiceStub]
    inventory: Remote[inventory_pb2_grpc.InventoryServiceStub]
    booking: Remote[booking_pb2_grpc.BookingServiceStub]
    payment: Remote[payment_pb2_grpc.PaymentServiceStub]
    notification: Remote[notification_pb2_grpc.NotificationServiceStub]
    # What travels together.
    holds: Holds
    bookings: Bookings
    events: Events
    organizers: Organizers
    guesses: Guesses  # of coupons
    payment_methods: PaymentMethods
    webhooks: Webhooks
    streams: Streams
    codes: Press
    pages: Press
    upload_places: asyncio.Semaphore
    uploads: UnderWay  # of each person
    jwks: Jwks
    health: Health
    settings: Settings
    # The web page.
    assets: Assets
    documents: Documents
    programme: Programme
    sitemap: Sitemap

    @classmethod
    def of(
        cls, settings: Settings, services: Services, jwks: Jwks, health: Health, streams: Streams
    ) -> Backend:
        """The one backend of a gateway."""
        assets = Assets(watches=settings.is_local)
        organizers = Organizers(services.auth)
        return cls(
            auth=services.auth,
            catalog=services.catalog,
            inventory=services.inventory,
            booking=services.booking,
            payment=services.payment,
            notification=services.notification,
            holds=Holds(services.inventory),
            bookings=Bookings(services.booking),
            events=Events(services.catalog, organizers),
            organizers=organizers,
            guesses=Guesses(settings.coupon_guesses, settings.coupon_guess_seconds),
            payment_methods=PaymentMethods(services.payment),
            webhooks=Webhooks(services.payment),
            streams=streams,
            codes=code_press(),
            pages=page_press(),
            uploads=UnderWay(_UPLOADS_OF_A_PERSON),
            upload_places=asyncio.Semaphore(_UPLOAD_PLACES),
            jwks=jwks,
            health=health,
            settings=settings,
            assets=assets,
            documents=Documents(assets, is_local=settings.is_local),
            programme=Programme(services.catalog),
            sitemap=Sitemap(services.catalog),
        )
