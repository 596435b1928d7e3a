"""An organizer's own system, told by the running box office."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook

from ops.demo import Stage

from .conftest import System


@contextmanager
def heard() -> Iterator[tuple[str, queue.Queue[tuple[dict[str, str], bytes]]]]:
    """An organizer's own system: its address, and what it is told."""
    told: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_said: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_organizers_system_is_told_of_a_booking_and_can_verify_it(
    system: System, stage: Stage
) -> None:
    with system.client("ORGANIZER") as organizer, heard() as (url, told):
        made = organizer.post("/webhook-endpoints", {"url": url, "facts": ["booking.confirmed"]})
        try:
            organizer.post(f"/webhook-endpoints/{made['id']}/test")
            headers, body = told.get(timeout=20)
            assert Webhook(made["secret"]).verify(body, headers)["type"] == "webhook.test"
            reference = stage.book(stage.asha, stage.hold_best(stage.asha, 1), "tok_ok")
            while True:  # others may book meanwhile
                headers, body = told.get(timeout=20)
                fact = Webhook(made["secret"]).verify(body, headers)
                if fact["data"]["booking_reference"] == reference:
                    break
            assert fact["type"] == "booking.confirmed"
            shown = stage.asha.get(f"/bookings/{reference}")
            assert fact["data"]["booking"]["id"] == shown["id"]
            assert fact["data"]["booking"].keys() <= shown.keys()
        finally:
            organizer.delete(f"/webhook-endpoints/{made['id']}")
