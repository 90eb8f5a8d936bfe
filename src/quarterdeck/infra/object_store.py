"""Objects in one bucket of an S3 server, through aiobotocore: streamed both ways, multipart above 8 MiB, up to 195 GiB.

Importing this module costs most of a second: only components that serve such a bucket do.
"""

import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError

from quarterdeck.base.config import Secret
from quarterdeck.infra import object_conditions as conditions
from quarterdeck.infra import object_parts
from quarterdeck.infra.errors import BucketMissing, ObjectExists, ObjectStoreUnavailable

COPY_BYTES_MAX = 5 * 1024**3
"""What S3 copies at once; more goes in parts."""

COPIED_PART_BYTES = 512 * 1024**2
READ_BYTES = 256 * 1024
DELETE_KEYS_MAX = 1000
CONNECT_SECONDS_MAX = 5
READ_SECONDS_MAX = 60
ATTEMPTS_MAX = 3

_NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})
_NO_BUCKET = "NoSuchBucket"
_CHANGED = frozenset({"412", "PreconditionFailed"})


@dataclass(frozen=True)
class Object:
    """An object in the bucket; size in bytes. `etag` marks its version, `mark` whose copy it is, if it was looked at alone."""

    key: str
    size: int
    modified_at: datetime
    etag: str
    mark: str | None = None


