"""Questions to a chat endpoint: over real sockets, on good days and bad."""

import asyncio
import gzip
import logging
import ssl
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import httpx2
import msgspec
import pytest
from structlog.testing import capture_logs

from domains.kernel.core.settings import SettingError, Settings
from domains.kernel.models import chat
from domains.kernel.models.chat import Chat, tokens
from domains.kernel.models.llm_types import REASONS, Answer, Question, Reason, Unanswered
from tests.fakes.chat_server import (
    BEHAVIOURS,
    Answered,
    Asked,
    ChatServer,
    chat_server,
    completion,
    refusal,
)

KEY = "sk-not-to-be-shown"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["yes", "no"]}},
    "required": ["answer"],
    "additionalProperties": False,
}
QUESTION = Question(
    task="test",
    instructions="Say whether it rains.",
    data="It rains.",
    schema_name="weather",
    schema=SCHEMA,
    most_output_tokens=50,
)


def settings(url: str, **more: Any) -> Settings:
    given: dict[str, Any] = {"chat_key": KEY, "chat_model": "small"} | more
    return Settings(database_url="", redis_url="", blob_url="", chat_url=url, **given)


class Waits(list[float]):
    """Waits for nothing, and notes how long it should have."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture(autouse=True)
def _no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the system take long to load, and no test needs them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: context)
    monkeypatch.setattr("httpcore2.default_ssl_context", lambda **_: context)


async def answer(
    service: ChatServer | str,
    question: Question = QUESTION,
    waits: Waits | None = None,
    **more: Any,
) -> Answer:
    url = service if isinstance(service, str) else service.url
    pause = Waits() if waits is None else waits
    async with Chat.open(settings(url, **more), pause=pause) as opened:
        assert opened is not None
        return await opened.ask(question)


async def test_without_a_url_there_is_no_endpoint() -> None:
    async with Chat.open(settings("")) as opened:
        assert opened is None


@pytest.mark.parametrize(("url", "key"), [("http://h/v1", "a\nb"), ("http://h:x/", "k")])
async def test_what_cannot_be_sent_is_refused_at_once(url: str, key: str) -> None:
    with pytest.raises(SettingError) as raised:
        async with Chat.open(settings(url, chat_key=key)):
            pass
    assert key not in str(raised.value) or len(key) == 1


async def test_the_request_is_what_the_interface_says() -> None:
    async with chat_server("good") as service:
        got = await answer(service.url + "/")
    (asked,) = service.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.body == {
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
    assert got.content == b'{"answer":"yes"}'
    assert got.model == "small-2026-01-01"
    spent = got.spent
    assert (spent.model, spent.prompt_tokens, spent.completion_tokens) == ("small", 1200, 34)


async def test_nothing_of_this_machine_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"),
        *("OPENAI_WEBHOOK_SECRET", "AZURE_OPENAI_API_KEY"),
    ):
        monkeypatch.setenv(name, "sk-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: sk-environment\nX-More: 1")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with chat_server("good") as service:
        await answer(service)
        await answer(service, chat_key="")
    keyed, keyless = (each.headers for each in service.asked)
    assert {**keyed, "host": "", "content-length": ""} == {
        "host": "",
        "content-type": "application/json",
        "content-length": "",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "evidence-gateway",
        "authorization": f"Bearer {KEY}",
    }
    assert keyless.keys() == keyed.keys() - {"authorization"}


async def test_an_address_may_have_a_query() -> None:
    async with chat_server("good") as service:
        await answer(f"{service.url}?api-version=1")
    assert service.asked[0].path == "/v1/chat/completions?api-version=1"


async def test_the_log_tells_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    root = logging.getLogger()
    monkeypatch.setattr(root, "level", logging.DEBUG)
    root.addHandler(handler)
    try:
        async with chat_server("429-once") as service:
            await answer(service)
    finally:
        root.removeHandler(handler)
    assert [each for each in records if each.name != "asyncio"] == []


# ---- bad days

BAD: dict[str, tuple[Reason, int, str]] = {
    "400": ("refused", 1, r"\(HTTP 400\)"),
    "401": ("refused", 1, "refused the key"),
    "403": ("refused", 1, "refused the key"),
    "404": ("refused", 1, "no such address or model"),
    "429": ("rate_limited", 3, "too many questions"),
    "429-long": ("rate_limited", 1, "too many questions"),
    "quota": ("rate_limited", 1, "too many questions"),
    "500": ("server_error", 3, r"\(HTTP 500\)"),
    "503": ("server_error", 3, r"\(HTTP 503\)"),
    "late": ("timeout", 1, "too long"),
    "hang": ("timeout", 1, "too long"),
    "drip": ("timeout", 1, "too long"),
    "dropped": ("unreachable", 3, "cannot be reached"),
    "cut": ("unreachable", 3, "cannot be reached"),
    "moved": ("refused", 1, r"\(HTTP 302\)"),
    "html": ("nonsense", 1, "else than JSON"),
    "not-json": ("nonsense", 1, "else than JSON"),
    "list": ("nonsense", 1, "no JSON object"),
    "nothing": ("nonsense", 1, "else than JSON"),
    "no-choices": ("nonsense", 1, "else than JSON"),
    "truncated": ("too_long", 1, "cut off"),
    "refusal": ("declined", 1, "declined"),
    "filtered": ("declined", 1, "declined"),
    "huge": ("nonsense", 1, "more than 2000000 bytes"),
}


@pytest.mark.parametrize("behaviour", BAD)
async def test_a_bad_day(behaviour: str) -> None:
    reason, attempts, message = BAD[behaviour]
    limit = 0.2 if reason == "timeout" else 20.0
    async with chat_server(behaviour) as service:
        with capture_logs() as logged, pytest.raises(Unanswered, match=message) as raised:
            await answer(service, chat_time_limit=limit)
        assert len(service.asked) == attempts
    assert raised.value.reason == reason
    assert logged[-1]["event"] == "chat_unanswered"
    told = f"{raised.value} {logged}"
    assert not any(each in told for each in (KEY, "127.0.0.1", "secret", "srv", "rain"))
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(
    ("behaviour", "waited"), [("429-once", [3.0]), ("500-once", [0.5]), ("dropped-once", [0.5])]
)
async def test_what_passes_is_tried_again(behaviour: str, waited: list[float]) -> None:
    waits = Waits()
    async with chat_server(behaviour) as service:
        got = await answer(service, waits=waits)
        assert len(service.asked) == 2
    assert got.content == b'{"answer":"yes"}'
    assert waits == waited


async def test_waits_grow_and_end() -> None:
    waits = Waits()
    async with chat_server("500") as service:
        with pytest.raises(Unanswered):
            await answer(service, waits=waits)
    assert waits == [0.5, 2.0]


async def test_all_attempts_together_have_one_limit() -> None:
    async with chat_server("500") as service:
        with pytest.raises(Unanswered) as raised:
            await answer(service, chat_time_limit=0.4)
        assert len(service.asked) == 1
    assert raised.value.reason == "server_error"


async def test_a_wait_may_be_told_as_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=8), usegmt=True)
    assert 5.0 < chat._told_wait(httpx2.Headers({"Retry-After": soon})) <= 8.0
    for told in ("", "soon", "-1", "1e9", "inf", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert chat._told_wait(httpx2.Headers({"Retry-After": told})) == 0.0


async def test_nobody_there() -> None:
    async with chat_server("good") as service:
        pass
    with pytest.raises(Unanswered) as raised:
        await answer(service)
    assert raised.value.reason == "unreachable"


async def test_who_cancels_is_obeyed() -> None:
    async with chat_server("hang") as service:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await answer(service)


async def test_nothing_compressed_is_unpacked() -> None:
    packed = Answered(gzip.compress(completion("{}")), headers={"Content-Encoding": "gzip"})
    async with chat_server(lambda _: packed) as service:
        with pytest.raises(Unanswered) as raised:
            await answer(service)
    assert raised.value.reason == "nonsense"


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
async def test_nonsense(body: bytes) -> None:
    async with chat_server(lambda _: Answered(body)) as service:
        with pytest.raises(Unanswered) as raised:
            await answer(service)
    assert raised.value.reason == "nonsense"


# ---- ways to ask


async def test_an_endpoint_without_schemas_is_told_the_schema() -> None:
    async with (
        chat_server("no-schema") as service,
        Chat.open(settings(service.url)) as opened,
    ):
        assert opened is not None
        for _ in range(2):
            assert (await opened.ask(QUESTION)).content == b'{"answer":"yes"}'
    assert [each.format for each in service.asked] == ["json_schema", "json_object", "json_object"]
    plain = service.asked[-1]
    assert plain.instructions.startswith(QUESTION.instructions)
    assert msgspec.json.encode(SCHEMA).decode() in plain.instructions
    assert plain.data == QUESTION.data


async def test_a_model_that_knows_other_parameters_is_asked_with_those() -> None:
    async with (
        chat_server("reasons") as service,
        Chat.open(settings(service.url)) as opened,
    ):
        assert opened is not None
        for _ in range(2):
            await opened.ask(QUESTION)
    assert len(service.asked) == 4
    last = service.asked[-1].body
    assert last["max_completion_tokens"] == 50
    assert not last.keys() & {"max_tokens", "temperature", "seed"}
    assert last["response_format"]["type"] == "json_schema"


async def test_an_endpoint_that_knows_no_way_is_not_asked_for_ever() -> None:
    def refuse(_: Asked) -> Answered:
        return refusal(400, "response_format, temperature and seed are not supported; max_tokens")

    async with chat_server(refuse) as service:
        with pytest.raises(Unanswered, match="HTTP 400"):
            await answer(service)
        assert len(service.asked) == 3


# ---- budgets and costs


async def test_too_large_a_question_is_not_sent() -> None:
    async with chat_server("good") as service:
        with pytest.raises(Unanswered, match="GATEWAY_CHAT_INPUT_TOKENS is 100") as raised:
            await answer(
                service, msgspec.structs.replace(QUESTION, data="a" * 400), chat_input_tokens=100
            )
        assert service.asked == []
    assert raised.value.reason == "over_budget"


async def test_the_operator_limits_the_answer() -> None:
    async with chat_server("good") as service:
        await answer(service, chat_output_tokens=7)
    assert service.asked[0].body["max_tokens"] == 7


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("a", 1), ("four", 1), ("fives", 2), ("日本語", 3), ("naïve", 2)]
)
def test_tokens_are_estimated(text: str, count: int) -> None:
    assert tokens(text) == count


async def test_the_price_is_counted() -> None:
    async with chat_server("good") as service:
        got = await answer(service, chat_input_price=2.5, chat_output_price=10.0)
    assert got.spent.cost == Decimal("0.00334")


@pytest.mark.parametrize("behaviour", ["truncated", "refusal", "not-json"])
async def test_what_a_useless_answer_costs_is_counted(behaviour: str) -> None:
    async with chat_server(behaviour) as service:
        with pytest.raises(Unanswered) as raised:
            await answer(service, chat_input_price=1.0)
    assert raised.value.spent.prompt_tokens == 1200
    assert raised.value.spent.cost == Decimal("0.0012")


async def test_what_is_not_told_is_estimated() -> None:
    async with chat_server("no-usage") as service:
        got = await answer(service)
    assert 20 < got.spent.prompt_tokens < 60
    assert got.spent.completion_tokens == 4

    def boasts(_: Asked) -> Answered:
        return Answered(completion("{}").replace(b":1200", b":-1200"))

    async with chat_server(boasts) as service:
        assert (await answer(service)).spent.prompt_tokens == got.spent.prompt_tokens


async def test_the_models_name_is_clean() -> None:
    def named(_: Asked) -> Answered:
        return Answered(completion("{}", model=" a\x00\n" + "b" * 200))

    async with chat_server(named) as service:
        assert (await answer(service)).model == "a " + "b" * 98


def test_every_behaviour_has_its_day() -> None:
    tried = {"good", "429-once", "500-once", "dropped-once", "no-usage", "no-schema", "reasons"}
    # What comes of these is another's to tell.
    others = {"injected", "wrong-shape"}
    assert tried | others | BAD.keys() == BEHAVIOURS.keys()
    assert {reason for reason, _, _ in BAD.values()} | {"over_budget"} == {*REASONS}
