"""Admission of requests: authentication, scope, rate limit and the headers of the body."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from litestar.types import HTTPScope

from domains.kernel.core import log_context
from domains.kernel.core.network import Network
from domains.kernel.core.problems import Forbidden, Invalid, LengthRequired, TooLarge
from domains.kernel.tenancy.audit import Actor
from domains.kernel.tenancy.key_use import KeyUse
from domains.kernel.tenancy.keyring import Caller, Keyring
from gateway.admission.client_address import client_address, is_allowed
from gateway.admission.rate_limit import Limiter
from gateway.operations import Operation, Surface

_JSON: Final = re.compile(r"application/(.+\+)?json")


class Admission:
    """Admits the requests of all operations.

    Refuses in a fixed order, before the body is read: 401 key, 403 address, 403 scope, 429 rate
    limit, 411 and 413 length, 400 Content-Type.
    """

    def __init__(
        self,
        keyring: Keyring,
        key_use: KeyUse,
        limiter: Limiter,
        trusted_proxies: Sequence[Network],
        max_body_bytes: int,
    ) -> None:
        self._keyring = keyring
        self._key_use = key_use
        self._limiter = limiter
        self._trusted_proxies = trusted_proxies
        self._max_body_bytes = max_body_bytes

    async def admit(
        self,
        scope: HTTPScope,
        headers: Mapping[bytes, bytes],
        operation: Operation,
        surface: Surface,
    ) -> Caller | None:
        """Return the caller; None for a public operation. Raises the Problem of a refusal."""
        if operation.access == "public":
            return None
        caller = await self._keyring.authenticate(_text(headers.get(b"authorization")))
        log_context.bind(workspace=caller.workspace_text, key=caller.prefix)
        if caller.allowed and not is_allowed(
            client_address(scope, self._trusted_proxies), caller.allowed
        ):
            raise Forbidden("This API key may not be used from this address.")
        self._key_use.record(caller)
        if operation.access != "any key" and operation.access not in caller.scopes:
            raise Forbidden(f"API key missing required scope: {operation.access}")
        if operation.counted:
            scope["state"]["rate_limit"] = await self._limiter.admit(caller)
        length = headers.get(b"content-length")
        if length is not None:
            self._check_length(length)
        elif surface.needs_length and scope["method"] in ("POST", "PATCH"):
            raise LengthRequired("Send the body's size in the header Content-Length.")
        if surface.needs_json and operation.request is not None:
            media_type = (_text(headers.get(b"content-type")) or "").partition(";")[0]
            media_type = media_type.strip().lower()
            if media_type and not _JSON.fullmatch(media_type):
                raise Invalid("The body must be JSON, and Content-Type application/json.")
        return caller

    def actor(self, scope: HTTPScope, caller: Caller) -> Actor:
        """The caller as the audit log records it."""
        address = client_address(scope, self._trusted_proxies)
        return Actor(caller.prefix, "" if address is None else str(address), caller.key)

    def _check_length(self, length: bytes) -> None:
        if not length.isdigit():
            raise Invalid("The header Content-Length is not a number.")
        if int(length) > self._max_body_bytes:
            raise TooLarge(f"The body is larger than {self._max_body_bytes:,} bytes.")


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")
