"""Where the files of pictures are: a folder of this machine, or a bucket that speaks S3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from catalog_service.settings import Settings
from chassis.errors import unavailable
from chassis.logs import get_logger

if TYPE_CHECKING:
    from obstore.store import S3Config  # a type only: it is not there at run time

# Of one call over the network, and of all the tries of one together.
_CALL_TIME = timedelta(seconds=5)
_TRIES_TIME = timedelta(seconds=8)

log = get_logger(__name__)


class Media(Protocol):
    """Files by name. Each call raises `ServiceError` SERVICE_UNAVAILABLE where nothing answers."""

    async def put(self, name: str, content: bytes) -> None:
        """Stores a file whole or not at all."""

    async def get(self, name: str) -> bytes | None:
        """The file; None where there is none."""

    async def delete(self, names: Sequence[str]) -> None:
        """Deletes files; it does no harm that one is gone already."""


class ObjectMedia:
    """Media in one of obstore's stores."""

    def __init__(self, store: LocalStore | S3Store) -> None:
        self._store = store

    async def put(self, name: str, content: bytes) -> None:
        with _answering():
            await self._store.put_async(name, content)

    async def get(self, name: str) -> bytes | None:
        with _answering(), suppress(FileNotFoundError):
            return bytes(await (await self._store.get_async(name)).bytes_async())
        return None

    async def delete(self, names: Sequence[str]) -> None:
        for name in names:
            with _answering(), suppress(FileNotFoundError):
                await self._store.delete_async(name)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        # Of what follows the first line, which is long, nobody needs to know.
        log.warning("media do not answer", error=str(error).partition("\n")[0])
        raise unavailable() from error


def open_media(settings: Settings) -> Media:
    """The media that the settings name.

    Raises:
        ValueError: `media_url` is neither file:///folder nor s3://bucket/prefix.
    """
    url = urlsplit(settings.media_url)
    path = unquote(url.path)
    if url.scheme == "file" and not url.netloc and path.strip("/"):
        return ObjectMedia(LocalStore(path, mkdir=True))
    if url.scheme == "s3" and url.netloc:
        config: S3Config = {}
        if settings.media_endpoint:
            config["endpoint"] = settings.media_endpoint
        if settings.media_region:
            config["region"] = settings.media_region
        if settings.media_access_key and settings.media_secret_key:
            config["access_key_id"] = settings.media_access_key
            config["secret_access_key"] = settings.media_secret_key.get_secret_value()
        store = S3Store(
            url.netloc,
            prefix=path.strip("/") or None,
            config=config,
            client_options={
                "timeout": _CALL_TIME,
                "allow_http": (settings.media_endpoint or "").startswith("http:"),
            },
            retry_config={"max_retries": 2, "retry_timeout": _TRIES_TIME},
        )
        return ObjectMedia(store)
    raise ValueError("CATALOG_MEDIA_URL must be file:///folder or s3://bucket/prefix")
