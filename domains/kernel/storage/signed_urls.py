"""Signed URLs of stored objects: valid for a day, without an API key."""

import re
from typing import Annotated, Final, Literal
from urllib.parse import quote, urlencode

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.kernel.core.problems import NotFound
from domains.kernel.storage.blobs import MAX_FILENAME, Blobs
from domains.kernel.tenancy.signing import Signer

# Lifetime in seconds.
LIFETIME: Final = 24 * 60 * 60

# Purposes of signatures: a link to download a file cannot be changed into one that shows it.
_DOWNLOAD: Final = "download"
_INLINE: Final = "inline"
# Seconds. A response that was made in one such period may be kept during that period.
_REUSE_PERIOD: Final = LIFETIME // 2

# A URL made here: its path has the key of an object, which names the workspace. URLs of callers may
# be signed as well.
_UUID: Final = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SIGNED_HERE: Final = re.compile(rf"[^?]*/{_UUID}/[^?]*\?(type=.*&signature=|.*X-Amz-Signature=)")


class FileQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query parameters of a signed URL, in the order in which they must be sent."""

    type: Annotated[str, Meta(description="Content type")]
    name: Annotated[str, Meta(description="File name")]
    expires: Annotated[int, Meta(ge=0, le=2**53, description="Expiry time in Unix seconds")]
    disposition: Annotated[
        Literal["inline"] | UnsetType, Meta(description="Play the recording instead of saving it")
    ] = UNSET
    signature: Annotated[str, Meta(description="Signature of the path and the other parameters")]


class SignedUrls:
    """Creates signed URLs of objects, and verifies those that this deployment serves itself."""

    def __init__(self, signer: Signer, blobs: Blobs, public_url: str) -> None:
        self._signer = signer
        self._blobs = blobs
        self._base_url = public_url.rstrip("/")

    async def create(self, key: str, content_type: str, filename: str, now: float) -> str:
        """Create a URL of an object, valid for a day from `now` (Unix seconds). Sends no request.

        Objects in a local directory are served below this deployment's public URL, with the content
        type and filename passed here. Objects in S3 are served by S3 (or AWS_ENDPOINT_URL), with
        the content type and filename they were stored with.
        """
        if (presigned := await self._blobs.presign(key, LIFETIME)) is not None:
            return presigned
        return self._create(_DOWNLOAD, key, content_type, filename, now)

    def create_inline(self, key: str, content_type: str, filename: str, now: float) -> str:
        """Create a URL of a recording that a browser plays, valid for a day from `now`.

        It is always below this deployment's public URL: S3 serves objects as attachments.
        """
        return self._create(_INLINE, key, content_type, filename, now)

    def _create(self, purpose: str, key: str, content_type: str, filename: str, now: float) -> str:
        expires = int(now) + LIFETIME
        filename = filename[:MAX_FILENAME]
        signature = self._signer.sign(purpose, _message(key, content_type, filename, expires))
        query = {"type": content_type, "name": filename, "expires": expires}
        if purpose == _INLINE:
            query["disposition"] = _INLINE
        return f"{self._base_url}/files/{quote(key)}?{urlencode(query)}&signature={signature}"

    def verify(self, key: str, query: FileQuery, now: float) -> None:
        """Raise NotFound if the signature is invalid or the URL has expired."""
        message = _message(key, query.type, query.name, query.expires)
        purpose = _DOWNLOAD if query.disposition is UNSET else _INLINE
        valid = self._signer.verify(purpose, message, query.signature)
        if not valid or query.expires < now:
            raise invalid_url()


def version_of_url(url: str | None, now: float) -> str | None:
    """Return what identifies the object of a URL made here. Other URLs are returned as they are.

    Each response has another signature and expiry time. An ETag of the whole URL would never match,
    and one without the URL would let a client keep a link that has expired. With the number of the
    period, the links of a response that is still current are valid for 12 hours at least.
    """
    if url is None or not _SIGNED_HERE.match(url):
        return url
    return f"{url.partition('?')[0]} {int(now // _REUSE_PERIOD)}"


def invalid_url() -> NotFound:
    """Return the same problem for every invalid URL, so that it reveals no cause."""
    return NotFound("There is nothing at this address, or the link has expired.")


def _message(key: str, content_type: str, filename: str, expires: int) -> bytes:
    return msgspec.msgpack.encode((key, content_type, filename, expires))
