"""Become a program that does not outlive its supervisor: the first moments of a child process.

Run by `deploy.processes.start` as a program of its own. What it does has to happen between fork
and exec; doing it in the forked copy of a supervisor that has threads may deadlock. It imports
nothing of the project, since the account it changes to may not be able to read the checkout.

Arguments: the supervisor's pid, the signal to die by, uid and gid to change to (or -), the program.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    supervisor, death_signal, uid, gid, *program = sys.argv[1:]
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


if __name__ == "__main__":
    main()
