"""Pictures of events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from parterre.catalog.v1 import catalog_pb2

from catalog_service.domain import Image
from catalog_service.handlers import images as handlers
from catalog_service.images import ImageNotFoundError
from catalog_service.rpc.calls import Call, Rpcs, event_id_of, who_asks, who_looks
from chassis.ids import parse_uuid


class ImageRpcs(Rpcs):
    """Pictures of events."""

    async def AddImage(  # noqa: N802
        self, parts: AsyncIterator[catalog_pb2.AddImageRequest], _context: Call
    ) -> catalog_pb2.AddImageResponse:
        first = await anext(parts, catalog_pb2.AddImageRequest())
        event_id = event_id_of(first.event_id)

        async def chunks() -> AsyncIterator[bytes]:
            yield first.chunk
            async for part in parts:
                yield part.chunk

        image = await self._uploads.add(who_asks(), event_id, first.role, chunks())
        return catalog_pb2.AddImageResponse(image=image_message(image))

    async def DeleteImage(  # noqa: N802
        self, request: catalog_pb2.DeleteImageRequest, _context: Call
    ) -> catalog_pb2.DeleteImageResponse:
        person, event_id = who_asks(), event_id_of(request.event_id)
        image_id = image_id_of(request.image_id)
        await self._database.run(
            lambda session: handlers.delete_image(session, person, event_id, image_id)
        )
        return catalog_pb2.DeleteImageResponse()

    async def GetImage(  # noqa: N802
        self, request: catalog_pb2.GetImageRequest, _context: Call
    ) -> catalog_pb2.GetImageResponse:
        viewer, image_id = who_looks(), image_id_of(request.image_id)
        content, width = await self._uploads.get(viewer, image_id, request.width)
        return catalog_pb2.GetImageResponse(content=content, width=width)


def image_id_of(text: str) -> UUID:
    id = parse_uuid(text)
    if id is None:
        raise ImageNotFoundError
    return id


def image_message(image: Image) -> catalog_pb2.Image:
    return catalog_pb2.Image(
        id=str(image.id),
        role=image.role,
        widths=image.widths,
        width=image.width,
        height=image.height,
    )
