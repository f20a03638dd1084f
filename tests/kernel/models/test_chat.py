"""Requests to a chat endpoint, over real sockets: successes and failures."""

import asyncio
import gzip
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import structlog
from structlog.testing import capture_logs

from domains.kernel.core import log_config
from domains.kernel.core.settings import SettingError, Settings
from domains.kernel.models.chat import ChatClient, estimate_tokens
from domains.kernel.models.endpoint import Response
from domains.kernel.models.llm_types import ErrorReason, LLMError, LLMRequest, LLMResponse
from tests.fakes.certificates import CertificateAuthority
from tests.fakes.chat_server import BEHAVIOURS, ChatRequest, ChatServer, chat_server, completion
from tests.fakes.fake_endpoint import FakeResponse, error

KEY = "sk-not-to-be-shown"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["yes", "no"]}},
    "required": ["answer"],
    "additionalProperties": False,
}
REQUEST = LLMRequest(
    task="test",
    instructions="Say whether it rains.",
    data="It rains.",
    schema_name="weather",
    schema=SCHEMA,
    max_output_tokens=50,
)


def settings(url: str, **more: Any) -> Settings:
    values: dict[str, Any] = {"chat_key": KEY, "chat_model": "small"} | more
    return Settings(database_url="", redis_url="", blob_url="", chat_url=url, **values)


class Delays(list[float]):
    """Records delays instead of sleeping."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


async def complete(
    server: ChatServer | str,
    request: LLMRequest = REQUEST,
    delays: Delays | None = None,
    **more: Any,
) -> LLMResponse:
    url = server if isinstance(server, str) else server.url
    sleep = Delays() if delays is None else delays
    async with ChatClient.open(settings(url, **more), sleep=sleep) as client:
        assert client is not None
        return await client.complete(request)


async def fail(server: ChatServer, request: LLMRequest = REQUEST, **more: Any) -> LLMError:
    """Send a request that must fail. Returns its error."""
    with pytest.raises(LLMError) as raised:
        await complete(server, request, **more)
    return raised.value


async def complete_twice(behaviour: str) -> list[ChatRequest]:
    """Send the request twice with one client. Returns what the server received."""
    async with chat_server(behaviour) as server, ChatClient.open(settings(server.url)) as client:
        assert client is not None
        for _ in range(2):
            assert (await client.complete(REQUEST)).content == b'{"answer":"yes"}'
    return server.requests


async def test_no_client_without_a_url() -> None:
    async with ChatClient.open(settings("")) as client:
        assert client is None


@pytest.mark.parametrize(("url", "key"), [("http://h/v1", "a\nb"), ("http://h:x/", "k")])
async def test_invalid_url_or_key_is_a_setting_error(url: str, key: str) -> None:
    with pytest.raises(SettingError) as raised:
        async with ChatClient.open(settings(url, chat_key=key)):
            pass
    assert key not in str(raised.value) or len(key) == 1


async def test_request_and_response_follow_the_protocol() -> None:
    async with chat_server("good") as server:
        response = await complete(server.url + "/")
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.body == {
        "model": "small",
        "messages": [
            {"role": "system", "content": "Say whether it rains."},
            {"role": "user", "content": "It rains."},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "weather", "schema": SCHEMA, "strict": True},
        },
        "temperature": 0.0,
        "seed": 1,
        "max_tokens": 50,
    }
    assert response.content == b'{"answer":"yes"}'
    assert response.model == "small-2026-01-01"
    usage = response.usage
    assert (usage.model, usage.prompt_tokens, usage.completion_tokens) == ("small", 1200, 34)


async def test_openai_and_proxy_variables_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID"):
        monkeypatch.setenv(name, "sk-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with chat_server("good") as server:
        await complete(server)
        await complete(server, chat_key="")
    with_key, without_key = (each.headers for each in server.requests)
    assert {**with_key, "host": "", "content-length": ""} == {
        "host": "",
        "content-type": "application/json",
        "content-length": "",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "evidence-gateway",
        "authorization": f"Bearer {KEY}",
    }
    assert without_key.keys() == with_key.keys() - {"authorization"}


async def test_url_may_have_a_query_and_escapes() -> None:
    async with chat_server("good") as server:
        await complete(f"{server.url}/a%2Fb?api-version=1")
    assert server.requests[0].path == "/v1/a%2Fb/chat/completions?api-version=1"


async def test_password_of_the_url_is_sent_only_without_a_key() -> None:
    async with chat_server("good") as server:
        url = server.url.replace("http://", "http://me:secret@")
        await complete(url)
        await complete(url, chat_key="")
    with_key, without_key = (each.headers["authorization"] for each in server.requests)
    assert with_key == f"Bearer {KEY}"
    assert without_key.startswith("Basic ")


async def test_certificate_authorities_of_the_system_are_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    authority = CertificateAuthority(tmp_path)
    certificate = authority.server_context("localhost")
    async with chat_server("good", certificate=certificate) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        with pytest.raises(LLMError, match="cannot be reached"):
            await complete(url)
        bundle = tmp_path / "authorities.pem"
        bundle.write_bytes(authority.certificate)
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        assert (await complete(url)).content == b'{"answer":"yes"}'


@pytest.fixture
def library_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """The lines that libraries write in a process with log level debug."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    written = StringIO()
    # Loggers of structlog would keep this configuration after the test.
    monkeypatch.setattr(structlog, "configure", lambda **_: None)
    try:
        with redirect_stderr(written):
            log_config.configure_logging("debug", "json")
            yield written
    finally:
        root.handlers[:], level = before
        root.setLevel(level)


