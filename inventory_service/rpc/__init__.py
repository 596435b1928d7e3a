"""The gRPC servicer: proto <-> handlers."""

from inventory_service.rpc.servicer import SERVICE, InventoryServicer

__all__ = ["SERVICE", "InventoryServicer"]
