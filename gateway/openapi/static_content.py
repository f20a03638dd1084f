"""Response bodies that are the same for all requests."""

from typing import Final, NamedTuple

from litestar import Response

from gateway.etags import etag_now

# Caches ask each time if a response is still current: a deployment may change it.
REVALIDATED: Final = "no-cache"
FOR_A_DAY: Final = "public, max-age=86400"


class StaticContent(NamedTuple):
    """A response body with its ETag."""

    body: bytes
    etag: bytes

    @classmethod
    def of(cls, body: bytes) -> "StaticContent":
        return cls(body, etag_now(body))

    def response(
        self, media_type: str, cache_control: str = REVALIDATED, **headers: str
    ) -> Response[bytes]:
        """Respond with the content. `headers`: further ones, with `_` for `-`."""
        return Response(
            self.body,
            media_type=media_type,
            headers={
                "ETag": self.etag.decode(),
                "Cache-Control": cache_control,
                "X-Content-Type-Options": "nosniff",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
        )
