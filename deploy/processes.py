"""Starting and stopping programs on this machine: ports, logs, locks, and how they end."""

import abc
import contextlib
import fcntl
import os
import pwd
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

_LAUNCHER = Path(__file__).with_name("launch.py")
_LOOPBACK = "127.0.0.1"
# Below what systems hand out for outgoing connections (from 32768 on Linux, 49152 on macOS), so
# that a server finds its port free when it is started again while its clients keep trying.
_PORTS = range(20_000, 32_000)
_POLL_SECONDS = 0.05


class SetupError(Exception):
    """Something this machine lacks; the message says what to do next and is shown as it is."""


class Server(abc.ABC):
    """A server of our own, running for as long as a `with` block."""

    @abc.abstractmethod
    def start(self) -> None:
        """Return when it can be used; raise SetupError where it can't."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Stop in good order."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def port_taken(port: int) -> bool:
    """Whether somebody listens on this port of the loopback address, or of all addresses."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return True
    return False


def free_port() -> int:
    """A port nobody listens on, claimed as `free_ports` does."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many different ports nobody listens on.

    They are this process's until it ends: no other process of ours on this machine is given them,
    however late the server that they are for binds them.
    """
    ports: list[int] = []
    for _ in range(1_000):
        if len(ports) == count:
            return ports
        port = secrets.choice(_PORTS)
        if port not in _claims.ports and claim_port(port):
            ports.append(port)
    raise SetupError(f"No {count} free ports between {_PORTS.start} and {_PORTS.stop}.")


def claim_port(port: int) -> bool:
    """Claims a port until this process ends; False: somebody listens on it, or has claimed it."""
    return _claims.claim(port) and not port_taken(port)


class _PortClaims:
    """The ports this process has claimed: a byte each of one file, locked (fcntl(2), F_SETLK).

    The system gives a process's locks back when it ends, in whatever way; the file stays.
    """

    def __init__(self) -> None:
        self.ports: set[int] = set()
        self._file: int | None = None

    def claim(self, port: int) -> bool:
        """Whether the port is this process's now."""
        if self._file is None:
            file = Path(tempfile.gettempdir()) / f"parterre-ports-{os.getuid()}"
            # Open for as long as the process runs: to close it would give up all locks.
            self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError:
            return False
        self.ports.add(port)
        return True


_claims = _PortClaims()


def require_free(port: int, program: str) -> None:
    """Raise SetupError where somebody listens on the port already."""
    if port_taken(port):
        raise SetupError(
            f"{program} cannot start: port {port} is taken by another program. "
            "Stop that one, or choose another port."
        )


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    user: str | None = None,
    cwd: Path | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    pass_fds: Sequence[int] = (),
    niceness: int = 0,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output appended to a log file.

    A terminal's Ctrl-C reaches only the supervisor. On Linux the program gets `death_signal` when
    the *thread* that called this ends, in whatever way (prctl(2), PR_SET_PDEATHSIG): call it from
    the main thread. `env` is the whole environment; `user` needs root; `niceness` says how far the
    program goes after others (nice(2), and its session's autogroup).
    """
    account = pwd.getpwnam(user) if user else None
    uid, gid = (str(account.pw_uid), str(account.pw_gid)) if account else ("-", "-")
    # Isolated and without site-packages, the interpreter is at its exec within 20 ms.
    launcher = [
        sys.executable,
        "-I",
        "-S",
        str(_LAUNCHER),
        str(os.getpid()),
        str(int(death_signal)),
    ]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*launcher, uid, gid, str(niceness), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
            pass_fds=pass_fds,
        )


def stop(
    process: subprocess.Popen[bytes],
    *,
    grace_seconds: float,
    polite: signal.Signals = signal.SIGTERM,
) -> None:
    """Ask the program to end; after the grace, kill it and what is left of its process group."""
    if process.poll() is not None:
        return
    process.send_signal(polite)
    try:
        process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the program and its process group at once, as a crash would."""
    # A process that is not reaped yet keeps its id, so the group cannot be anybody else's.
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_ready(
    process: subprocess.Popen[bytes],
    ready: Callable[[], bool],
    *,
    program: str,
    log: Path,
    within_seconds: float,
) -> None:
    """Return once `ready` says so; otherwise kill the program and raise SetupError with its log."""
    deadline = time.monotonic() + within_seconds
    try:
        while not ready():
            if process.poll() is not None:
                raise SetupError(f"{program} ended while starting. {tail(log)}")
            if time.monotonic() > deadline:
                raise SetupError(
                    f"{program} was not ready within {within_seconds:.0f} s. {tail(log)}"
                )
            time.sleep(_POLL_SECONDS)
    except BaseException:  # an impatient Ctrl-C too
        kill(process)
        raise


def wait_for_success(
    process: subprocess.Popen[bytes], *, program: str, log: Path, within_seconds: float
) -> None:
    """Wait for a program that ends by itself; raise SetupError with its log if it failed."""
    try:
        status = process.wait(within_seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        status = process.returncode
    if status != 0:
        raise SetupError(f"{program} failed (status {status}). {tail(log)}")


@contextlib.contextmanager
def claimed(lock: Path, *, wait_seconds: float, refusal: str) -> Iterator[int]:
    """Hold a lock file; raise SetupError with the refusal if it cannot be had in time.

    The descriptor can be handed to a server through `pass_fds`: the lock is then held until the
    last of that server's processes has ended, even if it outlives everything here.
    """
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError:
        raise SetupError(
            f"{lock.parent} belongs to another account: work as that one, or remove the folder."
        ) from None
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise SetupError(refusal) from None
                time.sleep(_POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def kept_secret(path: Path) -> str:
    """The secret in this file, readable by its owner alone; made at random the first time."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        made.touch(mode=0o600, exist_ok=False)
        made.write_text(secrets.token_hex(16))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(made)  # unlike a rename, this keeps what another has just made
        made.unlink()
    return path.read_text()


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log, to be shown to people."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        end = file.read().decode(errors="replace").splitlines()[-lines:]
    return "\n".join([f"The end of {log}:", *(f"  {line}" for line in end)])
