"""What an operator does with mails that were given up."""

from __future__ import annotations

import asyncio
import json

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from chassis.ids import uuid7
from deploy.postgres import Postgres
from notification_service.storage import mails as stored
from ops import mails
from ops.verdicts import WELL, WRONG
from tests.component.conftest import MakeDatabase

from .conftest import code_message, handle, scalar


async def test_mails_that_were_given_up_are_listed_shown_without_their_code_and_sent_again(
    make_database: MakeDatabase, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    database = await make_database("notification")
    await handle(database, code_message("481516"), code_message("222222", to="bina@example.org"))
    given_up = await scalar(database, "SELECT id FROM mail WHERE recipient = 'asha@example.org'")
    async with database.transaction() as session:
        await stored.give_up(session, given_up, "REFUSED 550 No such mailbox")
    await handle(database, code_message("333333", to="chandra@example.org"))
    unwanted = await scalar(database, "SELECT id FROM mail WHERE recipient = 'chandra@example.org'")
    async with database.transaction() as session:
        await stored.give_up(session, unwanted, "UNWANTED")
    reader = psycopg.conninfo.make_conninfo(
        postgres.admin_url, dbname=conninfo_to_dict(database.url)["dbname"]
    )

    assert mails.list_mails(reader, "given-up", None, as_json=True) == WELL
    [listed] = json.loads(capsys.readouterr().out)
    assert (listed["id"], listed["outcome"]) == (str(given_up), "REFUSED 550 No such mailbox")
    assert mails.list_mails(reader, "dropped", None, as_json=True) == WELL
    assert [each["id"] for each in json.loads(capsys.readouterr().out)] == [str(unwanted)]
    assert mails.list_mails(reader, "waiting", "asha@example.org", as_json=True) == WELL
    assert json.loads(capsys.readouterr().out) == []
    assert mails.show_mail(reader, given_up) == WELL
    told = capsys.readouterr().out
    assert "asha@example.org" in told
    assert "481516" not in told
    assert mails.show_mail(reader, uuid7()) == WRONG

    resent = await asyncio.to_thread(mails.resend_mails, database.url, [given_up])
    again = await asyncio.to_thread(mails.resend_mails, database.url, [given_up])
    assert (resent, again) == (WELL, WRONG)
    assert await scalar(database, "SELECT count(*) FROM mail WHERE given_up_at IS NULL") == 2
