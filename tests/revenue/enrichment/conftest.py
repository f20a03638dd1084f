"""Fixtures of the enrichment tests: a stack that fetches from loopback and transcribes.

`stack` and `database` replace the session's, so that all other fixtures use this stack.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from domains.kernel.db.database import Database
from tests.fakes.speech_server import SpeechServer, speech_server
from tests.fakes.web_server import WebServer, running_web_server
from tests.stack import Stack, running_stack


@pytest.fixture(scope="session")
async def speech() -> AsyncIterator[SpeechServer]:
    """The speech-to-text service of the stack."""
    async with speech_server("segments") as server:
        yield server


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, speech: SpeechServer) -> Iterator[Stack]:
    settings = {
        "GATEWAY_FETCH_ALLOW": "127.0.0.1",
        "GATEWAY_SPEECH_URL": speech.url,
        "GATEWAY_SPEECH_KEY": "sk-speech",
        "GATEWAY_DOCUMENT_MAX_BYTES": "200000",
    }
    with running_stack(tmp_path_factory.mktemp("enrichment"), settings=settings) as started:
        yield started


@pytest.fixture(scope="session")
async def database(stack: Stack) -> AsyncIterator[Database]:
    async with Database.open(stack.database_url) as opened:
        yield opened


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    """A web server to fetch documents and recordings from."""
    async with running_web_server() as server:
        yield server
