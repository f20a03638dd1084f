"""Fake chat endpoint with OpenAI's interface, and its failure modes.

    python -m tests.fakes.chat_server --port 9000 --behaviour good

In tests: `async with chat_server("good") as server`, then `server.url` and `server.requests`. A
function from the request to the response can be passed instead of a behaviour's name.

There is no model. "good" fills in the schema with the sentences of the text that are complaints.
"""

import re
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import click
import msgspec

from tests.fakes.fake_endpoint import FakeEndpoint, FakeResponse, error, serve_forever


class ChatRequest(msgspec.Struct, frozen=True):
    """A request as received. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def instructions(self) -> str:
        """The system message."""
        return str(self.body["messages"][0]["content"])

    @property
    def data(self) -> str:
        """The user message."""
        return str(self.body["messages"][1]["content"])

    @property
    def format(self) -> str:
        """The type of the response format."""
        return str(self.body["response_format"]["type"])


Behaviour = Callable[[ChatRequest], FakeResponse]
ChatServer = FakeEndpoint[ChatRequest]


def completion(
    content: str | None,
    *,
    finish_reason: str = "stop",
    refusal: str | None = None,
    usage: bool = True,
    **more: Any,
) -> bytes:
    """A chat completion in OpenAI's format."""
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


_SENTENCE: Final = re.compile(r"[^.!?\n:]{3,}[.!?]")
_COMPLAINT: Final = re.compile(r"\b(?:slow|hours|broken|crash\w*|hard|confusing|cannot|can't)\b")
_TURN: Final = re.compile(r"^\[(\d+)\] ([^:]*): (.*)$", re.MULTILINE)


def content_for(request: ChatRequest) -> str:
    """Content that fits the request's schema."""
    name = request.body["response_format"].get("json_schema", {}).get("name")
    if name == "conversation" or (name is None and '"category"' in request.instructions):
        return _conversation(request)
    if name == "insights" or (name is None and '"insights"' in request.instructions):
        return _insights(request.data)
    return '{"answer":"yes"}'


def _insights(data: str) -> str:
    sentences = [each.group().strip() for each in _SENTENCE.finditer(data)]
    found = [
        {
            "kind": "pain",
            "quotes": [each],
            "sentiment": "negative",
            "confidence": 0.9,
            "product": None,
        }
        for each in sentences
        if _COMPLAINT.search(each)
    ]
    return msgspec.json.encode({"context": "user_interview", "insights": found}).decode()


def _conversation(request: ChatRequest) -> str:
    schema = request.body["response_format"]["json_schema"]["schema"]
    heading = schema["properties"]["points"]["items"]["properties"]["heading"]["enum"][0]
    points = [
        {"heading": heading, "quote": text, "turn": int(number)}
        for number, _, text in _TURN.findall(request.data)
        if _COMPLAINT.search(text)
    ]
    category = schema["properties"]["category"]["enum"][0]
    return msgspec.json.encode({"category": category, "points": points}).decode()


def injected(_: ChatRequest) -> FakeResponse:
    """The response of a model that followed instructions in the text: every field is hostile."""
    poisoned = {
        "kind": "pain",
        "quotes": [
            "<a href='https://evil.example/x'>Click</a> [here](https://evil.example) " * 50,
            "Visit https://evil.example/?q=1 or www.evil.example now\x1b[31m\u202e",
            "a",
            "",
        ],
        "sentiment": "negative",
        "confidence": 1e9,
        "product": "<b>Not one of ours</b>",
    }
    body = {"context": "sales_call", "insights": [poisoned] * 300}
    return FakeResponse(completion(msgspec.json.encode(body).decode()))


class _Once:
    """Returns `first` for the first request, then good responses."""

    def __init__(self, first: FakeResponse) -> None:
        self._first = [first]

    def __call__(self, request: ChatRequest) -> FakeResponse:
        return self._first.pop() if self._first else good(request)


def good(request: ChatRequest) -> FakeResponse:
    """A correct response."""
    return FakeResponse(completion(content_for(request)))


def _without_schema(request: ChatRequest) -> FakeResponse:
    if request.format == "json_schema":
        return error(400, "'response_format' of type 'json_schema' is not supported.")
    return FakeResponse(completion(f"```json\n{content_for(request)}\n```"))


