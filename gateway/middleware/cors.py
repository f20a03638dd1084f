"""Cross-origin resource sharing: the headers that let web pages of other origins call the API."""

from collections.abc import Collection
from typing import Final

from litestar.types import HTTPScope

from domains.kernel.core.network import parse_origins

Headers = list[tuple[bytes, bytes]]

_REQUEST_HEADERS: Final = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"
)
# The names are listed: `*` hides them from pages of browsers that do not know it.
_RESPONSE_HEADERS: Final = (
    b"X-Request-Id, X-Total-Count, X-Limit, X-Offset, X-Total-Count-Capped, X-RateLimit-Limit, "
    b"X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, Link, ETag, Location, "
    b"Idempotent-Replayed, Deprecation, Sunset, Accept-Ranges, Content-Range, Content-Disposition, "
    b"WWW-Authenticate"
)
# Seconds for which a browser keeps the response to a preflight request. Chromium's maximum.
_MAX_AGE: Final = b"7200"

_VARY: Final = (b"vary", b"Origin")
_EXPOSE: Final = (b"access-control-expose-headers", _RESPONSE_HEADERS)


class Cors:
    """The allowed origins. Keys are bearer tokens, so browsers never send credentials."""

    def __init__(self, origins: Collection[str]) -> None:
        self._allows_all = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    @classmethod
    def parse(cls, setting: str) -> "Cors | None":
        """Parse the setting; None if no origin is allowed."""
        origins = parse_origins(setting)
        return cls(origins) if origins else None

    def response_headers(self, scope: HTTPScope) -> Headers:
        """The headers of every response, also one to an origin that is not allowed."""
        allowed = self._allowed(scope)
        if allowed is None:
            return [_VARY]
        return [(b"access-control-allow-origin", allowed), _EXPOSE, _VARY]

    def preflight_headers(self, scope: HTTPScope, methods: bytes) -> Headers:
        """Further headers of the response to a preflight request; none to any other OPTIONS."""
        is_preflight = any(name == b"access-control-request-method" for name, _ in scope["headers"])
        if not is_preflight or self._allowed(scope) is None:
            return []
        return [
            (b"access-control-allow-methods", methods),
            (b"access-control-allow-headers", _REQUEST_HEADERS),
            (b"access-control-max-age", _MAX_AGE),
        ]

    def _allowed(self, scope: HTTPScope) -> bytes | None:
        """The value of Access-Control-Allow-Origin; None for an origin that is not allowed."""
        if self._allows_all:
            return b"*"
        for name, value in scope["headers"]:
            if name == b"origin":
                return value if value in self._origins else None
        return None
