"""The gRPC edge."""

from payment_service.rpc.servicer import SERVICE, PaymentServicer

__all__ = ["SERVICE", "PaymentServicer"]
