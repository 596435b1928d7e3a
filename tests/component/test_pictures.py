"""Pictures of events over real gRPC, on a real database, in a real folder or behind S3's API."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from obstore.store import LocalStore
from parterre.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from PIL import Image as Pillow
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from catalog_service import messaging, rendering, uploads
from catalog_service.domain import Image
from catalog_service.media import Media, ObjectMedia, open_media
from catalog_service.rpc import SERVICE, CatalogServicer
from catalog_service.settings import Settings
from catalog_service.uploads import Uploads
from chassis.context import request
from chassis.database import Database, IntegrityError
from chassis.errors import RemoteError, ServiceError, unavailable
from chassis.identity import Identity, Role
from chassis.ids import uuid7
from chassis.telemetry import serve_http
from deploy.processes import free_port

from .conftest import Caller, MakeDatabase, Serve, one_answer

ASHA, BINA, ROOT = (str(uuid7()) for _ in range(3))


def jpeg(colour: str = "red", size: tuple[int, int] = (400, 200)) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


@dataclass
class Pictures:
    """The served catalog, its database and the folder of its files."""

    caller: Caller
    database: Database
    uploads: Uploads
    folder: Path

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    async def event(self, who: str = ASHA) -> str:
        draft = catalog_pb2.EventDraft(
            title="A play", category="THEATRE", location="Patan", timezone="UTC", currency="NPR"
        )
        draft.starts_at.FromDatetime(datetime.now(UTC) + timedelta(days=30))
        draft.ends_at.FromDatetime(datetime.now(UTC) + timedelta(days=30, hours=2))
        tiers = [catalog_pb2.Tier(name="Any", price=100, capacity=10)]
        message = catalog_pb2.CreateEventRequest(draft=draft, tiers=tiers)
        reply = await self.caller.as_person(who, "CreateEvent", message, Role.ORGANIZER)
        return str(reply.event.id)

    async def add(
        self,
        event_id: str,
        content: bytes | None = None,
        role: str = "GALLERY",
        who: str = ASHA,
        part_bytes: int = 64 * 1024,
        key: str = "",
    ) -> catalog_pb2.Image:
        content = jpeg() if content is None else content

        async def parts() -> AsyncIterator[catalog_pb2.AddImageRequest]:
            yield catalog_pb2.AddImageRequest(event_id=event_id, role=role, idempotency_key=key)
            for at in range(0, len(content), part_bytes):
                yield catalog_pb2.AddImageRequest(chunk=content[at : at + part_bytes])

        rank = Role.ADMIN if who == ROOT else Role.ORGANIZER
        identity = Identity(who, rank, "", self.caller.keys.access(who, rank), 4_000_000_000)
        with request(id="test", identity=identity, seconds=60):
            reply = await self.caller.client.call(self.caller.stub.AddImage, parts(), seconds=60)
        return reply.image

    async def refusal(self, *args: Any, **options: Any) -> str:
        with pytest.raises(RemoteError) as refused:
            await self.add(*args, **options)
        return refused.value.reason

    async def delete(self, event_id: str, image_id: str, who: str = ASHA) -> None:
        message = catalog_pb2.DeleteImageRequest(event_id=event_id, image_id=image_id)
        await self.caller.as_person(who, "DeleteImage", message, Role.ORGANIZER)

    async def get(
        self, image_id: str, width: int = 0, who: str | None = ASHA, role: Role = Role.ORGANIZER
    ) -> catalog_pb2.GetImageResponse:
        message = catalog_pb2.GetImageRequest(image_id=image_id, width=width)
        if who is None:
            return await self.caller.as_gateway("GetImage", message)
        return await self.caller.as_person(who, "GetImage", message, role)

    async def publish(self, event_id: str) -> None:
        async with self.database.transaction() as session:
            await session.execute(
                "UPDATE event SET status = 'PUBLISHED', capacity = 10 WHERE id = :id",
                id=UUID(event_id),
            )

    async def shown(self, event_id: str) -> Sequence[catalog_pb2.Image]:
        message = catalog_pb2.GetEventRequest(event_id=event_id)
        reply = await self.caller.as_person(ASHA, "GetEvent", message, Role.ORGANIZER)
        return reply.event.images

    async def states(self) -> list[str]:
        async with self.database.transaction() as session:
            rows = await session.all("SELECT state FROM image ORDER BY state")
        return [row.state for row in rows]


ServePictures = Callable[[Media], Any]


@pytest.fixture
async def pictures(make_database: MakeDatabase, serve: Serve, tmp_path: Path) -> Pictures:
    database = await make_database("catalog", encode=messaging.encode)
    held = Uploads(database, ObjectMedia(LocalStore(tmp_path)))
    servicer = CatalogServicer(database, held, None)  # no room is made
    caller = await serve("catalog", SERVICE, servicer, catalog_pb2_grpc.CatalogServiceStub)
    return Pictures(caller, database, held, tmp_path)


async def test_a_picture_is_stored_shown_with_its_event_and_given_to_anybody(
    pictures: Pictures,
) -> None:
    event = await pictures.event()
    image = await pictures.add(event, jpeg(size=(1200, 600)))
    assert (list(image.widths), image.width, image.height) == ([320, 960, 1200], 1200, 600)
    assert await pictures.shown(event) == [image]
    # Not a UUIDv7, which tells when it was made and is nearly guessed from its neighbour.
    assert UUID(image.id).version == 4
    await pictures.publish(event)
    for asked, given in ((0, 1200), (1, 320), (320, 320), (321, 960), (1201, 1200), (9999, 1200)):
        reply = await pictures.get(image.id, asked, who=None)
        assert reply.width == given
        assert Pillow.open(io.BytesIO(reply.content)).size == (given, given // 2)


async def test_a_new_banner_takes_the_place_of_the_old_one(pictures: Pictures) -> None:
    event = await pictures.event()
    await pictures.add(event, role="GALLERY")
    old = await pictures.add(event, role="BANNER")
    new = await pictures.add(event, jpeg("blue"), role="BANNER")
    assert [image.role for image in await pictures.shown(event)] == ["BANNER", "GALLERY"]
    assert (await pictures.shown(event))[0].id == new.id
    with pytest.raises(RemoteError) as gone:
        await pictures.get(old.id)
    assert gone.value.reason == "IMAGE_NOT_FOUND"
    assert await pictures.uploads.tidy() == 1
    assert not any(name.startswith(old.id) for name in pictures.files())
    assert (await pictures.get(new.id)).width == 400


async def test_of_many_banners_at_once_exactly_one_is_shown(pictures: Pictures) -> None:
    event = await pictures.event()
    added = await asyncio.gather(*(pictures.add(event, role="BANNER") for _ in range(5)))
    (banner,) = await pictures.shown(event)
    assert banner.id in {image.id for image in added}
    assert await pictures.states() == ["DELETED"] * 4 + ["STORED"]


async def test_a_gallery_has_five_pictures_however_many_come_at_once(pictures: Pictures) -> None:
    event = await pictures.event()
    ends = await asyncio.gather(*(pictures.add(event) for _ in range(8)), return_exceptions=True)
    refused = [end for end in ends if isinstance(end, RemoteError)]
    assert {error.reason for error in refused} == {"TOO_MANY_IMAGES"}
    assert len(refused) == 3
    shown = await pictures.shown(event)
    assert len(shown) == 5
    # A banner is none of them, and one that is deleted makes room for another.
    await pictures.add(event, role="BANNER")
    await pictures.delete(event, shown[2].id)
    await pictures.add(event)
    assert await pictures.refusal(event) == "TOO_MANY_IMAGES"


async def test_the_tables_own_rules_keep_a_sixth_and_a_second_banner_out(
    pictures: Pictures,
) -> None:
    event = await pictures.event()
    row = (
        "INSERT INTO image (id, event_id, role, slot, widths, width, height, state)"
        " VALUES (:id, :event, :role, :slot, '{1}', 1, 1, 'STORED')"
    )
    await pictures.add(event, role="BANNER")
    await pictures.add(event)
    for role, slot in (("GALLERY", 6), ("GALLERY", 1), ("GALLERY", None), ("BANNER", 0)):
        with pytest.raises(IntegrityError):
            async with pictures.database.transaction() as session:
                await session.execute(row, id=uuid4(), event=event, role=role, slot=slot)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "INVALID_IMAGE"),
        (b"<svg/>", "INVALID_IMAGE"),
        (jpeg()[:300], "INVALID_IMAGE"),
        (b"\xff\xd8\xff" + bytes(rendering.MAX_BYTES), "IMAGE_TOO_LARGE"),
    ],
    ids=["nothing", "svg", "cut off", "too large"],
)
async def test_what_can_not_be_kept_leaves_nothing(
    pictures: Pictures, content: bytes, reason: str
) -> None:
    event = await pictures.event()
    assert await pictures.refusal(event, content) == reason
    assert (await pictures.states(), pictures.files()) == ([], [])


async def test_only_the_owner_and_admins_change_an_events_pictures(pictures: Pictures) -> None:
    event = await pictures.event(ASHA)
    assert await pictures.refusal(event, who=BINA) == "EVENT_NOT_FOUND"
    assert await pictures.refusal(str(uuid7())) == "EVENT_NOT_FOUND"
    assert await pictures.refusal("not an id") == "EVENT_NOT_FOUND"
    assert await pictures.refusal(event, role="LOGO") == "INVALID_IMAGE"
    image = await pictures.add(event, who=ROOT)
    other = await pictures.event(BINA)
    for event_id, image_id, who, reason in (
        (event, image.id, BINA, "EVENT_NOT_FOUND"),
        (other, image.id, BINA, "IMAGE_NOT_FOUND"),
        (event, str(uuid4()), ASHA, "IMAGE_NOT_FOUND"),
        (event, "not an id", ASHA, "IMAGE_NOT_FOUND"),
    ):
        with pytest.raises(RemoteError) as refused:
            await pictures.delete(event_id, image_id, who)
        assert refused.value.reason == reason
    assert await pictures.shown(event) == [image]
    await pictures.delete(event, image.id)
    assert await pictures.shown(event) == []


async def test_a_list_shows_the_banner_alone(pictures: Pictures) -> None:
    event = await pictures.event()
    await pictures.add(event)
    message = catalog_pb2.ListEventsRequest(own_only=True, sort="starts_at")

    async def listed() -> list[str]:
        reply = await pictures.caller.as_person(ASHA, "ListEvents", message, Role.ORGANIZER)
        return [image.role for image in reply.events[0].images]

    assert await listed() == []
    await pictures.add(event, role="BANNER")
    assert await listed() == ["BANNER"]


# --- what goes wrong -----------------------------------------------------------------------------


class Failing(ObjectMedia):
    """Media that refuse the second file they are given."""

    def __init__(self, folder: Path) -> None:
        super().__init__(LocalStore(folder))
        self.put_so_far = 0

    async def put(self, name: str, content: bytes) -> None:
        self.put_so_far += 1
        if self.put_so_far == 2:
            raise unavailable()
        await super().put(name, content)


async def test_where_a_file_can_not_be_stored_the_old_banner_stays_and_nothing_is_left(
    pictures: Pictures,
) -> None:
    event = await pictures.event()
    old = await pictures.add(event, role="BANNER")
    before = pictures.files()
    failing = Uploads(pictures.database, Failing(pictures.folder))
    pictures.uploads._media = failing._media
    assert await pictures.refusal(event, role="BANNER") == "SERVICE_UNAVAILABLE"
    assert await pictures.shown(event) == [old]
    assert pictures.files() == before
    assert await pictures.uploads.tidy() == 1
    assert await pictures.states() == ["STORED"]


async def test_what_a_dead_process_left_behind_is_tidied_away(pictures: Pictures) -> None:
    event = await pictures.event()
    claims = [Image(uuid4(), "GALLERY", [320, 400], 400, 200) for _ in range(5)]
    for claim in claims:
        await pictures.database.run(
            lambda session, claim=claim: uploads.handlers.claim_place(session, UUID(event), claim)
        )
    left = pictures.folder / f"{claims[0].id}.320.webp"
    left.write_bytes(b"half done")
    # They might still be at it, and their places are taken.
    assert await pictures.uploads.tidy() == 0
    assert await pictures.refusal(event) == "TOO_MANY_IMAGES"
    async with pictures.database.transaction() as session:
        await session.execute("UPDATE image SET created_at = created_at - interval '11 minutes'")
    assert await pictures.uploads.tidy() == 5
    assert (await pictures.states(), pictures.files()) == ([], [])
    # Whoever wakes up now finds the claim gone, and shows nothing.
    with pytest.raises(Exception, match="no such event"):
        await pictures.database.run(
            lambda session: uploads.handlers.show(session, UUID(event), claims[0])
        )
    await pictures.add(event)


async def test_a_picture_whose_file_is_lost_is_not_found(pictures: Pictures) -> None:
    event = await pictures.event()
    image = await pictures.add(event)
    for path in pictures.folder.iterdir():
        path.unlink()
    with pytest.raises(RemoteError) as lost:
        await pictures.get(image.id)
    assert lost.value.reason == "IMAGE_NOT_FOUND"


async def test_too_many_uploads_at_once_are_refused_at_once(pictures: Pictures) -> None:
    event = await pictures.event()
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        await go_on.wait()
        yield b"no picture"

    async def nothing(_digest: bytes) -> None:
        return None

    async def never(_image: uploads.Image) -> tuple[None, bool]:
        raise AssertionError

    person = uploads.Person(UUID(ASHA), is_admin=False)
    add = partial(pictures.uploads.add, person, UUID(event), "GALLERY", recall=nothing, show=never)
    waiting = [asyncio.create_task(add(slow())) for _ in range(8)]
    await asyncio.sleep(0)
    assert await pictures.refusal(event) == "OVERLOADED"
    go_on.set()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {getattr(end, "reason", None) for end in ends} == {"INVALID_IMAGE"}
    await pictures.add(event)


# --- where files are -----------------------------------------------------------------------------


class Bucket:
    """As much of S3's API as is called, of one bucket; it keeps what it is given."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.signed: set[str] = set()
        self.works = True

    async def answer(self, request: Request) -> Response:
        if not self.works:
            return Response(status_code=503)
        self.signed.add(request.headers.get("authorization", "").partition("/")[0])
        key, body = request.url.path, await request.body()
        if request.method == "PUT":
            self.kept[key] = body
            return Response(headers={"ETag": '"1"'})
        if request.method == "POST":  # DeleteObjects
            names = re.findall("<Key>(.*?)</Key>", body.decode())
            for name in names:
                self.kept.pop(f"{key}/{name}", None)
            told = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            return Response(f"<DeleteResult>{told}</DeleteResult>", media_type="application/xml")
        if key not in self.kept:
            return Response(status_code=404)
        headers = {"ETag": '"1"', "Last-Modified": "Sat, 21 Nov 2026 10:00:00 GMT"}
        return Response(self.kept[key], headers=headers)


