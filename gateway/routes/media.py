"""Pictures of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import Query, Request
from parterre.catalog.v1 import catalog_pb2
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from chassis.context import caller, current_identity
from gateway.answers import Json, WebP
from gateway.backend import Backend
from gateway.bodies.catalog import EventId, ImageId, ImageQuery
from gateway.problems import ProblemError
from gateway.routing import (
    ANYONE,
    ORGANIZER,
    Behind,
    IdempotencyKey,
    Routes,
    replay_header,
)
from gateway.scopes import Scope
from gateway.versions import IfNoneMatch, etag, held
from presentation.views import catalog as views

MEDIA = Routes("Pictures")

_ROLES = ("BANNER", "GALLERY")
# Decoding may have to wait for its turn.
_UPLOAD_SECONDS = 20.0
_PART_BYTES = 256 * 1024
_FORM: Mapping[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "description": "A picture, and where it is shown.",
                "required": ["file", "role"],
                "additionalProperties": False,
                "properties": {
                    "file": {
                        "type": "string",
                        "format": "binary",
                        "contentMediaType": "application/octet-stream",
                        "description": "A PNG, JPEG or WebP of at most 5 MiB and 25 million pixels",
                    },
                    "role": {
                        "type": "string",
                        "enum": list(_ROLES),
                        "description": "Where it is shown.",
                    },
                },
            }
        }
    },
}
# A picture's content never changes. Any page may show it.
_FOR_EVER = "max-age=31536000, immutable"
_ON_ANY_PAGE = {"Cross-Origin-Resource-Policy": "cross-origin", "Vary": "Authorization"}


class _InMemory(MultiPartParser):
    """A form's file stays off the disk; the edge bounds its size."""

    spool_max_size = 16 * 1024 * 1024


@MEDIA.route(
    "POST",
    "/events/{event_id}/images",
    ORGANIZER,
    answers=views.Image,
    status=201,
    takes=_FORM,
    refuses=[
        "EVENT_NOT_FOUND",
        "TOO_MANY_IMAGES",
        "IMAGE_TOO_LARGE",
        "INVALID_IMAGE",
        "DEADLINE_EXCEEDED",
    ],
    scope=Scope.EVENTS_WRITE,
    headers=["Location"],
)
async def add_image(
    event_id: EventId, request: Request, behind: Behind, key: IdempotencyKey = ""
) -> Response:
    """Add a picture to an own event; a new banner takes the old one's place.

    It is encoded anew as WebP, in up to three widths and never wider than it came, without what a
    camera or a program wrote into it. A gallery has five.
    """
    if behind.upload_places.locked():
        raise ProblemError("OVERLOADED", "Too many pictures are being sent.")
    with behind.uploads.one(caller().subject):
        return await _add_image(event_id, request, behind, key)


async def _add_image(event_id: str, request: Request, behind: Backend, key: str) -> Response:
    async with behind.upload_places:
        form = await _form(request)
        try:
            role, file = _fields(form)

            async def parts() -> AsyncIterator[catalog_pb2.AddImageRequest]:
                yield catalog_pb2.AddImageRequest(event_id=event_id, role=role, idempotency_key=key)
                while chunk := await file.read(_PART_BYTES):
                    yield catalog_pb2.AddImageRequest(chunk=chunk)

            reply, replayed = await behind.catalog.replayable(
                behind.catalog.rpc.AddImage, parts(), _UPLOAD_SECONDS
            )
        finally:
            await form.close()
    picture = views.image(reply.image)
    return Json(picture, 201, {"Location": picture["url"], **replay_header(replayed)})


async def _form(request: Request) -> FormData:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type:
        raise _invalid("file", "Must be given, as multipart/form-data")
    if media_type != "multipart/form-data":
        raise ProblemError("UNSUPPORTED_MEDIA_TYPE", "Send multipart/form-data.")
    stream = request.stream()
    try:
        return await _InMemory(
            request.headers, stream, max_files=1, max_fields=1, max_part_size=100
        ).parse()
    except MultiPartException as error:
        raise _invalid(
            "file", "Must be a form of one file and one role, as RFC 7578 has it"
        ) from error
    except ClientDisconnect as error:
        raise ProblemError("REQUEST_TIMEOUT", "The client went away.") from error


def _fields(form: FormData) -> tuple[str, UploadFile]:
    unknown = set(form) - {"file", "role"}
    if unknown:
        raise _invalid(min(unknown)[:100], "Must be left out: there is no such field")
    role, file = form.get("role"), form.get("file")
    if role not in _ROLES:
        raise _invalid("role", f"Must be one of {', '.join(_ROLES)}")
    if not isinstance(file, UploadFile):
        raise _invalid("file", "Must be a file with a name")
    return str(role), file


def _invalid(field: str, message: str) -> ProblemError:
    return ProblemError("VALIDATION_FAILED", errors=[{"field": field, "message": message}])


@MEDIA.route(
    "DELETE",
    "/events/{event_id}/images/{image_id}",
    ORGANIZER,
    status=204,
    refuses=["EVENT_NOT_FOUND", "IMAGE_NOT_FOUND"],
    scope=Scope.EVENTS_WRITE,
)
async def delete_image(event_id: EventId, image_id: ImageId, behind: Behind) -> Response:
    """Delete a picture of an own event."""
    await behind.catalog(
        behind.catalog.rpc.DeleteImage,
        catalog_pb2.DeleteImageRequest(event_id=event_id, image_id=image_id),
    )
    return Response(status_code=204)


@MEDIA.route(
    "GET",
    "/media/{image_id}",
    ANYONE,
    media_type="image/webp",
    refuses=["IMAGE_NOT_FOUND"],
    scope=Scope.EVENTS_READ,
    headers=["Cache-Control", "Vary"],
)
async def get_image(
    image_id: ImageId,
    query: Annotated[ImageQuery, Query()],
    behind: Behind,
    if_none_match: IfNoneMatch = (),
) -> Response:
    """A picture, as wide as the narrowest kept that is at least `w` wide, else the widest."""
    tag = f"{image_id.lower()}.{query.w}"
    reply = await behind.catalog(
        behind.catalog.rpc.GetImage,
        catalog_pb2.GetImageRequest(image_id=image_id, width=query.w),
    )
    # A visitor is given what everybody may see; what a person is given is nobody else's to keep.
    kept_by = "private" if current_identity() else "public"
    headers = {**etag(tag), "Cache-Control": f"{kept_by}, {_FOR_EVER}", **_ON_ANY_PAGE}
    # Not before it is known that there is such a picture, and that the caller may see it.
    if held(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return WebP(reply.content, headers=headers)
