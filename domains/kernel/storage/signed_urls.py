"""Links to stored objects: signed, good for a day without a key."""

from typing import Annotated, Final
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta

from domains.kernel.core.problems import NotFound
from domains.kernel.storage.blobs import Blobs
from domains.kernel.tenancy.signing import Signer

# Seconds for which a link is good.
VALID: Final = 24 * 60 * 60

_LONGEST_NAME: Final = 200
_PURPOSE: Final = "download"


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """The query of a link: what to call the object, and until when. The signature stands last."""

    type: Annotated[str, Meta(description="Content type")]
    name: Annotated[str, Meta(description="File name")]
    expires: Annotated[int, Meta(ge=0, le=2**53, description="Unix seconds until which it is good")]
    signature: Annotated[str, Meta(description="Of the path and all of the above")]


class Downloads:
    """Makes links to objects, and checks those that lead to this deployment."""

    def __init__(self, signer: Signer, blobs: Blobs, public_url: str) -> None:
        self._signer = signer
        self._blobs = blobs
        self._base = public_url.rstrip("/")

    async def link(self, key: str, content_type: str, filename: str, now: float) -> str:
        """The address of an object, good for a day from `now` (Unix seconds). It asks no server.

        Objects of a local directory are given out under the public address of this deployment with
        the type and name given here; S3 gives out its own with those that they were stored with,
        and where AWS_ENDPOINT_URL is set, from there.
        """
        if (address := await self._blobs.sign(key, VALID)) is not None:
            return address
        expires = int(now) + VALID
        # An address may not be of any length.
        filename = filename[:_LONGEST_NAME]
        signature = self._signer.sign(_PURPOSE, _message(key, content_type, filename, expires))
        query = urlencode({"type": content_type, "name": filename, "expires": expires})
        return f"{self._base}/files/{quote(key)}?{query}&signature={signature}"

    def check(self, key: str, asked: Download, now: float) -> None:
        """NotFound unless the link was made here, is as it was made, and not too old."""
        message = _message(key, asked.type, asked.name, asked.expires)
        good = self._signer.verifies(_PURPOSE, message, asked.signature)
        if not good or asked.expires < now:
            raise bad_link()


def bad_link() -> NotFound:
    """What every link gets that is not as it was made."""
    return NotFound("There is nothing at this address, or the link has expired.")


def _message(key: str, content_type: str, filename: str, expires: int) -> bytes:
    return msgspec.msgpack.encode((key, content_type, filename, expires))
