"""What was sealed here is known here, for its purpose alone, in every process."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from domains.kernel.db.database import Database
from domains.kernel.tenancy.signing import Signer
from tests.stack import Stack

SIGNER = Signer(bytes(range(32)))


@given(st.binary(max_size=200), st.text(max_size=40))
@settings(derandomize=True)
def test_a_seal_opens_for_its_purpose_alone(payload: bytes, purpose: str) -> None:
    token = SIGNER.issue_token(purpose, payload)
    assert token.isascii()
    assert SIGNER.verify_token(purpose, token) == payload
    assert SIGNER.verify_token(purpose + "x", token) is None
    assert Signer(bytes(32)).verify_token(purpose, token) is None


@given(st.binary(max_size=40), st.data())
@settings(derandomize=True)
def test_a_changed_token_opens_nothing(payload: bytes, data: st.DataObject) -> None:
    token = SIGNER.issue_token("p", payload)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(codec="ascii"))
    changed = token[:place] + letter + token[place + 1 :]
    assert changed == token or SIGNER.verify_token("p", changed) in (None, payload)
    # The last letter may hold bits that no byte has; everything before it counts.
    if changed[:-1] != token[:-1]:
        assert SIGNER.verify_token("p", changed) is None
    assert SIGNER.verify_token("p", token[:place]) is None


@given(st.text(max_size=60))
@settings(derandomize=True)
def test_nonsense_opens_nothing(token: str) -> None:
    assert SIGNER.verify_token("p", token) is None
    assert not SIGNER.verify("p", b"message", token)


def test_a_signature_is_of_its_message_and_purpose() -> None:
    signature = SIGNER.sign("p", b"message")
    assert SIGNER.verify("p", b"message", signature)
    assert not SIGNER.verify("p", b"message.", signature)
    assert not SIGNER.verify("q", b"message", signature)


async def test_all_processes_have_the_same_key(stack: Stack) -> None:
    async def sealed() -> str:
        async with Database.open(stack.database_url) as database:
            return (await Signer.open(database)).issue_token("p", b"x")

    assert len(set(await asyncio.gather(*(sealed() for _ in range(5))))) == 1
