"""Become a program that does not outlive its supervisor: the first moments of a child process.

Run by `deploy.processes.start` as a program of its own. What it does has to happen between fork
and exec; doing it in the forked copy of a supervisor that has threads may deadlock. It imports
nothing of the project, since the account it changes to may not be able to read the checkout.

Arguments: the supervisor's pid, the signal to die by, uid and gid to change to (or -), by how much
to yield the processor to others (nice(2); 0: not at all), the program.
"""

import ctypes
import os
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Whoever is not root may set it ten times a second, all processes of the machine together.
_AUTOGROUP_TRIES, _AUTOGROUP_SECONDS = 30, 0.11


def main() -> None:
    supervisor, death_signal, uid, gid, niceness, *program = sys.argv[1:]
    if int(niceness):
        _be_nice(int(niceness))
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        # After the change of account, which would clear it; it survives the exec.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != int(supervisor):
            sys.exit("The supervisor is gone.")  # it died before the kernel knew to tell us
    # Python ignores these two, and what is ignored stays so in the program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvp(program[0], program)  # noqa: S606 - an argument list, no shell wanted
    except OSError as error:
        sys.exit(f"{program[0]} cannot be run: {error.strerror}")


def _be_nice(niceness: int) -> None:
    """Yields the processor, also to other sessions: Linux weighs those against each other first.

    sched(7), "The autogroup feature"; where there is none, nice(2) says it all.
    """
    os.nice(niceness)
    for _ in range(_AUTOGROUP_TRIES):
        try:
            with open("/proc/self/autogroup", "w") as file:  # noqa: PTH123 - imports next to nothing
                file.write(str(niceness))
        except BlockingIOError:
            time.sleep(_AUTOGROUP_SECONDS)
        except OSError:
            return
        else:
            return


if __name__ == "__main__":
    main()