class ObjectStore:
    """One bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._conditions = conditions.Conditions()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        endpoint: str,
        bucket: str,
        *,
        access_key: str,
        secret_key: Secret,
        region: str = "us-east-1",
    ) -> AsyncIterator["ObjectStore"]:
        """Own connections for the time of a block. Connects when first used."""
        config = AioConfig(
            connect_timeout=CONNECT_SECONDS_MAX,
            read_timeout=READ_SECONDS_MAX,
            retries={"total_max_attempts": ATTEMPTS_MAX, "mode": "standard"},
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        async with _session().create_client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key.reveal(),
            region_name=region,
            config=config,
        ) as client:
            yield cls(client, bucket)

    async def check(self) -> None:
        """Ask whether the bucket is there. Raises `BucketMissing`, `ObjectStoreUnavailable`."""
        with _unavailable():
            try:
                await self._client.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                if conditions.code(error) in {*_NOT_FOUND, _NO_BUCKET}:
                    raise BucketMissing(f"there is no bucket {self._bucket!r}") from error
                raise

    async def head(self, key: str) -> Object | None:
        """Return an object without its content; None if it is not there. Raises `ObjectStoreUnavailable`."""
        with _unavailable():
            try:
                found = await self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if conditions.code(error) in _NOT_FOUND:
                    return None
                raise
        etag, mark = found["ETag"].strip('"'), conditions.mark(found)
        return Object(key, found["ContentLength"], found["LastModified"], etag, mark)

    async def get(
        self, key: str, *, start: int = 0, length: int | None = None, etag: str | None = None
    ) -> AsyncIterator[bytes]:
        """Give the content of an object that is there, from byte `start` on, `length` bytes of it.

        Raises `ObjectStoreUnavailable`, also when it has another version than `etag`.
        """
        if length == 0:
            return
        end = "" if length is None else str(start + length - 1)
        wanted = {} if start == 0 and length is None else {"Range": f"bytes={start}-{end}"}
        if etag is not None:
            wanted["IfMatch"] = f'"{etag}"'
        with _unavailable():
            found = await self._client.get_object(Bucket=self._bucket, Key=key, **wanted)
            async with found["Body"] as stream:
                async for chunk in stream.iter_chunks(READ_BYTES):
                    yield chunk

    async def put(self, key: str, chunks: AsyncIterator[bytes | memoryview]) -> int:
        """Write an object from chunks and return its size. It appears whole or, if the chunks end in an error, not at all."""
        parts = object_parts.split(chunks)
        first = await anext(parts, b"")
        if len(first) < object_parts.PART_BYTES:
            with _unavailable():
                await self._client.put_object(Bucket=self._bucket, Key=key, Body=first)
            return len(first)
        return await self._put_parts(key, first, parts)

    async def copy(self, item: Object, new_key: str, *, mark: str | None = None) -> bool:
        """Copy an object within the bucket; False when it is gone or has another version by now.

        With a mark, which the copy bears, it replaces nothing, where the store can tell: raises `ObjectExists` if something has the new key
        that does not bear it. Our own has it if an answer was lost and we asked again. Raises `ObjectStoreUnavailable`.
        """
        with _unavailable():
            try:
                await self._copy(item, new_key, mark)
            except ClientError as error:
                if conditions.code(error) not in {*_NOT_FOUND, *_CHANGED}:
                    raise
            else:
                return True
        if mark is None or (there := await self.head(new_key)) is None:
            return False
        if there.mark != mark:
            raise ObjectExists
        return True

    async def below(self, prefix: str) -> AsyncGenerator[Object, None]:
        """Give all objects whose key begins with a prefix, in order of keys. Raises `ObjectStoreUnavailable`."""
        with _unavailable():
            pages = self._client.get_paginator("list_objects_v2")
            async for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield _object(found)

    async def children(self, prefix: str) -> tuple[list[Object], list[str]]:
        """Return the objects directly under a prefix that ends in `/`, and the prefixes of those deeper. Raises `ObjectStoreUnavailable`."""
        objects: list[Object] = []
        prefixes: list[str] = []
        with _unavailable():
            pages = self._client.get_paginator("list_objects_v2")
            async for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/"):
                prefixes += [found["Prefix"] for found in page.get("CommonPrefixes", ())]
                objects += map(_object, page.get("Contents", ()))
        return objects, prefixes

    async def delete(self, key: str) -> None:
        """Delete an object; fine if it is not there. Raises `ObjectStoreUnavailable`."""
        with _unavailable():
            await self._client.delete_object(Bucket=self._bucket, Key=key)

    async def delete_version(self, item: Object) -> None:
        """Delete an object that has the version that is meant; one of another version stays: always, where the store can tell, else if
        it was there a moment before. Raises `ObjectStoreUnavailable`.
        """
        found = await self.head(item.key)
        if found is None or found.etag != item.etag:
            return
        asked, meant = {"Bucket": self._bucket, "Key": item.key}, conditions.version(item.etag)
        with _unavailable():
            try:
                await self._conditions.ask(self._client.delete_object, meant, **asked)
            except ClientError as error:
                if conditions.code(error) not in {*_NOT_FOUND, *_CHANGED}:
                    raise

    async def delete_prefix(self, prefix: str) -> int:
        """Delete all objects whose key begins with a prefix and return how many. Raises `ObjectStoreUnavailable`, also if some stay."""
        keys = [found.key async for found in self.below(prefix)]
        for at in range(0, len(keys), DELETE_KEYS_MAX):
            batch = [{"Key": key} for key in keys[at : at + DELETE_KEYS_MAX]]
            with _unavailable():
                answer = await self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True}
                )
            _require_deleted(answer)
        return len(keys)

    async def _put_parts(self, key: str, first: bytes, rest: AsyncIterator[bytes]) -> int:
        part, size = first, 0
        with _unavailable():
            async with self._multipart(key) as (upload, done):
                while part:
                    number = len(done) + 1
                    answer = await self._client.upload_part(**upload, PartNumber=number, Body=part)
                    done.append({"PartNumber": number, "ETag": answer["ETag"]})
                    size += len(part)
                    part = await anext(rest, b"")
        return size

    async def _copy(self, item: Object, new_key: str, mark: str | None) -> None:
        source = {
            "CopySource": {"Bucket": self._bucket, "Key": item.key},
            "CopySourceIfMatch": f'"{item.etag}"',
        }
        if item.size > COPY_BYTES_MAX:
            with contextlib.suppress(_CopiesNoParts):
                await self._copy_parts(source, item.size, new_key, mark)
                return
        asked = {"Bucket": self._bucket, "Key": new_key, **source, **conditions.marked_copy(mark)}
        await self._conditions.ask(self._client.copy_object, conditions.absent(mark), **asked)

    async def _copy_parts(
        self, source: dict[str, Any], size: int, new_key: str, mark: str | None
    ) -> None:
        async with self._multipart(new_key, mark) as (upload, done):
            for start in range(0, size, COPIED_PART_BYTES):
                end = min(start + COPIED_PART_BYTES, size) - 1
                number = len(done) + 1
                answer = await self._client.upload_part_copy(
                    **upload, **source, PartNumber=number, CopySourceRange=f"bytes={start}-{end}"
                )
                if (etag := answer.get("CopyPartResult", {}).get("ETag")) is None:
                    raise _CopiesNoParts
                done.append({"PartNumber": number, "ETag": etag})

    @contextlib.asynccontextmanager
    async def _multipart(
        self, key: str, mark: str | None = None
    ) -> AsyncIterator[tuple[dict[str, str], list[dict[str, Any]]]]:
        """Give what names an upload in parts, and a list for what was done; it becomes an object if the block ends well. Marked, a new one."""
        where = {"Bucket": self._bucket, "Key": key}
        begun = await self._client.create_multipart_upload(**where, **conditions.marked(mark))
        upload = {**where, "UploadId": begun["UploadId"]}
        done: list[dict[str, Any]] = []
        try:
            yield upload, done
            whole = {**upload, "MultipartUpload": {"Parts": done}}
            complete = self._client.complete_multipart_upload
            await self._conditions.ask(complete, conditions.absent(mark), **whole)
        except BaseException:
            with contextlib.suppress(ClientError, BotoCoreError, aiohttp.ClientError):
                await self._client.abort_multipart_upload(**upload)
            raise


class _CopiesNoParts(Exception):
    """A store that is none of S3's own has taken a part to copy for one to receive; such stores copy any size at once."""


def _object(found: dict[str, Any]) -> Object:
    return Object(found["Key"], found["Size"], found["LastModified"], found["ETag"].strip('"'))


def _require_deleted(answer: dict[str, Any]) -> None:
    """Raise unless all objects of a batch are gone: the store refuses them one by one, in an answer that is a success."""
    kept = [each for each in answer.get("Errors", ()) if each.get("Code") not in _NOT_FOUND]
    if kept:
        raise ObjectStoreUnavailable(
            f"the object store keeps {len(kept)} objects: {kept[0].get('Code')} for {kept[0].get('Key')}"
        )


@functools.cache
def _session() -> AioSession:
    """Return a session whose description of S3, which takes most of a second to load, is loaded once."""
    return AioSession()


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if conditions.code(error) == _NO_BUCKET:
            raise BucketMissing from error
        raise ObjectStoreUnavailable(f"the object store does not answer: {error}") from error
    except (BotoCoreError, aiohttp.ClientError) as error:
        raise ObjectStoreUnavailable(f"the object store does not answer: {error}") from error
