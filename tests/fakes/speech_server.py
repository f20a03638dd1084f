"""Fake speech-to-text service with OpenAI's interface, and its failure modes.

    python -m tests.fakes.speech_server --port 9000 --behaviour words

In tests: `async with speech_server("words") as server`, then `server.url` and `server.requests`. A
function from the request to the response can be passed instead of a behaviour's name.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from email.parser import BytesHeaderParser
from typing import Final

import click
import msgspec

from tests.fakes.fake_endpoint import FakeEndpoint, FakeResponse, error, serve_forever

# The sentences of every recording, two seconds each.
SAID: Final = (
    "Hello and thank you for your time.",
    "We need an export to CSV, because copying takes hours.",
    "The search is far too slow for us.",
)


class SpeechRequest(msgspec.Struct, frozen=True):
    """A request as received: its headers, with names in lower case, and the parts of its form."""

    path: str
    headers: dict[str, str]
    fields: list[tuple[str, str]]
    file_name: str
    file_type: str
    file: bytes

    def field(self, name: str) -> list[str]:
        """All values with this name."""
        return [value for each, value in self.fields if each == name]


Behaviour = Callable[[SpeechRequest], FakeResponse]
SpeechServer = FakeEndpoint[SpeechRequest]


def said(*, words: bool = False, segments: bool = False, speakers: bool = False) -> bytes:
    """A transcript of `SAID` with the given details."""
    whole: dict[str, object] = {"text": " ".join(SAID)}
    spans = [(2.0 * at, 2.0 * at + 1.8, text) for at, text in enumerate(SAID)]
    if words or segments:
        whole |= {"task": "transcribe", "language": "english", "duration": 2.0 * len(SAID)}
    if words:
        # Without punctuation, like OpenAI's.
        whole["words"] = [
            {"word": word.strip(".,"), "start": start + share * at, "end": start + share * (at + 1)}
            for start, end, text in spans
            for share in [(end - start) / len(text.split())]
            for at, word in enumerate(text.split())
        ]
    if segments:
        whole["segments"] = [
            {"id": at, "seek": 0, "start": start, "end": end, "text": f" {text}", "tokens": [1]}
            | ({"speaker": "AB"[at % 2]} if speakers else {})
            for at, (start, end, text) in enumerate(spans)
        ]
    return msgspec.json.encode(whole)


def _without_words(request: SpeechRequest) -> FakeResponse:
    if request.field("timestamp_granularities[]"):
        return error(400, "Unknown parameter: timestamp_granularities")
    return FakeResponse(said(segments=True))


def _json_only(request: SpeechRequest) -> FakeResponse:
    if request.field("response_format") != ["json"]:
        return error(
            400,
            "response_format 'verbose_json' is not compatible with model 'x'. Use 'json' instead.",
            param="response_format",
            code="unsupported_value",
        )
    return FakeResponse(said())


_HTML: Final = FakeResponse(b"<!doctype html><title>Welcome</title>", content_type="text/html")

BEHAVIOURS: Final[dict[str, Behaviour]] = {
    "words": lambda _: FakeResponse(said(words=True, segments=True)),
    "segments": lambda _: FakeResponse(said(segments=True)),
    "speakers": lambda _: FakeResponse(said(segments=True, speakers=True)),
    "plain": lambda _: FakeResponse(said()),
    "text": lambda _: FakeResponse(
        " ".join(SAID).encode(), content_type="text/plain; charset=utf-8"
    ),
    "silence": lambda _: FakeResponse(b'{"text":"","language":"en","words":[],"segments":[]}'),
    "no-words": _without_words,
    "json-only": _json_only,
    "hang": lambda _: FakeResponse(b"", delay=3600.0),
    "late": lambda _: FakeResponse(said(words=True, segments=True), delay=5.0),
    "drip": lambda _: FakeResponse(said(words=True, segments=True), drip=1.0),
    "nonsense": lambda _: _HTML,
    "moved": lambda _: FakeResponse(b"", 302, headers={"Location": "http://127.0.0.1:1/"}),
    "400": lambda _: error(400, "The audio file could not be decoded."),
    "401": lambda _: error(401, "Incorrect API key provided: sk-secret."),
    "403": lambda _: error(403, "Country not supported"),
    "404": lambda _: error(404, "The model does not exist"),
    "413": lambda _: error(413, "Maximum content size limit exceeded"),
    "429": lambda _: error(429, "Rate limit reached"),
    "500": lambda _: error(500, "The server had an error at /srv/whisper"),
    "503": lambda _: error(503, "Overloaded"),
}


def _parse(path: str, headers: dict[str, str], body: bytes) -> SpeechRequest | None:
    kind = BytesHeaderParser().parsebytes(f"Content-Type: {headers['content-type']}".encode())
    boundary = kind.get_boundary()
    if kind.get_content_type() != "multipart/form-data" or boundary is None:
        return None
    fields: list[tuple[str, str]] = []
    file_name, file_type, file = "", "", b""
    parts = body.split(b"--" + boundary.encode())
    for part in parts[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        about = BytesHeaderParser().parsebytes(head)
        name = str(about.get_param("name", header="content-disposition"))
        content = content.removesuffix(b"\r\n")
        if name == "file":
            file_name, file_type, file = (
                str(about.get_filename()),
                about.get_content_type(),
                content,
            )
        else:
            fields.append((name, content.decode()))
    request = SpeechRequest(path, headers, fields, file_name, file_type, file)
    return request if file_name and len(request.field("model")) == 1 else None


def speech_server(
    behaviour: str | Behaviour, *, port: int = 0
) -> AbstractAsyncContextManager[SpeechServer]:
    """Run the server on loopback."""
    chosen = BEHAVIOURS[behaviour] if isinstance(behaviour, str) else behaviour
    return FakeEndpoint("/audio/transcriptions", _parse, chosen).listen(port)


@click.command()
@click.option("--port", type=int, default=0, help="0 for any free port")
@click.option("--behaviour", type=click.Choice(sorted(BEHAVIOURS)), default="words")
def main(port: int, behaviour: str) -> None:
    """Serve until interrupted. The first line of output is the base URL."""
    serve_forever(speech_server(behaviour, port=port))


if __name__ == "__main__":
    main()
