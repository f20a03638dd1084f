"""Entity tags of responses, and the conditions of requests that name them (RFC 9110)."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

# Makes the part of a response that its tag is computed from.
VersionOf = Callable[[Any], object]

ANY: Final = b"*"

_encode: Final = msgspec.json.Encoder().encode
_TAG: Final = re.compile(rb'(W/)?"([^"]*)"')
# Bytes. The tag of a longer body is computed in a thread: a megabyte takes about 2 ms.
_LARGE_BODY: Final = 256 * 1024
# Separates the tag of a record from the coding of a compressed response.
_CODING: Final = b"-"


def whole(record: object) -> object:
    """The version of a record whose response has no parts that change with time."""
    return record


def etag_now(content: bytes) -> bytes:
    """Return the strong tag of a response body."""
    return b'"%s"' % hashlib.blake2b(content, digest_size=12).hexdigest().encode()


async def etag_of(content: bytes) -> bytes:
    """Like `etag_now`. A large body does not block the event loop."""
    if len(content) > _LARGE_BODY:
        return await asyncio.to_thread(etag_now, content)
    return etag_now(content)


def with_coding(etag: bytes, coding: bytes) -> bytes:
    """Return the tag of the same content in a content coding: other bytes need another tag."""
    return b'%s%s%s"' % (etag[:-1], _CODING, coding)


def matches(condition: bytes, etag: bytes, *, strong: bool) -> bool:
    """Compare a tag with the value of If-Match (strong) or If-None-Match (weak comparison).

    A tag matches in every content coding.
    """
    return condition.strip() == ANY or any(
        opaque.partition(_CODING)[0] == etag[1:-1] and not (strong and weak)
        for weak, opaque in _TAG.findall(condition)
    )


def header_value(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Return the value of a header that holds a list: several lines are one list."""
    lines = [value for each, value in headers if each == name]
    return b",".join(lines) if lines else None


class IfMatch:
    """The condition of a write: the record is still the one that the caller read."""

    def __init__(self, condition: bytes, version_of: VersionOf) -> None:
        self._condition = condition
        self._version_of = version_of

    async def __call__(self, record: object) -> bool:
        etag = await etag_of(_encode(self._version_of(record)))
        return matches(self._condition, etag, strong=True)
