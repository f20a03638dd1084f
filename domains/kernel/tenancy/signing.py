"""What only this deployment can have written: tokens under a key that all its processes share."""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.db.database import Database
from domains.kernel.db.statements import row, scalar, statement
from domains.kernel.db.tables import deployment_keys

_NAME: Final = "signing"
_KEY_BYTES: Final = 32
_MAC_BYTES: Final = 16

_PUT = statement(
    insert(deployment_keys)
    .values(name=bindparam("name"), value=bindparam("value"))
    .on_conflict_do_nothing(),
    row,
)
_GET = statement(
    select(deployment_keys.c.value).where(deployment_keys.c.name == bindparam("name")), scalar
)


class Signer:
    """Seals and opens tokens: base64url of a payload and its MAC, readable by anyone."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    async def open(cls, database: Database) -> "Signer":
        """With the deployment's key, made by the first process that asks for it."""
        await database.read.first(_PUT, name=_NAME, value=secrets.token_bytes(_KEY_BYTES))
        return cls(await database.read.one(_GET, name=_NAME))

    def issue_token(self, purpose: str, payload: bytes) -> str:
        """A token that `unseal` opens for the same purpose only."""
        return _text(self._mac(purpose, payload) + payload)

    def verify_token(self, purpose: str, token: str) -> bytes | None:
        """The payload; None for anything that was not sealed here for this purpose."""
        try:
            padded = token + "=" * (-len(token) % 4)
            sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, payload = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
        return payload if hmac.compare_digest(mac, self._mac(purpose, payload)) else None

    def sign(self, purpose: str, message: bytes) -> str:
        """A signature of the message, which is not in it."""
        return _text(self._mac(purpose, message))

    def verify(self, purpose: str, message: bytes, signature: str) -> bool:
        """Whether the signature was made here for this purpose and message."""
        expected = self.sign(purpose, message)
        return hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), expected.encode())

    def _mac(self, purpose: str, payload: bytes) -> bytes:
        message = purpose.encode() + b"\0" + payload
        return hmac.digest(self._key, message, hashlib.sha256)[:_MAC_BYTES]


def _text(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).decode().rstrip("=")
