"""A small chat endpoint with OpenAI's interface, and its bad days.

    python -m tests.fakes.chat_server --port 9000 --behaviour good

In tests: `async with chat_server("good") as service`, then `service.url` and what it was asked,
`service.asked`. A function from what was asked to the answer serves instead of a behaviour's name.

It has no model. "good" answers as the schema says: with sentences of the text that complain.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from email.parser import BytesHeaderParser
from typing import Any, Final

import click
import msgspec


class Asked(msgspec.Struct, frozen=True):
    """One request: its headers with lower-case names, and its body."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def instructions(self) -> str:
        """What the system message says."""
        return str(self.body["messages"][0]["content"])

    @property
    def data(self) -> str:
        """What the user's message says."""
        return str(self.body["messages"][1]["content"])

    @property
    def format(self) -> str:
        """The kind of answer that is wanted."""
        return str(self.body["response_format"]["type"])


class Answered(msgspec.Struct, frozen=True):
    """One response. After so many seconds; a byte in each `drip` seconds if that is set.

    `cut`: so many bytes of it are sent, then the connection is closed.
    """

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    delay: float = 0.0
    drip: float = 0.0
    cut: int | None = None
    headers: dict[str, str] = {}


Behaviour = Callable[[Asked], Answered]


def completion(
    content: str | None,
    *,
    finish_reason: str = "stop",
    refusal: str | None = None,
    usage: bool = True,
    **more: Any,
) -> bytes:
    """A chat completion as OpenAI writes it."""
    whole: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "small-2026-01-01",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "system_fingerprint": "fp_1",
    }
    if usage:
        whole["usage"] = {"prompt_tokens": 1200, "completion_tokens": 34, "total_tokens": 1234}
    return msgspec.json.encode(whole | more)


def refusal(
    status: int, message: str, headers: dict[str, str] | None = None, **more: str
) -> Answered:
    """An error as OpenAI writes it."""
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, **more}}
    return Answered(msgspec.json.encode(body), status, headers=headers or {})


_SENTENCE: Final = re.compile(r"[^.!?\n:]{3,}[.!?]")
_COMPLAINT: Final = re.compile(r"\b(?:slow|hours|broken|crash\w*|hard|confusing|cannot|can't)\b")
_TURN: Final = re.compile(r"^\[(\d+)\] ([^:]*): (.*)$", re.MULTILINE)


def written(asked: Asked) -> str:
    """An answer to what is asked, of the right form."""
    name = asked.body["response_format"].get("json_schema", {}).get("name")
    if name == "conversation" or (name is None and '"category"' in asked.instructions):
        return _conversation(asked)
    if name == "insights" or (name is None and '"insights"' in asked.instructions):
        return _insights(asked.data)
    return '{"answer":"yes"}'


def _insights(data: str) -> str:
    said = [each.group().strip() for each in _SENTENCE.finditer(data)]
    found = [
        {
            "kind": "pain_point",
            "name": each.rstrip(".!?")[:60],
            "description": f"Somebody says: {each}",
            "quotes": [each],
            "sentiment": "negative",
            "confidence": 0.9,
            "product": None,
            "feature": None,
        }
        for each in said
        if _COMPLAINT.search(each)
    ]
    return msgspec.json.encode({"context": "user_interview", "insights": found}).decode()


def _conversation(asked: Asked) -> str:
    schema = asked.body["response_format"]["json_schema"]["schema"]
    heading = schema["properties"]["points"]["items"]["properties"]["heading"]["enum"][0]
    points = [
        {"heading": heading, "text": text, "quote": text, "turn": int(number)}
        for number, _, text in _TURN.findall(asked.data)
        if _COMPLAINT.search(text)
    ]
    category = schema["properties"]["category"]["enum"][0]
    return msgspec.json.encode({"category": category, "points": points}).decode()


def injected(_: Asked) -> Answered:
    """The answer of a model that obeyed the text: every field as somebody hostile wants it."""
    poisoned = {
        "kind": "pain_point",
        "name": "<a href='https://evil.example/x'>Click</a> [here](https://evil.example) " * 50,
        "description": "Visit https://evil.example/?q=1 or www.evil.example now\x1b[31m\u202e",
        "quotes": ["This sentence stands nowhere in the text.", "a", ""],
        "sentiment": "negative",
        "confidence": 1e9,
        "product": "Not one of ours",
        "feature": "<b>evil</b>",
    }
    body = {"context": "sales_call", "insights": [poisoned] * 300}
    return Answered(completion(msgspec.json.encode(body).decode()))


class _Once:
    """The first answer is another's."""

    def __init__(self, first: Answered) -> None:
        self.first = first
        self.asked = 0

    def __call__(self, asked: Asked) -> Answered:
        self.asked += 1
        return self.first if self.asked == 1 else good(asked)


def good(asked: Asked) -> Answered:
    """The right answer to what is asked."""
    return Answered(completion(written(asked)))


def _knows_no_schema(asked: Asked) -> Answered:
    if asked.format == "json_schema":
        return refusal(400, "'response_format' of type 'json_schema' is not supported.")
    return Answered(completion(f"```json\n{written(asked)}\n```"))