async def test_libraries_log_no_requests(library_log: StringIO) -> None:
    async with chat_server("429-once") as server:
        await complete(server)
    assert library_log.getvalue() == ""


# ---- failures

FAILURES: dict[str, tuple[ErrorReason, int, str]] = {
    "400": ("refused", 1, r"\(HTTP 400\)"),
    "401": ("refused", 1, "rejected the API key"),
    "403": ("refused", 1, "rejected the API key"),
    "404": ("refused", 1, "no such URL or model"),
    "429": ("rate_limited", 3, "rate limit or quota"),
    "429-long": ("rate_limited", 1, "rate limit or quota"),
    "quota": ("rate_limited", 1, "rate limit or quota"),
    "500": ("server_error", 3, r"\(HTTP 500\)"),
    "503": ("server_error", 3, r"\(HTTP 503\)"),
    "late": ("timeout", 1, "too long"),
    "hang": ("timeout", 1, "too long"),
    "drip": ("timeout", 1, "too long"),
    "dropped": ("unreachable", 3, "cannot be reached"),
    "cut": ("unreachable", 3, "cannot be reached"),
    "moved": ("refused", 1, r"\(HTTP 302\)"),
    "html": ("nonsense", 1, "not the JSON"),
    "not-json": ("nonsense", 1, "not the JSON"),
    "list": ("nonsense", 1, "not a JSON object"),
    "nothing": ("nonsense", 1, "not the JSON"),
    "no-choices": ("nonsense", 1, "not the JSON"),
    "truncated": ("too_long", 1, "cut off"),
    "refusal": ("declined", 1, "declined"),
    "filtered": ("declined", 1, "declined"),
    "huge": ("nonsense", 1, "exceeds 2000000 bytes"),
}


@pytest.mark.parametrize("behaviour", FAILURES)
async def test_failure(behaviour: str) -> None:
    reason, attempts, message = FAILURES[behaviour]
    limit = 0.2 if reason == "timeout" else 20.0
    async with chat_server(behaviour) as server:
        with capture_logs() as logged, pytest.raises(LLMError, match=message) as raised:
            await complete(server, chat_time_limit=limit)
        assert len(server.requests) == attempts
    assert raised.value.reason == reason
    assert logged[-1]["event"] == "llm_request_failed"
    text = f"{raised.value} {logged}"
    assert not any(each in text for each in (KEY, "127.0.0.1", "secret", "srv", "rain"))
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(
    ("behaviour", "expected"), [("429-once", [3.0]), ("500-once", [0.5]), ("dropped-once", [0.5])]
)
async def test_retry_after_a_passing_failure(behaviour: str, expected: list[float]) -> None:
    delays = Delays()
    async with chat_server(behaviour) as server:
        response = await complete(server, delays=delays)
        assert len(server.requests) == 2
    assert response.content == b'{"answer":"yes"}'
    assert delays == expected


