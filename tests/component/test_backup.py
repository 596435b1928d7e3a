"""A backup and what it is put back as: rows, rights, pictures, secrets, and every refusal."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from deploy.backup import Manifest, Part
from deploy.command import app
from deploy.postgres import Postgres
from deploy.provision import (
    MIGRATOR,
    READER,
    SCHEMAS,
    migrate_all,
    provision,
    role_of,
    url_for,
)

PASSWORDS = dict.fromkeys([MIGRATOR, READER, *map(role_of, SCHEMAS)], "of-the-tests")
# Everything that says who may do what, and what there is.
RIGHTS = """
SELECT 'table', n.nspname || '.' || relname, relkind::text, pg_get_userbyid(relowner),
       (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(relacl) acl)
  FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = ANY(%(schemas)s)
UNION ALL
SELECT 'column', attrelid::regclass::text, attname, '',
       (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(attacl) acl)
  FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
  JOIN pg_namespace n ON n.oid = relnamespace
 WHERE nspname = ANY(%(schemas)s) AND NOT attisdropped AND attnum > 0
UNION ALL
SELECT 'schema', nspname, '', pg_get_userbyid(nspowner),
       (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(nspacl) acl)
  FROM pg_namespace WHERE nspname = ANY(%(schemas)s)
UNION ALL
SELECT 'default', defaclnamespace::regnamespace::text, defaclobjtype::text, '',
       (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(defaclacl) acl)
  FROM pg_default_acl
UNION ALL
SELECT 'function', p.oid::regprocedure::text, prokind::text, pg_get_userbyid(proowner),
       (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(proacl) acl)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = ANY(%(schemas)s)
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, tgname, tgenabled::text, pg_get_triggerdef(t.oid)
  FROM pg_trigger t JOIN pg_class ON pg_class.oid = tgrelid
  JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = ANY(%(schemas)s) AND NOT tgisinternal
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, '', contype::text || convalidated::text
  FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace WHERE nspname = ANY(%(schemas)s)
 ORDER BY 1, 2, 3, 4, 5