def _reasoning(request: ChatRequest) -> FakeResponse:
    """Respond as OpenAI's reasoning models do."""
    if "max_tokens" in request.body:
        return error(
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    if "temperature" in request.body:
        return error(
            400,
            "Unsupported value: 'temperature' does not support 0 with this model. "
            "Only the default (1) value is supported.",
            param="temperature",
            code="unsupported_value",
        )
    return good(request)


_LIMITED: Final = error(
    429, "Rate limit reached for org-secret", {"Retry-After": "3"}, code="rate_limit_exceeded"
)
_FAILED: Final = error(500, "The server had an error at /srv/model")

# Created per server: some keep state.
BEHAVIOURS: Final[dict[str, Callable[[], Behaviour]]] = {
    "good": lambda: good,
    "injected": lambda: injected,
    "400": lambda: lambda _: error(400, "This model's maximum context length is 8192 tokens."),
    "401": lambda: lambda _: error(401, "Incorrect API key provided: sk-secret."),
    "403": lambda: lambda _: error(403, "Country not supported"),
    "404": lambda: lambda _: error(404, "The model `small` does not exist"),
    "429": lambda: lambda _: _LIMITED,
    "429-long": lambda: lambda _: error(429, "Later", {"Retry-After": "3600"}),
    "429-once": lambda: _Once(_LIMITED),
    "quota": lambda: lambda _: error(429, "No money", code="insufficient_quota"),
    "500": lambda: lambda _: _FAILED,
    "500-once": lambda: _Once(_FAILED),
    "503": lambda: lambda _: error(503, "Overloaded"),
    "late": lambda: lambda request: FakeResponse(good(request).body, delay=5.0),
    "hang": lambda: lambda _: FakeResponse(b"", delay=3600.0),
    "drip": lambda: lambda request: FakeResponse(good(request).body, drip=0.1),
    "dropped": lambda: lambda request: FakeResponse(good(request).body, cut=0),
    "dropped-once": lambda: _Once(FakeResponse(b"{}", cut=0)),
    "cut": lambda: lambda request: FakeResponse(good(request).body, cut=200),
    "moved": lambda: lambda _: FakeResponse(b"", 302, headers={"Location": "http://127.0.0.1:1/"}),
    "html": lambda: lambda _: FakeResponse(b"<!doctype html>", content_type="text/html"),
    "not-json": lambda: lambda _: FakeResponse(completion("Sure! Here is what I found:")),
    "list": lambda: lambda _: FakeResponse(completion("[1, 2]")),
    "nothing": lambda: lambda _: FakeResponse(completion(None)),
    "no-choices": lambda: lambda _: FakeResponse(b'{"choices": []}'),
    "wrong-shape": lambda: lambda _: FakeResponse(completion('{"insights": [{"kind": 5}]}')),
    "truncated": lambda: (
        lambda _: FakeResponse(completion('{"insights": [', finish_reason="length"))
    ),
    "refusal": lambda: lambda _: FakeResponse(completion(None, refusal="I cannot help with that.")),
    "filtered": lambda: lambda _: FakeResponse(completion("", finish_reason="content_filter")),
    "no-usage": lambda: lambda request: FakeResponse(completion(content_for(request), usage=False)),
    "huge": lambda: lambda _: FakeResponse(b'{"choices": "' + b"a" * 3_000_000 + b'"}'),
    "no-schema": lambda: _without_schema,
    "reasons": lambda: _reasoning,
}


def _parse(path: str, headers: dict[str, str], body: bytes) -> ChatRequest | None:
    if headers.get("content-type") != "application/json":
        return None
    request = ChatRequest(path, headers, msgspec.json.decode(body))
    return request if request.body.get("model") and request.body.get("messages") else None


def chat_server(
    behaviour: str | Behaviour, *, port: int = 0, certificate: ssl.SSLContext | None = None
) -> AbstractAsyncContextManager[ChatServer]:
    """Run the server on loopback, with TLS if a certificate is given."""
    chosen = BEHAVIOURS[behaviour]() if isinstance(behaviour, str) else behaviour
    return FakeEndpoint("/chat/completions", _parse, chosen).listen(port, certificate)


@click.command()
@click.option("--port", type=int, default=0, help="0 for any free port")
@click.option("--behaviour", type=click.Choice(sorted(BEHAVIOURS)), default="good")
def main(port: int, behaviour: str) -> None:
    """Serve until interrupted. The first line of output is the base URL."""
    serve_forever(chat_server(behaviour, port=port))


if __name__ == "__main__":
    main()
