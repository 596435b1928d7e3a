"""Pictures of events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from parterre.catalog.v1 import catalog_pb2

from catalog_service.domain import Image
from catalog_service.handlers import images as handlers
from catalog_service.images import ImageNotFoundError
from catalog_service.rpc.calls import Call, Rpcs, event_id_of, who_asks, who_looks
from chassis.context import caller
from chassis.database import Session
from chassis.idempotency import claim, once, recalled
from chassis.ids import parse_uuid


class ImageRpcs(Rpcs):
    """Pictures of events."""

    async def AddImage(  # noqa: N802
        self, parts: AsyncIterator[catalog_pb2.AddImageRequest], context: Call
    ) -> catalog_pb2.AddImageResponse:
        first = await anext(parts, catalog_pb2.AddImageRequest())
        person, event_id = who_asks(), event_id_of(first.event_id)

        async def chunks() -> AsyncIterator[bytes]:
            yield first.chunk
            async for part in parts:
                yield part.chunk

        reply_type = catalog_pb2.AddImageResponse
        # The request as if it had come in one part.
        whole = catalog_pb2.AddImageRequest(
            event_id=str(event_id), role=first.role, idempotency_key=first.idempotency_key
        )

        async def recall(digest: bytes) -> catalog_pb2.AddImageResponse | None:
            whole.chunk = digest
            whose = claim(whole, caller().account)
            return await recalled(self._database, whose, reply_type, context)

        async def show(image: Image) -> tuple[catalog_pb2.AddImageResponse, bool]:
            message = image_message(image)

            async def work(session: Session) -> catalog_pb2.AddImageResponse:
                await handlers.show(session, event_id, image)
                return catalog_pb2.AddImageResponse(image=message)

            reply = await once(self._database, whole, reply_type, work, context)
            return reply, reply.image.id == message.id

        return await self._uploads.add(
            person, event_id, first.role, chunks(), recall=recall, show=show
        )

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
