"""Signed tokens and signatures are valid for their purpose only, in every process."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from domains.kernel.db.database import Database
from domains.kernel.tenancy.signing import Signer
from tests.stack import Stack

SIGNER = Signer(bytes(range(32)))


@given(st.binary(max_size=200), st.text(max_size=40))
@settings(derandomize=True)
def test_a_token_is_valid_for_its_purpose_and_key_only(payload: bytes, purpose: str) -> None:
    token = SIGNER.issue_token(purpose, payload)
    assert token.isascii()
    assert SIGNER.verify_token(purpose, token) == payload
    assert SIGNER.verify_token(purpose + "x", token) is None
    assert Signer(bytes(32)).verify_token(purpose, token) is None


@given(st.binary(max_size=40), st.data())
@settings(derandomize=True)
def test_a_changed_token_is_invalid(payload: bytes, data: st.DataObject) -> None:
    token = SIGNER.issue_token("p", payload)
    position = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters(codec="ascii"))
    changed = token[:position] + character + token[position + 1 :]
    assert changed == token or SIGNER.verify_token("p", changed) in (None, payload)
    # The last character may have bits beyond the last byte; all others are significant.
    if changed[:-1] != token[:-1]:
        assert SIGNER.verify_token("p", changed) is None
    assert SIGNER.verify_token("p", token[:position]) is None


@given(st.text(max_size=60))
@settings(derandomize=True)
def test_any_other_text_is_invalid(text: str) -> None:
    assert SIGNER.verify_token("p", text) is None
    assert not SIGNER.verify("p", b"message", text)


def test_a_signature_is_valid_for_its_message_and_purpose_only() -> None:
    signature = SIGNER.sign("p", b"message")
    assert SIGNER.verify("p", b"message", signature)
    assert not SIGNER.verify("p", b"message.", signature)
    assert not SIGNER.verify("q", b"message", signature)


async def test_all_processes_use_the_same_key(stack: Stack) -> None:
    async def issue_token() -> str:
        async with Database.open(stack.database_url) as database:
            signer = Signer()
            await signer.load(database.read)
            return signer.issue_token("p", b"x")

    assert len(set(await asyncio.gather(*(issue_token() for _ in range(5))))) == 1
