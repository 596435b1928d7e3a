"""A private RabbitMQ node in a folder, apart from whatever the system runs."""

import os
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

from deploy import archive, processes
from deploy.archive import Fetch
from deploy.processes import Server, SetupError

_START_SECONDS = 60
_STOP_SECONDS = 30
# A port is looked for, and used two seconds later: somebody else may have taken it meanwhile.
_TRIES = 3
_PORT_LOST = "dist_port_already_used"
_CLAIM_SECONDS = 30  # how long a node whose supervisor was killed may take to end
_USER = "parterre"
# The same in every folder: the data are found by it, and each folder has an epmd of its own.
_NODE = "parterre@localhost"

_HOW_TO_GET_IT = (
    "Install it (Debian, Ubuntu: apt install rabbitmq-server; Fedora: dnf install rabbitmq-server; "
    "macOS: brew install rabbitmq), or set AMQP_URL to a broker that runs, for example in a "
    "container: docker run -p 5672:5672 rabbitmq:4"
)

# Small limits for a machine shared with everything else. RabbitMQ's own write-ahead log for quorum
# queues grows to 512 MB, and is kept in memory as well.
_CONFIGURATION = """\
default_user = {user}
default_pass = {password}
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 67108864
log.console = true
log.console.level = info
log.connection.level = warning
"""