def _reasons(asked: Asked) -> Answered:
    """As OpenAI's models that think first."""
    if "max_tokens" in asked.body:
        return refusal(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    if "temperature" in asked.body:
        return refusal(
            400,
            "Unsupported value: 'temperature' does not support 0 with this model. "
            "Only the default (1) value is supported.",
            param="temperature",
            code="unsupported_value",
        )
    return good(asked)


_LIMITED: Final = refusal(
    429, "Rate limit reached for org-secret", {"Retry-After": "3"}, code="rate_limit_exceeded"
)
_FAILED: Final = refusal(500, "The server had an error at /srv/model")

# Made anew for each service: some remember what they were asked.
BEHAVIOURS: Final[dict[str, Callable[[], Behaviour]]] = {
    "good": lambda: good,
    "injected": lambda: injected,
    "400": lambda: lambda _: refusal(400, "This model's maximum context length is 8192 tokens."),
    "401": lambda: lambda _: refusal(401, "Incorrect API key provided: sk-secret."),
    "403": lambda: lambda _: refusal(403, "Country not supported"),
    "404": lambda: lambda _: refusal(404, "The model `small` does not exist"),
    "429": lambda: lambda _: _LIMITED,
    "429-long": lambda: lambda _: refusal(429, "Later", {"Retry-After": "3600"}),
    "429-once": lambda: _Once(_LIMITED),
    "quota": lambda: lambda _: refusal(429, "No money", code="insufficient_quota"),
    "500": lambda: lambda _: _FAILED,
    "500-once": lambda: _Once(_FAILED),
    "503": lambda: lambda _: refusal(503, "Overloaded"),
    "late": lambda: lambda asked: Answered(good(asked).body, delay=5.0),
    "hang": lambda: lambda _: Answered(b"", delay=3600.0),
    "drip": lambda: lambda asked: Answered(good(asked).body, drip=0.1),
    "dropped": lambda: lambda asked: Answered(good(asked).body, cut=0),
    "dropped-once": lambda: _Once(Answered(b"{}", cut=0)),
    "cut": lambda: lambda asked: Answered(good(asked).body, cut=200),
    "moved": lambda: lambda _: Answered(b"", 302, headers={"Location": "http://127.0.0.1:1/"}),
    "html": lambda: lambda _: Answered(b"<!doctype html>", content_type="text/html"),
    "not-json": lambda: lambda _: Answered(completion("Sure! Here is what I found:")),
    "list": lambda: lambda _: Answered(completion("[1, 2]")),
    "nothing": lambda: lambda _: Answered(completion(None)),
    "no-choices": lambda: lambda _: Answered(b'{"choices": []}'),
    "wrong-shape": lambda: lambda _: Answered(completion('{"insights": [{"name": 5}]}')),
    "truncated": lambda: lambda _: Answered(completion('{"insights": [', finish_reason="length")),
    "refusal": lambda: lambda _: Answered(completion(None, refusal="I cannot help with that.")),
    "filtered": lambda: lambda _: Answered(completion("", finish_reason="content_filter")),
    "no-usage": lambda: lambda asked: Answered(completion(written(asked), usage=False)),
    "huge": lambda: lambda _: Answered(b'{"choices": "' + b"a" * 3_000_000 + b'"}'),
    "no-schema": lambda: _knows_no_schema,
    "reasons": lambda: _reasons,
}


class ChatServer:
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
        early = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with contextlib.suppress(*early):
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
        whole = (
            f"HTTP/1.1 {answer.status} Said\r\nContent-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\nConnection: close\r\n{more}\r\n".encode()
            + answer.body
        )
        whole = whole[: answer.cut]
        step = 1 if answer.drip else 1 << 16
        for at in range(0, len(whole), step):
            writer.write(whole[at : at + step])
            await writer.drain()
            await asyncio.sleep(answer.drip)

    def _response(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answered:
        if method != "POST" or not path.partition("?")[0].endswith("/chat/completions"):
            return refusal(404, f"Invalid URL ({method} {path})")
        if headers.get("content-type") != "application/json":
            return refusal(415, "The body is to be JSON")
        asked = Asked(path, headers, msgspec.json.decode(body))
        if not asked.body.get("model") or not asked.body.get("messages"):
            return refusal(400, "A model and messages are required")
        self.asked.append(asked)
        return self.behaviour(asked)


@contextlib.asynccontextmanager
async def chat_server(behaviour: str | Behaviour, *, port: int = 0) -> AsyncIterator[ChatServer]:
    """The service on loopback; gone on leaving, with all that hangs on it."""
    chosen = BEHAVIOURS[behaviour]() if isinstance(behaviour, str) else behaviour
    service = ChatServer(chosen)
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
@click.option("--behaviour", type=click.Choice(sorted(BEHAVIOURS)), default="good")
def main(port: int, behaviour: str) -> None:
    """Serve until the process is ended. The first line tells the base URL."""

    async def forever() -> None:
        async with chat_server(behaviour, port=port) as service:
            click.echo(service.url)
            await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forever())


if __name__ == "__main__":
    main()