def settings(**changes: Any) -> Settings:
    facts = {
        "profile": "local",
        "internal_port": 1,
        "grpc_port": 1,
        "jwks_url": "",
        "service_key": "",
        "database_url": "",
        "amqp_url": "",
        "inventory_address": "",
    }
    return Settings(**{**facts, **changes})


@pytest.fixture
async def bucket() -> AsyncIterator[tuple[Bucket, Media]]:
    bucket, port = Bucket(), free_port()
    app = Starlette(routes=[Route("/{path:path}", bucket.answer, methods=["GET", "PUT", "POST"])])
    media = open_media(
        settings(
            media_url="s3://tickets/pictures",
            media_endpoint=f"http://127.0.0.1:{port}",
            media_region="us-east-1",
            media_access_key="test",
            media_secret_key="secret",
        )
    )
    async with serve_http(app, "127.0.0.1", port, drain_seconds=0):
        yield bucket, media


@pytest.fixture
def folder(tmp_path: Path) -> Media:
    return open_media(settings(media_url=(tmp_path / "a folder" / "media").as_uri()))


async def keeps_files(media: Media) -> None:
    assert await media.get("a.1.webp") is None
    await media.put("a.1.webp", b"one")
    await media.put("a.1.webp", b"two")
    assert await media.get("a.1.webp") == b"two"
    await media.delete(["a.1.webp", "never.1.webp"])
    assert await media.get("a.1.webp") is None


