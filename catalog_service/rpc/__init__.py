"""The gRPC servicer, put together of the RPCs of each noun: proto to domain and back."""

from __future__ import annotations

from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc

from catalog_service.rpc.events import EventRpcs
from catalog_service.rpc.images import ImageRpcs
from catalog_service.rpc.listing import ListingRpcs
from catalog_service.rpc.reviews import ReviewRpcs
from catalog_service.rpc.venues import VenueRpcs

SERVICE = catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"]


class CatalogServicer(
    VenueRpcs,
    EventRpcs,
    ListingRpcs,
    ImageRpcs,
    ReviewRpcs,
    catalog_pb2_grpc.CatalogServiceServicer,
):
    """The catalog."""
