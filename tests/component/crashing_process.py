"""A relay or a consumer in a process of its own that kills itself, hard, at a chosen moment.

Run by test_outbox_inbox.py: `python -m tests.component.crashing_process ROLE MOMENT DATABASE AMQP`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from parterre.messages.v1 import messages_pb2

from chassis.broker import Broker
from chassis.consumer import Consumer
from chassis.database import Database, Session
from chassis.relay import Relay
from chassis.topology import Topology
from notification_service import messaging


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def consume(moment: str, database: Database, broker: Broker) -> None:
    async def handle(session: Session, message: messages_pb2.DeliverCode) -> None:
        await messaging.on_deliver_codes(session, [message])
        if moment == "before_commit":
            die()
        if moment == "after_commit":
            session.when_committed(die)

    handlers = {messages_pb2.DeliverCode: handle}
    await Consumer("notification.commands", handlers, database, broker).run()


async def poisoned(moment: str, database: Database, broker: Broker) -> None:
    """Dies of the message with the code `moment`, whenever it meets it."""

    async def handle(session: Session, message: messages_pb2.DeliverCode) -> None:
        if message.code == moment:
            die()
        await messaging.on_deliver_codes(session, [message])

    handlers = {messages_pb2.DeliverCode: handle}
    await Consumer("notification.commands", handlers, database, broker).run()


async def relay(moment: str, database: Database, broker: Broker) -> None:
    class CrashingRelay(Relay):
        def _publish(self, *arguments: object) -> object:  # type: ignore[override]
            if moment == "before_publish":
                die()
            answer = super()._publish(*arguments)  # type: ignore[arg-type]
            answer.add_done_callback(lambda _answer: die())
            return answer

    await CrashingRelay(database, broker).run()


async def main() -> None:
    role, moment, database_url, amqp_url = sys.argv[1:]
    database = Database(database_url, "notification")
    broker = Broker(amqp_url, Topology.of(messages_pb2.DESCRIPTOR), process="crashing")
    await {"consumer": consume, "poisoned": poisoned, "relay": relay}[role](
        moment, database, broker
    )


if __name__ == "__main__":
    asyncio.run(main())