"""
ROW = (
    "INSERT INTO payment.inbox (consumer, message_id) VALUES"
    " ('a test', gen_random_uuid()) RETURNING message_id"
)
ROWS = "SELECT message_id FROM payment.inbox ORDER BY message_id"


def parterre(*words: str | Path, url: str) -> Result:
    return CliRunner().invoke(app, [*map(str, words)], env={"MIGRATE_DATABASE_URL": url})


def prepared(postgres: Postgres, database: str) -> str:
    provision(postgres.admin_url, database, PASSWORDS)
    return url_for(postgres.admin_url, database, MIGRATOR, PASSWORDS[MIGRATOR])


def rights(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(RIGHTS, {"schemas": list(SCHEMAS)}).fetchall()


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> str:
    made = prepared(postgres, "backed_up")
    migrate_all(made)
    return made


@pytest.fixture
def backup(url: str, tmp_path: Path) -> Path:
    """A backup with one more row, a picture and secrets."""
    with psycopg.connect(url) as connection:
        connection.execute(ROW)
    (tmp_path / "media/ab").mkdir(parents=True)
    (tmp_path / "media/ab/picture").write_bytes(b"a picture")
    (tmp_path / "secrets.json").write_text('{"booking.ticket_key": "of the tests"}')
    folder = tmp_path / "backup"
    made = parterre(
        "backup",
        folder,
        "--media",
        tmp_path / "media",
        "--secrets",
        tmp_path / "secrets.json",
        url=url,
    )
    assert made.exit_code == 0, made.output
    return folder


def test_what_is_restored_elsewhere_has_the_same_rows_rights_pictures_and_secrets(
    backup: Path, url: str, postgres: Postgres, tmp_path: Path
) -> None:
    elsewhere = prepared(postgres, "restored")
    new = tmp_path / "new"
    new.mkdir()
    words = ("restore", backup, "--media", new / "media", "--secrets", new / "secrets.json")
    put_back = parterre(*words, url=elsewhere)
    assert put_back.exit_code == 0, put_back.output
    assert "reconcile" in put_back.output
    assert rights(elsewhere) == rights(url)
    with psycopg.connect(url) as here, psycopg.connect(elsewhere) as there:
        assert there.execute(ROWS).fetchall() == here.execute(ROWS).fetchall() != []
        assert there.execute(
            "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace"
            " WHERE extname = 'unaccent'"
        ).fetchone() == ("catalog",)
    assert (new / "media/ab/picture").read_bytes() == b"a picture"
    assert "ticket_key" in (new / "secrets.json").read_text()
    assert stat.S_IMODE((new / "secrets.json").stat().st_mode) == 0o600


def test_pictures_and_secrets_are_written_over_only_when_told(
    backup: Path, postgres: Postgres, tmp_path: Path
) -> None:
    fresh = prepared(postgres, "with_pictures")
    other = tmp_path / "other.json"
    other.write_text("{}")
    for option, kept in (("--secrets", other), ("--media", tmp_path / "media")):
        refused = parterre("restore", backup, option, kept, url=fresh)
        assert refused.exit_code == 1
        assert "--replace" in refused.output
    assert other.read_text() == "{}"
    with psycopg.connect(fresh) as connection:
        assert connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'auth'").rowcount == 0


def test_a_home_folder_is_restored_with_its_secrets_and_an_empty_broker(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("MIGRATE_DATABASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    home = tmp_path / "home"
    (home / "rabbitmq").mkdir(parents=True)
    monkeypatch.setenv("PARTERRE_HOME", str(home))
    put_back = CliRunner().invoke(app, ["restore", str(backup)])
    assert put_back.exit_code == 0, put_back.output
    assert json.loads((home / "secrets.json").read_text())["booking.ticket_key"] == "of the tests"
    assert (home / "media/ab/picture").read_bytes() == b"a picture"
    assert not (home / "rabbitmq").exists()
    assert not (home / "secrets.json.restored").exists()
    # It does not run, and is backed up all the same.
    again = CliRunner().invoke(app, ["backup", str(tmp_path / "again")])
    assert again.exit_code == 0, again.output
    first, second = (
        Manifest.model_validate_json((folder / "manifest.json").read_text())
        for folder in (backup, tmp_path / "again")
    )
    assert second.revisions == first.revisions
    assert second.parts.keys() == first.parts.keys()


def test_a_backup_is_its_owners_alone_and_names_every_part(backup: Path) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in backup.iterdir()} == {0o600}
    manifest = json.loads((backup / "manifest.json").read_text())
    assert set(manifest["revisions"]) == set(SCHEMAS)
    assert set(manifest["parts"]) | {"manifest.json"} == {file.name for file in backup.iterdir()}


def test_a_restore_replaces_only_what_it_is_told_to(backup: Path, url: str) -> None:
    with psycopg.connect(url) as connection:
        before = connection.execute(ROWS).fetchall()
        connection.execute(ROW)
    refused = parterre("restore", backup, url=url)
    assert refused.exit_code == 1
    assert "--replace" in refused.output
    made = rights(url)
    assert parterre("restore", backup, "--replace", url=url).exit_code == 0
    assert rights(url) == made
    with psycopg.connect(url) as connection:
        assert connection.execute(ROWS).fetchall() == before


def test_a_database_that_somebody_uses_is_not_restored(
    backup: Path, url: str, postgres: Postgres
) -> None:
    service = url_for(postgres.admin_url, "backed_up", role_of("payment"), "of-the-tests")
    with psycopg.connect(service):
        refused = parterre("restore", backup, "--replace", url=url)
    assert refused.exit_code == 1
    assert "parterre_payment" in refused.output


def test_a_restore_waits_for_a_session_that_is_leaving(
    backup: Path, url: str, postgres: Postgres
) -> None:
    leaving = psycopg.connect(postgres.admin_url.rpartition("/")[0] + "/backed_up")
    closing = threading.Timer(0.5, leaving.close)
    closing.start()
    done = parterre("restore", backup, "--replace", url=url)
    closing.join()
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("part", ["booking.dump", "media.tar", "secrets.json"])
def test_a_part_that_was_changed_is_told_before_anything_is_touched(
    backup: Path, url: str, part: str
) -> None:
    with (backup / part).open("r+b") as file:
        file.write(b"!")
    with psycopg.connect(url) as connection:
        before = connection.execute(ROWS).fetchall()
    refused = parterre("restore", backup, "--replace", url=url)
    assert refused.exit_code == 1
    assert part in refused.output
    with psycopg.connect(url) as connection:
        assert connection.execute(ROWS).fetchall() == before


def test_a_dump_that_the_database_refuses_leaves_it_as_it_was(
    backup: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.backup._part", lambda file: _claimed(backup, file.name))
    # The last of the six: five are made anew by then.
    whole = (backup / "notification.dump").read_bytes()
    (backup / "notification.dump").write_bytes(whole[: len(whole) // 2])
    with psycopg.connect(url) as connection:
        connection.execute(ROW)
        before = connection.execute(ROWS).fetchall()
    refused = parterre("restore", backup, "--replace", url=url)
    assert refused.exit_code == 1
    assert "as it was" in refused.output
    with psycopg.connect(url) as connection:
        assert connection.execute(ROWS).fetchall() == before


def _claimed(backup: Path, name: str) -> Part:
    return Manifest.model_validate_json((backup / "manifest.json").read_text()).parts[name]


def test_a_backup_of_a_newer_version_is_refused(backup: Path, url: str) -> None:
    file = backup / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["revisions"]["booking"] = "9999"
    file.write_text(json.dumps(manifest))
    refused = parterre("restore", backup, "--replace", url=url)
    assert refused.exit_code == 1
    assert "newer" in refused.output


def test_no_backup_is_written_over(backup: Path, url: str) -> None:
    refused = parterre("backup", backup, url=url)
    assert refused.exit_code == 1
    assert (backup / "manifest.json").exists()