async def test_delays_grow_and_attempts_end() -> None:
    delays = Delays()
    async with chat_server("500") as server:
        await fail(server, delays=delays)
    assert delays == [0.5, 2.0]


async def test_time_limit_includes_all_attempts() -> None:
    async with chat_server("500") as server:
        assert (await fail(server, chat_time_limit=0.4)).reason == "server_error"
        assert len(server.requests) == 1


def test_retry_after_is_a_number_or_a_date() -> None:
    def retry_after(value: str) -> float:
        return Response(429, {"retry-after": value}, b"").retry_after

    soon = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 0.0 < retry_after(soon) <= 3600.0
    assert retry_after("1.5") == 1.5
    for invalid in ("", "soon", "-1", "1e9", "inf", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert retry_after(invalid) == 0.0


async def test_no_server() -> None:
    async with chat_server("good") as server:
        pass
    assert (await fail(server)).reason == "unreachable"


@pytest.mark.parametrize("behaviour", ["500", "hang", "dropped"])
async def test_during_an_outage_requests_fail_at_once(behaviour: str) -> None:
    async with (
        chat_server(behaviour) as server,
        ChatClient.open(settings(server.url, chat_time_limit=0.3), sleep=Delays()) as client,
    ):
        assert client is not None
        for _ in range(100):
            with pytest.raises(LLMError):
                await client.complete(REQUEST)
        # Two requests with their attempts, and at most one probe, on a machine that is very slow.
        assert len(server.requests) <= 9


@pytest.mark.parametrize("behaviour", ["500", "hang"])
async def test_one_slow_or_faulty_request_is_no_outage(behaviour: str) -> None:
    async with (
        chat_server(behaviour) as server,
        ChatClient.open(settings(server.url, chat_time_limit=0.5), sleep=Delays()) as client,
    ):
        assert client is not None
        for _ in range(3):
            server.behaviour = BEHAVIOURS[behaviour]()
            with pytest.raises(LLMError):
                await client.complete(REQUEST)
            assert not client.breaker.is_open
            server.behaviour = BEHAVIOURS["429"]()
            with pytest.raises(LLMError):
                await client.complete(REQUEST)
        server.behaviour = BEHAVIOURS[behaviour]()
        for _ in range(2):
            with pytest.raises(LLMError):
                await client.complete(REQUEST)
        assert client.breaker.is_open


async def test_a_request_that_the_endpoint_rejects_is_no_outage() -> None:
    for behaviour in ("400", "429", "html", "refusal"):
        async with (
            chat_server(behaviour) as server,
            ChatClient.open(settings(server.url), sleep=Delays()) as client,
        ):
            assert client is not None
            with pytest.raises(LLMError):
                await client.complete(REQUEST)
            server.behaviour = BEHAVIOURS["good"]()
            assert (await client.complete(REQUEST)).content == b'{"answer":"yes"}'


async def test_cancellation() -> None:
    async with chat_server("hang") as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await complete(server)


async def test_compressed_response_is_not_decompressed() -> None:
    packed = FakeResponse(gzip.compress(completion("{}")), headers={"Content-Encoding": "gzip"})
    async with chat_server(lambda _: packed) as server:
        assert (await fail(server)).reason == "nonsense"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"choices": {}}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": {}}}]}',
        b'{"choices": [{"message": {"content": "{}"}}], "usage": {"prompt_tokens": "many"}}',
        b'{"choices": [{"message": {"content": "\xff"}}]}',
        b'{"choices": [{"message": {"content": "{\\"a\\": \\"\\ud800\\"}"}}]}',
        completion('{"a": ' + "[" * 100_000),
        b'{"choices": ' + b"[" * 100_000,
    ],
)
async def test_invalid_response(body: bytes) -> None:
    async with chat_server(lambda _: FakeResponse(body)) as server:
        assert (await fail(server)).reason == "nonsense"


