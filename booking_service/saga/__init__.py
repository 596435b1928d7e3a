"""The whole saga: how a booking goes from a hold to tickets, or back without keeping anything.

`table` says for each state what it asks of the others, how long it waits, and where each happening
leads; `messages` what is asked; `machine` applies the table. Everything here is pure: state, time
and chance are arguments, and the simulation and production run the same code.

The steps are compensatable, pivot, repeatable. Before the charge everything can be undone; the
charge decides; what follows it is sent again until it is answered, and can't be refused. Three
rules keep it safe. A deadline means *unknown*, never *failed*: whatever may be in flight is given
back too. A step back has no failure edge. And steps are numbered: who is asked ignores a step older
than the newest it has seen, and an answer counts only for the step the saga waits in.
"""

from booking_service.saga.machine import (
    Step,
    begin,
    came_to_nothing,
    customer_status,
    is_paid,
    knowing,
    moves_by_itself,
    needs_customer,
    states_of,
    step,
    would_revive,
)
from booking_service.saga.table import (
    ALERT_AFTER_RESENDS,
    ALERT_KINDS,
    ENDINGS,
    FINAL,
    MAX_ATTEMPTS,
    PAY_WITHIN,
    TABLE,
    Deadline,
    Entry,
    Facts,
    Guard,
    Happening,
    Row,
    Rule,
    Saga,
    State,
)

__all__ = [
    "ALERT_AFTER_RESENDS",
    "ALERT_KINDS",
    "ENDINGS",
    "FINAL",
    "MAX_ATTEMPTS",
    "PAY_WITHIN",
    "TABLE",
    "Deadline",
    "Entry",
    "Facts",
    "Guard",
    "Happening",
    "Row",
    "Rule",
    "Saga",
    "State",
    "Step",
    "begin",
    "came_to_nothing",
    "customer_status",
    "is_paid",
    "knowing",
    "moves_by_itself",
    "needs_customer",
    "states_of",
    "step",
    "would_revive",
]