async def test_a_folder_keeps_files(folder: Media) -> None:
    await keeps_files(folder)


async def test_a_bucket_keeps_files_under_its_prefix_and_calls_are_signed(
    bucket: tuple[Bucket, Media],
) -> None:
    kept, media = bucket
    await keeps_files(media)
    await media.put("b.2.webp", b"three")
    assert kept.kept == {"/tickets/pictures/b.2.webp": b"three"}
    assert kept.signed == {"AWS4-HMAC-SHA256 Credential=test"}


async def test_a_bucket_that_does_not_answer_is_unavailability(
    bucket: tuple[Bucket, Media],
) -> None:
    kept, media = bucket
    kept.works = False
    for call in (media.get("a"), media.put("a", b""), media.delete(["a"])):
        with pytest.raises(ServiceError) as refused:
            await call
        assert refused.value.reason == "SERVICE_UNAVAILABLE"


@pytest.mark.parametrize("url", ["", "media", "file://", "file:///", "gs://bucket", "s3://"])
def test_other_places_are_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="CATALOG_MEDIA_URL"):
        open_media(settings(media_url=url))


async def test_one_key_adds_one_picture(pictures: Pictures) -> None:
    event = await pictures.event()
    image = await one_answer(lambda: pictures.add(event, key="k"), times=3)
    assert [each.id for each in await pictures.shown(event)] == [image.id]
    # In whatever parts it comes.
    assert await pictures.add(event, key="k", part_bytes=100) == image
    assert await pictures.refusal(event, jpeg("blue"), key="k") == "IDEMPOTENCY_KEY_REUSED"
    while await pictures.uploads.tidy():
        pass
    assert await pictures.states() == ["STORED"]
    assert all(image.id in name for name in pictures.files())