# ---- parameters that an endpoint rejects


async def test_schema_moves_into_the_instructions() -> None:
    requests = await complete_twice("no-schema")
    formats = [request.format for request in requests]
    assert formats == ["json_schema", "json_object", "json_object"]
    last = requests[-1]
    assert last.instructions.startswith(REQUEST.instructions)
    assert msgspec.json.encode(SCHEMA).decode() in last.instructions
    assert last.data == REQUEST.data


async def test_reasoning_model_gets_its_parameters() -> None:
    requests = await complete_twice("reasons")
    assert len(requests) == 4
    last = requests[-1].body
    assert last["max_completion_tokens"] == 50
    assert not last.keys() & {"max_tokens", "temperature", "seed"}
    assert last["response_format"]["type"] == "json_schema"


async def test_number_of_fallbacks_is_bounded() -> None:
    def reject(_: ChatRequest) -> FakeResponse:
        return error(400, "response_format, temperature and seed are not supported; max_tokens")

    async with chat_server(reject) as server:
        assert "HTTP 400" in str(await fail(server))
        assert len(server.requests) == 3


# ---- token limits and cost


async def test_request_over_the_token_limit_is_not_sent() -> None:
    request = msgspec.structs.replace(REQUEST, data="a" * 400)
    async with chat_server("good") as server:
        failure = await fail(server, request, chat_input_tokens=100)
        assert server.requests == []
    assert failure.reason == "over_budget"
    assert "GATEWAY_CHAT_INPUT_TOKENS is 100" in failure.message


async def test_output_tokens_are_limited_by_the_settings() -> None:
    async with chat_server("good") as server:
        await complete(server, chat_output_tokens=7)
    assert server.requests[0].body["max_tokens"] == 7


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("a", 1), ("four", 1), ("fives", 2), ("日本語", 3), ("naïve", 2)]
)
def test_estimate_tokens(text: str, count: int) -> None:
    assert estimate_tokens(text) == count


async def test_cost() -> None:
    async with chat_server("good") as server:
        response = await complete(server, chat_input_price=2.5, chat_output_price=10.0)
    assert response.usage.cost == Decimal("0.00334")


@pytest.mark.parametrize("behaviour", ["truncated", "refusal", "not-json"])
async def test_failed_request_has_a_cost(behaviour: str) -> None:
    async with chat_server(behaviour) as server:
        usage = (await fail(server, chat_input_price=1.0)).usage
    assert (usage.prompt_tokens, usage.cost) == (1200, Decimal("0.0012"))


async def test_missing_or_implausible_counts_are_estimated() -> None:
    async with chat_server("no-usage") as server:
        response = await complete(server)
    assert 20 < response.usage.prompt_tokens < 60
    assert response.usage.completion_tokens == 4

    def negative(_: ChatRequest) -> FakeResponse:
        return FakeResponse(completion("{}").replace(b":1200", b":-1200"))

    async with chat_server(negative) as server:
        assert (await complete(server)).usage.prompt_tokens == response.usage.prompt_tokens


async def test_model_name_is_sanitized() -> None:
    def named(_: ChatRequest) -> FakeResponse:
        return FakeResponse(completion("{}", model=" a\x00\n" + "b" * 200))

    async with chat_server(named) as server:
        assert (await complete(server)).model == "a " + "b" * 98


def test_every_behaviour_is_tested() -> None:
    retried = {"429-once", "500-once", "dropped-once"}
    succeeding = {"good", "no-usage", "no-schema", "reasons"}
    elsewhere = {"injected", "wrong-shape"}  # callers of the client check the content
    assert retried | succeeding | elsewhere | FAILURES.keys() == BEHAVIOURS.keys()
    assert {reason for reason, _, _ in FAILURES.values()} | {"over_budget"} == {
        *get_args(ErrorReason)
    }
