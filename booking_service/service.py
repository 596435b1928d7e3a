"""Builds booking_service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from booking_service import loops
from booking_service.domain import Fees
from booking_service.figures import read_sagas, read_verdict
from booking_service.messaging import MESSAGES, encode, queues
from booking_service.rpc import SERVICE, BookingServicer, Inventory
from booking_service.settings import Settings
from booking_service.tickets import TicketKeys
from booking_service.wakeups import Wakeups
from chassis.identity import decode_key
from chassis.service import Chassis


@asynccontextmanager
async def booking_service(settings: Settings) -> AsyncIterator[None]:
    """The running service."""
    keys = TicketKeys(
        decode_key(settings.ticket_key.get_secret_value()),
        [decode_key(key) for key in settings.ticket_old_keys],
    )
    async with Chassis.open("booking", settings) as chassis:
        database = chassis.database("booking", encode)
        wakeups = Wakeups()
        await chassis.relay(database, MESSAGES)
        chassis.figures.add_from(database, "sagas", read_sagas)
        chassis.figures.add_from(database, "verdict", read_verdict)
        for queue, handlers in queues(wakeups).items():
            await chassis.consume(queue, handlers, database, MESSAGES)
        await chassis.run("deadlines", lambda: loops.keep_deadlines(database, wakeups))
        await chassis.run("cancelled-events", lambda: loops.keep_telling(database, wakeups))
        await chassis.run("sales", lambda: loops.keep_folding(database))
        holds = Inventory(chassis.client("inventory", settings.inventory_address))
        fees = Fees(settings.fee_basis_points, settings.fee_per_ticket)
        await chassis.serve(
            SERVICE,
            lambda verifier: BookingServicer(
                database, wakeups, holds, keys=keys, fees=fees, verifier=verifier
            ),
        )
        yield
