"""A small speech-to-text service with OpenAI's interface, and its bad days.

    python -m tests.fakes.speech_server --port 9000 --behaviour words

In tests: `async with speech_server("words") as service`, then `service.url` and what it was asked,
`service.asked`. A function from what was asked to the answer serves instead of a behaviour's name.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from email.parser import BytesHeaderParser
from typing import Final

import click
import msgspec

# What is said in every recording, two seconds a sentence.
SAID: Final = (
    "Hello and thank you for your time.",
    "We need an export to CSV, because copying takes hours.",
    "The search is far too slow for us.",
)


class Asked(msgspec.Struct, frozen=True):
    """One request: its headers with lower-case names, and the parts of its form."""

    path: str
    headers: dict[str, str]
    fields: list[tuple[str, str]]
    file_name: str
    file_type: str
    file: bytes

    def field(self, name: str) -> list[str]:
        """All values of this name."""
        return [value for each, value in self.fields if each == name]


class Answered(msgspec.Struct, frozen=True):
    """One response. After so many seconds; a byte in each `drip` seconds if that is set."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    delay: float = 0.0
    drip: float = 0.0
    headers: dict[str, str] = {}


Behaviour = Callable[[Asked], Answered]


def said(*, words: bool = False, segments: bool = False, speakers: bool = False) -> bytes:
    """An answer that says `SAID`, with what is asked for."""
    whole: dict[str, object] = {"text": " ".join(SAID)}
    spans = [(2.0 * at, 2.0 * at + 1.8, text) for at, text in enumerate(SAID)]
    if words or segments:
        whole |= {"task": "transcribe", "language": "english", "duration": 2.0 * len(SAID)}
    if words:
        # As OpenAI's own: without punctuation.
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


def refusal(status: int, message: str, **more: str) -> Answered:
    """An error as OpenAI writes it."""
    return Answered(msgspec.json.encode({"error": {"message": message, **more}}), status)


def _knows_no_words(asked: Asked) -> Answered:
    if asked.field("timestamp_granularities[]"):
        return refusal(400, "Unknown parameter: timestamp_granularities")
    return Answered(said(segments=True))


def _knows_only_json(asked: Asked) -> Answered:
    if asked.field("response_format") != ["json"]:
        return refusal(
            400,
            "response_format 'verbose_json' is not compatible with model 'x'. Use 'json' instead.",
            param="response_format",
            code="unsupported_value",
        )
    return Answered(said())


_HTML: Final = Answered(b"<!doctype html><title>Welcome</title>", content_type="text/html")

BEHAVIOURS: Final[dict[str, Behaviour]] = {
    "words": lambda _: Answered(said(words=True, segments=True)),
    "segments": lambda _: Answered(said(segments=True)),
    "speakers": lambda _: Answered(said(segments=True, speakers=True)),
    "plain": lambda _: Answered(said()),
    "text": lambda _: Answered(" ".join(SAID).encode(), content_type="text/plain; charset=utf-8"),
    "silence": lambda _: Answered(b'{"text":"","language":"en","words":[],"segments":[]}'),
    "no-words": _knows_no_words,
    "json-only": _knows_only_json,
    "hang": lambda _: Answered(b"", delay=3600.0),
    "late": lambda _: Answered(said(words=True, segments=True), delay=5.0),
    "drip": lambda _: Answered(said(words=True, segments=True), drip=1.0),
    "nonsense": lambda _: _HTML,
    "moved": lambda _: Answered(b"", 302, headers={"Location": "http://127.0.0.1:1/"}),
    "400": lambda _: refusal(400, "The audio file could not be decoded."),
    "401": lambda _: refusal(401, "Incorrect API key provided: sk-secret."),
    "403": lambda _: refusal(403, "Country not supported"),
    "404": lambda _: refusal(404, "The model does not exist"),
    "413": lambda _: refusal(413, "Maximum content size limit exceeded"),
    "429": lambda _: refusal(429, "Rate limit reached"),
    "500": lambda _: refusal(500, "The server had an error at /srv/whisper"),
    "503": lambda _: refusal(503, "Overloaded"),
}


class SpeechServer:
    """The running service."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.asked: list[Asked] = []
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which is one request."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        # A client that leaves early, or the end of the test.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                await self._answer(reader, writer)
            finally:
                self._tasks.discard(task)
                writer.close()

    async def end(self) -> None:
        """End what hangs."""
        waiting = list(self._tasks)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, _, head = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        method, path, _ = first.decode().split()
        parsed = BytesHeaderParser().parsebytes(head)
        headers = {name.lower(): value for name, value in parsed.items()}
        body = await reader.readexactly(int(headers["content-length"]))
        answer = self._response(method, path, headers, body)
        await asyncio.sleep(answer.delay)
        more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        writer.write(
            f"HTTP/1.1 {answer.status} Said\r\nContent-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n{more}\r\n".encode()
        )
        step = 1 if answer.drip else 1 << 16
        for at in range(0, len(answer.body), step):
            writer.write(answer.body[at : at + step])
            await writer.drain()
            await asyncio.sleep(answer.drip)

    def _response(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answered:
        if method != "POST" or not path.partition("?")[0].endswith("/audio/transcriptions"):
            return refusal(404, f"Invalid URL ({method} {path})")
        asked = _parsed(path, headers, body)
        if asked is None or not asked.file_name or len(asked.field("model")) != 1:
            return refusal(400, "A form with one file and one model is required")
        self.asked.append(asked)
        return self.behaviour(asked)


def _parsed(path: str, headers: dict[str, str], body: bytes) -> Asked | None:
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
    return Asked(path, headers, fields, file_name, file_type, file)


@contextlib.asynccontextmanager
async def speech_server(
    behaviour: str | Behaviour, *, port: int = 0
) -> AsyncIterator[SpeechServer]:
    """The service on loopback; gone on leaving, with all that hangs on it."""
    chosen = BEHAVIOURS[behaviour] if isinstance(behaviour, str) else behaviour
    service = SpeechServer(chosen)
    listening = await asyncio.start_server(service.serve, "127.0.0.1", port, limit=1 << 20)
    bound = listening.sockets[0].getsockname()[1]
    service.url = f"http://127.0.0.1:{bound}/v1"
    try:
        yield service
    finally:
        listening.close()
        await service.end()


@click.command()
@click.option("--port", type=int, default=0, help="0: any that is free")
@click.option("--behaviour", type=click.Choice(sorted(BEHAVIOURS)), default="words")
def main(port: int, behaviour: str) -> None:
    """Serve until the process is ended. The first line tells the base URL."""

    async def forever() -> None:
        async with speech_server(behaviour, port=port) as service:
            click.echo(service.url)
            await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forever())


if __name__ == "__main__":
    main()
