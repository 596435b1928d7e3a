"""Mails on their way: against a mail server of its own process that fails in every way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pypdfium2
import pytest
from parterre.booking.v1 import booking_pb2
from parterre.catalog.v1 import catalog_pb2

from chassis.database import Database
from chassis.ids import uuid7
from notification_service.domain import Draft
from notification_service.handlers import people
from notification_service.letters import Composer
from notification_service.storage import mails
from tests.component.conftest import MakeDatabase, Until

from .conftest import (
    FakeBookings,
    FakeEvents,
    MailServer,
    code_message,
    due_now,
    ended,
    handle,
    mailing,
    scalar,
    user,
)


def that(database: Database, sql: str) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return bool(await scalar(database, f"SELECT {sql}"))

    return holds


async def outcomes(database: Database) -> list[str]:
    async with database.transaction() as session:
        return [row.outcome for row in await session.all("SELECT outcome FROM mail ORDER BY id")]


ALL_SENT = "NOT EXISTS (SELECT FROM mail WHERE sent_at IS NULL)"


async def test_a_confirmed_booking_brings_its_tickets_and_attendees_get_their_own(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database = await make_database("notification")
    asha, booking = str(uuid7()), str(uuid7())
    bookings = FakeBookings()
    bookings.confirm(
        booking,
        title="The Tempest\N{LINE SEPARATOR}Bcc: all@example.org",
        seats=("7", "8"),
        attendees=[
            booking_pb2.Attendee(seat_id="7", name="Asha", email="Asha@example.org"),
            booking_pb2.Attendee(seat_id="8", name="Bina", email="bina@example.org"),
        ],
    )
    title = "The Tempest\N{LINE SEPARATOR}Bcc: all@example.org"
    await handle(database, user(asha), ended(asha, "CONFIRMED", booking_id=booking, title=title))
    async with mailing(database, mail_server.port, bookings):
        await until(that(database, f"count(*) = 2 AND {ALL_SENT} FROM mail"))

    [bought] = [seen.message for seen in mail_server.saw("taken", "asha@example.org")]
    [given] = [seen.message for seen in mail_server.saw("taken", "bina@example.org")]
    assert bought["Subject"] == "Your tickets for The Tempest Bcc: all@example.org"
    assert bought["Bcc"] is None
    assert bought["Auto-Submitted"] == "auto-generated"
    assert bought["List-Unsubscribe"] is None  # essential
    text, html = (bought.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    for part in (text.get_content(), html.get_content()):
        for said in ("Stalls, C 7", "19:00 Nepal Time", "PT-ABCD1234", "/b/PT-ABCD1234"):
            assert said in part
    assert {
        (part.get_content_type(), part.get_filename()) for part in bought.iter_attachments()
    } == {
        ("application/pdf", "PT-ABCD1234.pdf"),
        ("text/calendar", "PT-ABCD1234.ics"),
    }
    given_text = given.get_body(("plain",))
    assert given_text is not None
    assert "Stalls, C 8" in given_text.get_content()
    assert "Stalls, C 7" not in given_text.get_content()
    pages = [
        len(pypdfium2.PdfDocument(part.get_content()))
        for message in (bought, given)
        for part in message.iter_attachments()
        if part.get_content_type() == "application/pdf"
    ]
    assert pages == [2, 1]


async def test_tickets_say_who_sells_them_and_the_catalog_is_asked_once_for_many(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database = await make_database("notification")
    asha, seller = str(uuid7()), str(uuid7())
    show = str(uuid7())
    bookings = FakeBookings()
    events = FakeEvents({show: catalog_pb2.Event(id=show, organizer_id=seller)})
    sells = user(seller)
    sells.name = "Naach Ghar"
    await handle(database, user(asha), sells)
    booked = [str(uuid7()) for _ in range(3)]
    for booking in booked:
        bookings.confirm(booking)
        bookings.shown[booking].booking.event.id = show
    async with mailing(database, mail_server.port, bookings, events):
        for number, booking in enumerate(booked, 1):
            await handle(database, ended(asha, "CONFIRMED", booking_id=booking))
            await until(that(database, f"count(*) = {number} AND {ALL_SENT} FROM mail"))
    printed = [
        pypdfium2.PdfDocument(part.get_content())[0].get_textpage().get_text_bounded()
        for seen in mail_server.saw("taken", "asha@example.org")
        for part in seen.message.iter_attachments()
        if part.get_content_type() == "application/pdf"
    ]
    assert ["Naach Ghar" in page for page in printed] == [True] * 3
    assert events.shows == 1


async def test_a_mail_about_what_is_not_so_any_more_is_not_sent(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database = await make_database("notification")
    asha, booking = str(uuid7()), str(uuid7())
    bookings = FakeBookings()
    bookings.confirm(booking, status="CANCELLED")
    await handle(database, user(asha), ended(asha, "CONFIRMED", booking_id=booking))
    async with mailing(database, mail_server.port, bookings):
        await until(that(database, "given_up_at IS NOT NULL FROM mail"))
    assert await outcomes(database) == ["MOOT CANCELLED"]
    assert not mail_server.saw("rcpt")


async def test_while_bookings_are_away_their_mails_wait_and_others_go(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database = await make_database("notification")
    asha, booking = str(uuid7()), str(uuid7())
    bookings = FakeBookings(is_down=True)
    bookings.confirm(booking)
    await handle(database, user(asha), ended(asha, "CONFIRMED", booking_id=booking))
    await handle(database, ended(asha, "FAILED"))
    async with mailing(database, mail_server.port, bookings):
        await until(that(database, "count(*) = 1 FROM mail WHERE sent_at IS NOT NULL"))
        await until(that(database, "count(*) = 1 FROM mail WHERE outcome LIKE 'NOT_WRITTEN%'"))
        bookings.is_down = False
        await due_now(database)
        await until(that(database, ALL_SENT))


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("refused", "REFUSED 550 No such mailbox"),
        ("full", "REFUSED 552 Mailbox full"),
        ("no address", "REFUSED INVALID_ADDRESS"),
        ("evil\r\nbcc: all", "REFUSED INVALID_ADDRESS"),
    ],
)
async def test_what_is_refused_for_good_is_given_up_at_once(
    make_database: MakeDatabase, mail_server: MailServer, until: Until, name: str, outcome: str
) -> None:
    database = await make_database("notification")
    to = f"{name}@example.org"
    await handle(database, code_message("111111", to=to), code_message("222222"))
    async with mailing(database, mail_server.port):
        await until(that(database, "count(*) = 2 FROM mail WHERE outcome <> ''"))
    assert sorted(await outcomes(database)) == [outcome, "SENT"]
    assert [seen.to for seen in mail_server.saw("taken")] == ["asha@example.org"]


@pytest.mark.parametrize("name", ["later-once", "busy-once", "lost-once"])
async def test_what_is_not_taken_now_is_sent_later_as_the_same_mail(
    make_database: MakeDatabase, mail_server: MailServer, until: Until, name: str
) -> None:
    """A connection that is lost after the content leaves open whether it was taken: whoever gets
    it twice can tell by its id."""
    database = await make_database("notification")
    await handle(database, code_message(to=f"{name}@example.org"))
    async with mailing(database, mail_server.port):
        await until(that(database, "outcome LIKE 'NOT_TAKEN%' FROM mail"))
        await due_now(database)
        await until(that(database, ALL_SENT))
    [taken] = mail_server.saw("taken")
    assert "123456" in taken.message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    for lost in mail_server.saw("lost"):
        assert lost.message["Message-ID"] == taken.message["Message-ID"]
        assert lost.message["Date"] == taken.message["Date"]


async def test_mails_wait_for_a_server_that_is_down(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database = await make_database("notification")
    mail_server.stop()
    await handle(database, code_message())
    async with mailing(database, mail_server.port):
        await until(that(database, "outcome LIKE 'NOT_TAKEN%' FROM mail"))
        mail_server.start()
        await due_now(database)
        await until(that(database, ALL_SENT))
    assert len(mail_server.saw("taken")) == 1


async def test_a_mail_is_given_up_after_a_day_and_sent_when_an_operator_wants(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database = await make_database("notification")
    await handle(database, code_message(to="later-once@example.org"))
    async with database.transaction() as session:
        await session.execute("UPDATE mail SET created_at = created_at - interval '25 hours'")
    async with mailing(database, mail_server.port):
        await until(that(database, "given_up_at IS NOT NULL FROM mail"))
        id = await scalar(database, "SELECT id FROM mail")
        async with database.transaction() as session:
            assert await mails.resend(session, [id]) == [id]
            session.when_committed(lambda: None)
        await until(that(database, ALL_SENT))
        async with database.transaction() as session:
            assert await mails.resend(session, [id]) == []  # it was sent
    assert len(mail_server.saw("taken")) == 1


async def test_a_code_that_was_sent_is_not_kept_but_that_it_was(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database = await make_database("notification")
    await handle(database, code_message())
    async with mailing(database, mail_server.port):
        await until(that(database, ALL_SENT))
    async with database.transaction() as session:
        row = await session.one("SELECT * FROM mail")
    assert (row.recipient, row.kind, row.outcome) == ("asha@example.org", "code", "SENT")
    assert "123456" not in repr(row)


async def test_what_can_be_switched_off_says_how_and_unwanted_mails_are_not_sent(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database = await make_database("notification")
    asha, bina = str(uuid7()), str(uuid7())
    await handle(database, user(asha), user(bina, email="bina@example.org"))
    async with database.transaction() as session:
        await people.unsubscribe(session, bina, "booking_expired")
        # Nobody is kept from hearing that the money is gone.
        await people.unsubscribe(session, bina, "booking_failed")
    await handle(database, ended(asha, "EXPIRED"), ended(bina, "EXPIRED"), ended(bina, "FAILED"))
    async with mailing(database, mail_server.port):
        await until(that(database, "count(*) = 3 FROM mail WHERE outcome <> ''"))
    assert sorted(await outcomes(database)) == ["SENT", "SENT", "UNWANTED"]
    [expired] = mail_server.saw("taken", "asha@example.org")
    assert expired.message["List-Unsubscribe"].startswith("<https://box.example/u/")
    assert expired.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    [failed] = mail_server.saw("taken", "bina@example.org")
    assert "did not go through" in failed.message["Subject"]


async def test_people_are_written_to_in_their_language(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database = await make_database("notification")
    asha = str(uuid7())
    await handle(database, user(asha, language="ne"), ended(asha, "FAILED"))
    async with mailing(database, mail_server.port):
        await until(that(database, ALL_SENT))
    [failed] = mail_server.saw("taken")
    assert failed.message["Content-Language"] == "ne"
    assert "बुकिङ" in failed.message["Subject"]


async def test_a_mail_of_a_version_before_is_sent_as_it_was_written(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database = await make_database("notification")
    async with database.transaction() as session:
        await session.execute(
            "INSERT INTO mail (id, recipient, kind, subject, body) VALUES"
            " (gen_random_uuid(), 'asha@example.org', 'booking_failed', 'Old', 'As it was.')"
        )
    async with mailing(database, mail_server.port):
        await until(that(database, ALL_SENT))
    [taken] = mail_server.saw("taken")
    assert taken.message["Subject"] == "Old"
    assert taken.message.get_content().strip() == "As it was."


async def test_mails_that_hang_or_fail_keep_no_code_waiting(
    make_database: MakeDatabase, mail_server: MailServer, until: Until
) -> None:
    database = await make_database("notification")
    asha = str(uuid7())
    await handle(database, user(asha), *(ended(asha, "FAILED") for _ in range(24)))
    async with database.transaction() as session:
        await session.execute("UPDATE mail SET facts = '{}'")  # no template can be filled with that
    await handle(
        database,
        *(code_message(f"{number:06}", to=f"slow{number}@example.org") for number in range(24)),
        *(code_message(f"{number:06}", to=f"later{number}@example.org") for number in range(24)),
    )
    async with mailing(database, mail_server.port):

        async def all_hang() -> bool:
            return len(mail_server.saw("slow")) >= 20

        await until(all_hang)
        await handle(database, code_message("999999"))

        async def came() -> bool:
            return bool(mail_server.saw("taken", "asha@example.org"))

        await until(came)
        assert not mail_server.saw("taken", "slow")  # they hang still
        await until(that(database, "count(*) = 24 FROM mail WHERE outcome LIKE 'NOT_WRITTEN%'"))


async def test_however_many_senders_there_are_a_mail_comes_once(
    make_database: MakeDatabase,
    mail_server: MailServer,
    until: Until,
) -> None:
    database = await make_database("notification")
    other = await make_database("notification", like=database)
    async with mailing(database, mail_server.port), mailing(other, mail_server.port):
        for batch in range(5):
            await handle(database, *(code_message(f"{batch}{number:05}") for number in range(20)))
        await until(that(database, ALL_SENT))
    assert len(mail_server.saw("taken")) == 100
    ids = {seen.message["Message-ID"] for seen in mail_server.saw("taken")}
    assert len(ids) == 100


async def test_a_person_is_told_a_fact_once_however_many_say_it_at_once(
    make_database: MakeDatabase,
) -> None:
    database = await make_database("notification")
    draft = Draft("fact", "organizer_approved", {}, person_id=uuid7())
    for _ in range(3):
        async with database.transaction() as session:
            mails.add(session, [draft, draft])
    assert await scalar(database, "SELECT count(*) FROM mail") == 1


def test_what_people_write_is_escaped_in_html_and_not_in_text() -> None:
    letter = Composer("Parterre").compose(
        "organizer_message",
        "en",
        {
            "name": "<b>Asha</b>",
            "subject": "A & B",
            "text": "<script>1</script>",
            "title": "T",
            "place": "P",
            "starts_at": "2027-01-02T13:15:00+00:00",
            "timezone": "Asia/Kathmandu",
        },
    )
    assert letter.subject == "A & B"
    assert "&lt;script&gt;" in letter.html
    assert "<script>" not in letter.html
    assert "&lt;b&gt;Asha" in letter.html
    assert "> <script>1</script>" in letter.text
