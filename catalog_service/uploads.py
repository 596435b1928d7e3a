"""A picture's way from bytes to its place, and the files nobody needs away.

A row is there before its first file and after its last: what a process leaves behind when it dies
is found by the row.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar
from uuid import UUID, uuid4

from catalog_service.domain import Image, Person
from catalog_service.handlers import images as handlers
from catalog_service.images import (
    ImageNotFoundError,
    ImageTooLargeError,
    InvalidImageError,
    check_role,
    file_of,
    files_of,
)
from catalog_service.media import Media
from catalog_service.rendering import (
    MAX_BYTES,
    HugeImageError,
    RefusedImageError,
    Rendering,
    render,
)
from chassis.database import Database
from chassis.errors import ServiceError, overloaded
from chassis.logs import get_logger

# At once, each with its file in memory; the next is refused.
_MOST_UPLOADS = 8
# Of them so many decode, a few hundred megabytes each; the others wait for their turn.
_MOST_RENDERINGS = 1
_RENDER_SECONDS = 10.0
_TIDY_SECONDS = 60.0

T = TypeVar("T")

log = get_logger(__name__)


class Uploads:
    """The pictures of the catalog and their files."""

    def __init__(self, database: Database, media: Media) -> None:
        self._database = database
        self._media = media
        self._running = 0
        self._renderers = ThreadPoolExecutor(_MOST_RENDERINGS, "render")

    async def add(
        self,
        person: Person,
        event_id: UUID,
        role: str,
        chunks: AsyncIterable[bytes],
        *,
        recall: Callable[[bytes], Awaitable[T | None]],
        show: Callable[[Image], Awaitable[tuple[T, bool]]],
    ) -> T:
        """Stores a picture of the person's own event (an admin's: any), made anew.

        Args:
            recall: gives the answer of before, if the same request was answered; its argument is
                the SHA-256 of the file.
            show: shows a picture whose files are stored, in one transaction; gives the answer, and
                whether it is of this picture.

        Raises:
            InvalidImageError, ImageTooLargeError, EventNotFoundError, TooManyImagesError
            ServiceError: too many come at once, or the media do not answer.
        """
        check_role(role)
        if self._running >= _MOST_UPLOADS:
            raise overloaded(retry_after_seconds=5)
        self._running += 1
        try:
            await self._database.run(
                lambda session: handlers.check_owner(session, person, event_id)
            )
            data = await _whole(chunks)
            told = await recall(hashlib.sha256(data).digest())
            if told is not None:
                return told
            return await self._stored(event_id, role, await self._rendered(data), show)
        finally:
            self._running -= 1

    async def _rendered(self, data: bytes) -> Rendering:
        work = partial(render, data, seconds=_RENDER_SECONDS)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._renderers, work)
        except HugeImageError as error:
            raise ImageTooLargeError(str(error), file="has too many pixels") from error
        except RefusedImageError as error:
            raise InvalidImageError(str(error), file="can't be kept as a picture") from error
        except TimeoutError as error:
            raise InvalidImageError(
                "This picture takes too long to decode.", file="takes too long to decode"
            ) from error

    async def _stored(
        self,
        event_id: UUID,
        role: str,
        rendering: Rendering,
        show: Callable[[Image], Awaitable[tuple[T, bool]]],
    ) -> T:
        widths = list(rendering.files)
        image = Image(uuid4(), role, widths, rendering.width, rendering.height)
        await self._database.run(lambda session: handlers.claim_place(session, event_id, image))
        try:
            for width, content in rendering.files.items():
                await self._media.put(file_of(image.id, width), content)
            answer, is_shown = await show(image)
        except Exception:
            await self._abandon(image)
            raise
        if not is_shown:  # the same request was faster
            await self._abandon(image)
        return answer

    async def _abandon(self, image: Image) -> None:
        await self._database.run(lambda session: handlers.abandon(session, image.id))
        # Of a claim that was given up while we slept, nobody else would know the files.
        with suppress(ServiceError):
            await self._media.delete(files_of(image))

    async def get(self, viewer: Person | None, image_id: UUID, width: int) -> tuple[bytes, int]:
        """The content of a picture and the width of that, the best for a width asked for.

        Raises:
            ImageNotFoundError: there is none that the viewer may see.
            ServiceError: the media do not answer.
        """
        image = await self._database.run(
            lambda session: handlers.get_image(session, viewer, image_id)
        )
        best = image.width_for(width)
        content = await self._media.get(file_of(image_id, best))
        if content is None:
            log.error("a picture's file is missing", image_id=str(image_id), width=best)
            raise ImageNotFoundError
        return content, best

    async def keep_tidy(self) -> None:
        """Deletes, for ever, the files of pictures that are shown no more."""
        while True:
            while await self.tidy():
                pass
            await asyncio.sleep(_TIDY_SECONDS)

    async def tidy(self) -> int:
        """Deletes the files of some pictures that are shown no more; gives their number."""
        gone = await self._database.run(handlers.list_dropped)
        await self._media.delete([file for image in gone for file in files_of(image)])
        await self._database.run(lambda session: handlers.forget(session, gone))
        return len(gone)


async def _whole(chunks: AsyncIterable[bytes]) -> bytes:
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > MAX_BYTES:
            raise ImageTooLargeError(
                f"A picture has at most {MAX_BYTES // 1024**2} MiB.", file="is too large"
            )
    return bytes(data)