class RabbitMQ(Server):
    """One node and its data. Start it from the main thread: it ends when that thread does."""

    def __init__(self, folder: Path, *, port: int | None = None, niceness: int = 0) -> None:
        self.port = port or processes.free_port()
        self._folder = folder.absolute()
        self._log = self._folder / "rabbitmq.log"
        self._niceness = niceness
        self._epmd: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its only user connects; the password was made when the folder was."""
        return f"amqp://{_USER}:{self._password}@127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """The process id of the Erlang virtual machine."""
        if self._node is None:
            raise RuntimeError("This RabbitMQ is not running.")
        return self._node.pid

    def start(self) -> None:
        """Return when the node lets its user in. Fetches RabbitMQ first where there is none.

        Raises SetupError: no RabbitMQ to be had, port taken, folder in use, or it did not come up.
        """
        home = ensure_installed()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for tries_left in reversed(range(_TRIES)):
            try:
                self._start(home)
            except SetupError as error:
                if _PORT_LOST not in str(error) or not tries_left:
                    raise
            else:
                return

    def _start(self, home: Path) -> None:
        with processes.claimed(
            self._folder / "lock",
            wait_seconds=_CLAIM_SECONDS,
            refusal=f"A RabbitMQ of another run is using {self._folder}: stop that one first.",
        ) as lock:
            processes.require_free(self.port, "RabbitMQ")
            self._write_files()
            epmd_port, distribution_port = processes.free_ports(2)
            env = self._environment(home, epmd_port, distribution_port)
            epmd = shutil.which("epmd", path=env["PATH"])
            if epmd is None:
                raise SetupError(f"RabbitMQ is in {home}, but there is no Erlang. {_HOW_TO_GET_IT}")
            self._epmd = processes.start([epmd], env=env, log=self._log)
            self._node = processes.start(
                [str(home / "sbin/rabbitmq-server")],
                env=env,
                log=self._log,
                cwd=self._folder,
                pass_fds=[lock],
                niceness=self._niceness,
            )
        try:
            processes.wait_until_ready(
                self._node,
                self._lets_us_in,
                program="RabbitMQ",
                log=self._log,
                within_seconds=_START_SECONDS,
            )
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop in good order."""
        if self._node is not None:
            processes.stop(self._node, grace_seconds=_STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the Erlang virtual machine at once, as a crash."""
        for process in (self._node, self._epmd):
            if process is not None:
                processes.kill(process)
        self._node = self._epmd = None

    @property
    def _password(self) -> str:
        return processes.kept_secret(self._folder / "password")

    def _write_files(self) -> None:
        # Erlang's shared secret between nodes, read from HOME; only its owner may read it.
        cookie = self._folder / ".erlang.cookie"
        processes.kept_secret(cookie)
        cookie.chmod(0o400)
        configuration = self._folder / "rabbitmq.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(_CONFIGURATION.format(user=_USER, password=self._password))
        (self._folder / "enabled_plugins").write_text("[].\n")

    def _environment(self, home: Path, epmd_port: int, distribution_port: int) -> dict[str, str]:
        """Everything RabbitMQ would otherwise look up in the system's own folders and ports."""
        absent = str(self._folder / "none")
        return {
            **_erlang_environment(home),
            "LC_ALL": "C.UTF-8",
            "HOME": str(self._folder),
            "SYS_PREFIX": "",
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": str(self._folder / "erl_crash.dump"),
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": absent,
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": absent,
            "RABBITMQ_ADVANCED_CONFIG_FILE": absent,
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            # Threads bound to cores would get in the way of everything else on those cores.
            "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
            # No thread looks about before it sleeps: at half load that was a quarter of what the
            # node costs, and on a machine of two cores it is taken from everybody else.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
                " -kernel inet_dist_use_interface {127,0,0,1}"
            ),
            # The start script then becomes the virtual machine and leaves no shell waiting on it,
            # so that our signals, and the one at our death, reach the right process.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _lets_us_in(self) -> bool:
        """Whether the user gets through the log-in of AMQP 0-9-1 (sections 2.2.4 and 4.2)."""
        response = f"\0{_USER}\0{self._password}".encode()
        start_ok = (
            struct.pack(">HHI", 10, 11, 0)  # Connection.Start-Ok, no client properties
            + b"\x05PLAIN"
            + struct.pack(">I", len(response))
            + response
            + b"\x05en_US"
        )
        frame = struct.pack(">BHI", 1, 0, len(start_ok)) + start_ok + b"\xce"
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                with connection.makefile("rb") as stream:
                    _read_method(stream.read)  # Connection.Start
                    connection.sendall(frame)
                    return _read_method(stream.read) == (10, 30)  # Connection.Tune
        except (OSError, struct.error):
            return False


def _read_method(read: Callable[[int], bytes]) -> tuple[int, int]:
    """Read one frame; return its class and method."""
    _kind, _channel, size = struct.unpack(">BHI", read(7))
    method: tuple[int, int] = struct.unpack_from(">HH", read(size + 1))
    return method


def ensure_installed(progress: Callable[[str], None] = lambda _: None) -> Path:
    """RabbitMQ's own folder: the system's, else one made of the distribution's packages.

    Those are fetched once for each release of a distribution, without root, into PARTERRE_CACHE
    (else ~/.cache/parterre). Raises SetupError saying how to get RabbitMQ where neither works.
    """
    if installed := _installed(Path("/")):
        return installed
    if on_path := shutil.which("rabbitmq-server"):
        home = Path(on_path).resolve().parent.parent
        if (home / "sbin/rabbitmq-env").exists():
            return home
    if not archive.can_fetch():
        raise SetupError(f"There is no RabbitMQ on this machine. {_HOW_TO_GET_IT}")

    def fill(fetch: Fetch) -> None:
        progress("Fetching RabbitMQ from this system's package archive (about 45 MB, once) ...")
        _unpack(fetch)
        progress("RabbitMQ is fetched.")

    try:
        place = archive.kept("rabbitmq", fill)
    except SetupError as error:
        raise SetupError(f"RabbitMQ could not be fetched: {error}\n{_HOW_TO_GET_IT}") from None
    if fetched := _installed(place):
        return fetched
    raise SetupError(f"There is no RabbitMQ in {place}: remove that folder and try again.")


def _installed(root: Path) -> Path | None:
    # Not /usr/sbin/rabbitmq-server, which Debian makes a wrapper that changes user.
    homes = sorted(root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-env"))
    return homes[-1].parent.parent if homes else None


def _erlang_environment(home: Path) -> dict[str, str]:
    """Where the Erlang beside this RabbitMQ is, and the libraries unpacked with it."""
    path = os.environ.get("PATH", os.defpath)
    lib = home.parents[2]
    if not (lib / "erlang/bin/erl").exists():
        return {"PATH": path}
    env = {"PATH": f"{lib / 'erlang/bin'}:{path}"}
    root = lib.parent.parent
    if root != Path("/"):
        folders = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
        env["LD_LIBRARY_PATH"] = ":".join(map(str, folders))
    return env


def _unpack(fetch: Fetch) -> None:
    """The packages of RabbitMQ that this system lacks, made to find one another."""
    plan = fetch.apt("install", "--simulate", "--no-install-recommends", "rabbitmq-server")
    # Erlang as a whole, even where the system has some of it: its parts find one another.
    present = fetch.run(
        ["dpkg-query", "--show", "-f", "${db:Status-Abbrev}${Package}\n", "erlang-*"], check=False
    )
    packages = {
        *re.findall(r"^Inst (\S+)", plan, re.MULTILINE),
        *re.findall(r"^ii (\S+)", present, re.MULTILINE),
    }
    fetch.unpack(sorted(packages))
    erl = fetch.root / "usr/lib/erlang/bin/erl"
    here = '$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)'
    erl.write_text(re.sub(r'(?<=ROOTDIR=)"?/usr/lib/erlang"?', here, erl.read_text()))
