"""Named places where a process can be made to die, as kill -9 would make it, to see what is left.

Disarmed unless `PARTERRE_FAILPOINTS` names a folder when the process starts; then a process that
comes to a failpoint kills itself if the folder has a file `<process>.<failpoint>`, and takes the
file away first, so that each arming kills once. Where the file says STAND STILL the process stands
still (SIGSTOP) until somebody lets it go on (SIGCONT). Meant for tests and drills: no deployment
sets it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

VARIABLE: Final = "PARTERRE_FAILPOINTS"
STAND_STILL: Final = "STAND STILL"

# The faults of a message's life, in its order, and the one call that goes out to a provider.
BEFORE_COMMIT: Final = "before_commit"
AFTER_COMMIT: Final = "after_commit"  # before the relay publishes
AFTER_PUBLISH: Final = "after_publish"  # before the relay deletes
AFTER_CONSUME: Final = "after_consume"  # before the consumer's commit
BEFORE_ACK: Final = "before_ack"  # after the consumer's commit
AFTER_PROVIDER_ANSWER: Final = "after_provider_answer"  # before it is recorded
NAMES: Final = (
    BEFORE_COMMIT,
    AFTER_COMMIT,
    AFTER_PUBLISH,
    AFTER_CONSUME,
    BEFORE_ACK,
    AFTER_PROVIDER_ANSWER,
)


def _nothing(_name: str) -> None:
    pass


def armed(process: str) -> Callable[[str], None]:
    """What `process` calls at its failpoints."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return _nothing
    place = Path(folder)

    def pass_by(name: str) -> None:
        file = place / f"{process}.{name}"
        try:
            order = file.read_text()
            file.unlink()  # of two processes of that name, one obeys
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGSTOP if order == STAND_STILL else signal.SIGKILL)

    return pass_by
