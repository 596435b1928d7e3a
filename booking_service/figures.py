"""What is shown of the sagas that wait, and of the last check of the invariants."""

from __future__ import annotations

from prometheus_client import Gauge

from booking_service.saga import ENDINGS, State
from booking_service.storage import sagas, verdicts
from chassis.database import Session
from chassis.figures import MOST_COUNTED

WAITING = Gauge(
    "parterre_sagas_waiting",
    "Sagas that wait for an answer or a deadline, by state (CONFIRMED: its hold is reserved, not"
    f" sold yet); {MOST_COUNTED} at most in all",
    ["state"],
)
OLDEST_SECONDS = Gauge(
    "parterre_saga_oldest_seconds",
    "How long the saga has been in its state that waits there longest, seconds; 0: none does",
    ["state"],
)
MOST_RESENDS = Gauge(
    "parterre_saga_most_resends",
    "How often the step was sent again that has waited longest for an answer, by state",
    ["state"],
)

FSCK_VIOLATIONS = Gauge(
    "parterre_fsck_violations", "What the last `parterre fsck` found that should not be; 0: nothing"
)
FSCK_AGE_SECONDS = Gauge(
    "parterre_fsck_age_seconds",
    "How long ago the last `parterre fsck` began, seconds; where there was none, since when one"
    " could have been kept",
)

_STATES = [state for state in State if state not in ENDINGS or state is State.CONFIRMED]
_GAUGES = {
    state: (WAITING.labels(state), OLDEST_SECONDS.labels(state), MOST_RESENDS.labels(state))
    for state in _STATES
}


async def read_sagas(session: Session) -> None:
    """How many sagas wait, since when, and how often their steps were sent again."""
    rows = {row.state: row for row in await sagas.waiting(session, MOST_COUNTED)}
    for state, (waiting, oldest, resends) in _GAUGES.items():
        row = rows.get(state)
        waiting.set(row.sagas if row else 0)
        oldest.set(row.oldest_seconds if row else 0)
        resends.set(row.resends if row else 0)


async def read_verdict(session: Session) -> None:
    """How old the last check of the invariants is, and what it found."""
    row = await verdicts.figures(session)
    FSCK_VIOLATIONS.set(row.violations)
    FSCK_AGE_SECONDS.set(row.age_seconds)
