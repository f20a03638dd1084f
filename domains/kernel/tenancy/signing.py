"""HMAC-signed tokens and signatures, made with a key that all processes of a deployment share."""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.problems import DependencyUnavailable
from domains.kernel.db.database import Read
from domains.kernel.db.errors import NOT_AVAILABLE
from domains.kernel.db.statements import parameters, row, scalar, statement
from domains.kernel.db.tables import deployment_keys

_NAME: Final = "signing"
_KEY_BYTES: Final = 32
_MAC_BYTES: Final = 16

_PUT = statement(
    insert(deployment_keys).values(**parameters("name", "value")).on_conflict_do_nothing(), row
)
_GET = statement(
    select(deployment_keys.c.value).where(deployment_keys.c.name == bindparam("name")), scalar
)


class Signer:
    """Issues and verifies tokens and signatures, each of which is valid for one purpose only.

    A token is the base64url of a MAC and its payload. It is not encrypted.
    """

    def __init__(self, key: bytes | None = None) -> None:
        """`key`: None until `load`. Without a key, every method raises DependencyUnavailable."""
        self._key = key

    async def load(self, read: Read) -> None:
        """Read the deployment's key. The first process generates it."""
        key = await read.first(_GET, name=_NAME)
        if key is None:
            await read.first(_PUT, name=_NAME, value=secrets.token_bytes(_KEY_BYTES))
            # Another process may have been first.
            key = await read.one(_GET, name=_NAME)
        self._key = key

    def issue_token(self, purpose: str, payload: bytes) -> str:
        """Return a token that contains the payload."""
        return _base64url(self._mac(purpose, payload) + payload)

    def verify_token(self, purpose: str, token: str) -> bytes | None:
        """Return the token's payload, or None unless this deployment issued it for the purpose."""
        try:
            padded = token + "=" * (-len(token) % 4)
            decoded = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, payload = decoded[:_MAC_BYTES], decoded[_MAC_BYTES:]
        return payload if hmac.compare_digest(mac, self._mac(purpose, payload)) else None

    def sign(self, purpose: str, message: bytes) -> str:
        """Return a signature, which does not contain the message."""
        return _base64url(self._mac(purpose, message))

    def verify(self, purpose: str, message: bytes, signature: str) -> bool:
        """Return True if `sign` returns this signature for the purpose and message."""
        expected = self.sign(purpose, message)
        return hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), expected.encode())

    def _mac(self, purpose: str, payload: bytes) -> bytes:
        if self._key is None:
            raise DependencyUnavailable("database", NOT_AVAILABLE)
        message = purpose.encode() + b"\0" + payload
        return hmac.digest(self._key, message, hashlib.sha256)[:_MAC_BYTES]


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
