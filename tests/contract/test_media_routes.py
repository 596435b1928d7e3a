"""Pictures and reviews, as clients see them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from parterre.auth.v1 import auth_pb2
from parterre.catalog.v1 import catalog_pb2

from chassis.identity import Role
from chassis.ids import uuid7
from tests.contract import samples
from tests.contract.conftest import Edge, RefusalError

IMAGES = f"/events/{samples.EVENT}/images"
REVIEWS = f"/events/{samples.EVENT}/reviews"
MIB = 1024 * 1024


async def send(
    edge: Edge,
    content: bytes = b"any bytes",
    role: str = "BANNER",
    of: Role | None = Role.ORGANIZER,
    **changes: Any,
) -> httpx.Response:
    form: dict[str, Any] = {"files": {"file": ("a.png", content)}, "data": {"role": role}}
    return await edge.post(IMAGES, role=of, **{**form, **changes})


# --- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 300_000, 5 * MIB])
async def test_a_picture_is_passed_on_whole_in_parts(edge: Edge, size: int) -> None:
    edge.catalog.answers["AddImage"] = catalog_pb2.AddImageResponse(image=samples.image())
    content = bytes(range(251)) * (size // 251 + 1)
    answer = await send(edge, content[:size])
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/media/{samples.IMAGE}"
    assert answer.json() == {
        "id": samples.IMAGE,
        "role": "BANNER",
        "url": f"/api/v1/media/{samples.IMAGE}",
        "widths": [320, 960],
        "width": 960,
        "height": 540,
    }
    first, *parts = edge.catalog.asked
    assert (first.event_id, first.role) == (samples.EVENT, "BANNER")
    assert b"".join(part.chunk for part in parts) == content[:size]


@pytest.mark.parametrize("of", [None, Role.CUSTOMER])
async def test_who_may_not_send_a_picture_is_told_so_before_it_is_read(
    edge: Edge, of: Role | None
) -> None:
    answer = await send(edge, bytes(4 * MIB), of=of)
    assert answer.json()["reason"] == ("FORBIDDEN" if of else "NOT_AUTHENTICATED")
    assert edge.catalog.calls == []


@pytest.mark.parametrize("size", [6 * MIB, 12 * MIB, 20 * MIB])
async def test_too_large_a_file_is_refused(edge: Edge, size: int) -> None:
    answer = await send(edge, bytes(size))
    assert (answer.status_code, answer.json()["reason"]) == (413, "BODY_TOO_LARGE")
    assert edge.catalog.calls == []


async def test_it_is_counted_where_nobody_says_how_large_it_is(edge: Edge) -> None:
    async def stream() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(100):
            yield bytes(64 * 1024)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await edge.post(IMAGES, role=Role.ORGANIZER, content=stream(), headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (413, "BODY_TOO_LARGE")


FILE = {"file": ("a.png", b"x")}
ROLE = {"role": "BANNER"}


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"files": FILE, "data": {}}, "role"),
        ({"files": FILE, "data": {"role": "LOGO"}}, "role"),
        ({"files": {"picture": ("a.png", b"x")}, "data": ROLE}, "picture"),
        ({"files": [("file", ("a", b"x")), ("file", ("b", b"y"))], "data": ROLE}, "file"),
        ({"files": FILE, "data": {**ROLE, "owner": "me"}}, "file"),
        ({"files": FILE, "data": {"role": "B" * 200}}, "file"),
        ({"files": {"file": (None, b"x")}, "data": {}}, "role"),
        ({"files": {"role": ("a", b"BANNER")}, "data": {"file": "x"}}, "role"),
        ({"files": {"role": (None, b"BANNER")}}, "file"),
    ],
)
async def test_an_unsound_form_is_refused(edge: Edge, form: dict[str, Any], field: str) -> None:
    answer = await edge.post(IMAGES, role=Role.ORGANIZER, **form)
    body = answer.json()
    assert (answer.status_code, body["reason"]) == (422, "VALIDATION_FAILED")
    assert body["errors"][0]["field"] == field
    assert edge.catalog.calls == []


@pytest.mark.parametrize(
    ("media_type", "content", "reason"),
    [
        ("application/json", b"{}", "UNSUPPORTED_MEDIA_TYPE"),
        ("image/png", b"\x89PNG", "UNSUPPORTED_MEDIA_TYPE"),
        ("multipart/form-data", b"x", "VALIDATION_FAILED"),
        ("multipart/form-data; boundary=x", b"no such thing", "VALIDATION_FAILED"),
        ("multipart/form-data; boundary=x", b"", "VALIDATION_FAILED"),
    ],
)
async def test_what_is_no_form_is_refused(
    edge: Edge, media_type: str, content: bytes, reason: str
) -> None:
    headers = {"Content-Type": media_type}
    answer = await edge.post(IMAGES, role=Role.ORGANIZER, content=content, headers=headers)
    assert answer.json()["reason"] == reason


async def test_other_routes_take_no_larger_bodies_than_before(edge: Edge) -> None:
    for path in (f"{IMAGES}/more", f"{IMAGES}%2F..", "/events"):
        answer = await edge.http.post(
            f"/api/v1{path}", content=bytes(100_000), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 413


@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        ("INVALID", "INVALID_IMAGE", 422),
        ("INVALID", "IMAGE_TOO_LARGE", 413),
        ("STATE", "TOO_MANY_IMAGES", 409),
        ("NOT_FOUND", "EVENT_NOT_FOUND", 404),
        ("UNAVAILABLE", "OVERLOADED", 503),
    ],
)
async def test_a_pictures_refusal_becomes_its_problem(
    edge: Edge, refusal: type[RefusalError], kind: str, reason: str, status: int
) -> None:
    edge.catalog.answers["AddImage"] = refusal(kind, reason)
    answer = await send(edge)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


async def test_a_picture_is_deleted(edge: Edge) -> None:
    answer = await edge.delete(f"{IMAGES}/{samples.IMAGE}", role=Role.ORGANIZER)
    assert answer.status_code == 204
    asked = edge.catalog.asked
    assert (asked.event_id, asked.image_id) == (samples.EVENT, samples.IMAGE)


async def test_a_picture_is_for_anybody_and_for_ever(edge: Edge) -> None:
    edge.catalog.answers["GetImage"] = catalog_pb2.GetImageResponse(content=b"RIFF", width=960)
    answer = await edge.get(f"/media/{samples.IMAGE}?w=700", role=None)
    assert (answer.content, answer.headers["content-type"]) == (b"RIFF", "image/webp")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert edge.catalog.asked.width == 700
    assert answer.headers["vary"] == "Authorization"
    again = await edge.get(
        f"/media/{samples.IMAGE}?w=700",
        role=None,
        headers={"If-None-Match": answer.headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]
    assert len(edge.catalog.calls) == 2
    # The tag of one width is not another's.
    other = await edge.get(
        f"/media/{samples.IMAGE}?w=70",
        role=None,
        headers={"If-None-Match": answer.headers["etag"]},
    )
    assert other.status_code == 200


@pytest.mark.parametrize("query", ["w=-1", "w=x", "w=10001", "w=1.5", "width=3"])
async def test_an_unsound_width_is_refused(edge: Edge, query: str) -> None:
    answer = await edge.get(f"/media/{samples.IMAGE}?{query}", role=None)
    assert answer.status_code == 422


async def test_an_event_shows_its_pictures(edge: Edge) -> None:
    event = samples.event(str(uuid7()))
    event.images.extend([samples.image(), samples.image("GALLERY")])
    edge.catalog.answers["ReadEvents"] = samples.read(event)
    body = (await edge.get(f"/events/{event.id}")).json()
    assert [picture["role"] for picture in body["images"]] == ["BANNER", "GALLERY"]


# --- reviews -------------------------------------------------------------------------------------


@pytest.fixture
def named(edge: Edge) -> Edge:
    """The gateway in front of an account with a name."""
    edge.auth.answers["GetMe"] = auth_pb2.GetMeResponse(user=samples.user())
    return edge


@pytest.mark.parametrize(("created", "status"), [(True, 201), (False, 200)])
async def test_a_review_is_signed_with_the_accounts_name(
    named: Edge, created: bool, status: int
) -> None:
    named.catalog.answers["WriteReview"] = catalog_pb2.WriteReviewResponse(
        review=samples.review(), created=created
    )
    answer = await named.post(REVIEWS, {"rating": 5, "text": "  Grand. "})
    assert answer.status_code == status
    assert answer.json()["author"] == "Asha"
    asked = named.catalog.asked
    assert (asked.author, asked.rating, asked.text) == ("Asha", 5, "Grand.")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rating": 0},
        {"rating": 6},
        {"rating": 4.5},
        {"rating": "5"},
        {"rating": True},
        {"rating": 5, "text": "x" * 2001},
        {"rating": 5, "text": "\x00"},
        {"rating": 5, "text": None},
        {"rating": 5, "author": "The Critic"},
        {"rating": 5, "customer_id": samples.PERSON},
    ],
)
async def test_an_unsound_review_is_refused(named: Edge, body: dict[str, Any]) -> None:
    answer = await named.post(REVIEWS, body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "VALIDATION_FAILED")
    assert named.catalog.calls == []


@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        ("FORBIDDEN", "NOT_AN_ATTENDEE", 403),
        ("STATE", "EVENT_NOT_BEGUN", 409),
        ("NOT_FOUND", "EVENT_NOT_FOUND", 404),
    ],
)
async def test_a_reviews_refusal_becomes_its_problem(
    named: Edge, refusal: type[RefusalError], kind: str, reason: str, status: int
) -> None:
    named.catalog.answers["WriteReview"] = refusal(kind, reason)
    answer = await named.post(REVIEWS, {"rating": 1})
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


async def test_reviews_are_read_by_anybody_and_name_no_account(edge: Edge) -> None:
    edge.catalog.answers["ListReviews"] = catalog_pb2.ListReviewsResponse(
        reviews=[samples.review(), samples.review(text="")], next_cursor="next"
    )
    answer = await edge.get(f"{REVIEWS}?limit=2&cursor=abc", role=None)
    first, second = answer.json()["items"]
    assert first == {
        "id": samples.BOOKING,
        "event_id": samples.EVENT,
        "author": "Asha",
        "rating": 5,
        "text": "Grand.",
        "created_at": "2026-11-20T10:00:00Z",
        "updated_at": "2026-11-20T10:05:00Z",
    }
    assert second["text"] is None
    assert answer.json()["next_cursor"] == "next"
    assert (edge.catalog.asked.limit, edge.catalog.asked.cursor) == (2, "abc")
