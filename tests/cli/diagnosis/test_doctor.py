"""`gateway doctor` and the values of `gateway settings`."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from gateway.cli.diagnosis.effective_settings import mask
from gateway.cli.diagnosis.findings import clock_finding
from tests.cli.gateway_command import Gateway
from tests.stack import Stack, free_port

Findings = Mapping[str, Mapping[str, str]]


@pytest.fixture
def stack_environment(stack: Stack) -> dict[str, str]:
    return {"GATEWAY_PORT": str(stack.port)}


async def _diagnose(gateway: Gateway, code: int, **changes: str | None) -> Findings:
    result = await gateway("doctor", "--json", **changes)
    assert result.code == code, result.out + result.err
    return {finding["check"]: finding for finding in json.loads(result.out)}


async def test_a_healthy_deployment_has_no_error(
    gateway: Gateway, stack_environment: dict[str, str]
) -> None:
    findings = await _diagnose(gateway, 0, **stack_environment)
    for check in (
        *("settings", "versions", "PostgreSQL", "extensions", "schema", "workers"),
        *("clock of PostgreSQL", "Redis", "clock of Redis", "object store", "API"),
    ):
        assert findings[check]["status"] == "ok", findings[check]
    assert findings["speech to text"]["status"] == "off"
    text = await gateway("doctor", **stack_environment)
    assert text.code == 0
    assert "PostgreSQL" in text.out


async def test_servers_that_do_not_answer_are_errors_with_a_remedy(
    gateway: Gateway, tmp_path: Path
) -> None:
    file = tmp_path / "a-file"
    file.touch()
    findings = await _diagnose(
        gateway,
        1,
        DATABASE_URL=f"postgresql://gateway:hunter2@127.0.0.1:{free_port()}/gateway",
        REDIS_URL=f"redis://:hunter2@127.0.0.1:{free_port()}/0",
        BLOB_URL=(file / "blobs").as_uri(),
        GATEWAY_PORT=str(free_port()),
        GATEWAY_SPEECH_URL=f"http://127.0.0.1:{free_port()}/v1",
    )
    for check in ("PostgreSQL", "Redis", "object store", "API"):
        assert findings[check]["status"] == "error"
        assert findings[check]["remedy"]
    # Without it no request fails.
    assert findings["speech to text"]["status"] == "warning"
    assert "hunter2" not in str(findings)


@pytest.fixture
async def silent_server() -> AsyncIterator[int]:
    """Port of a server that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def test_silent_servers_do_not_block_the_checks(gateway: Gateway, silent_server: int) -> None:
    findings = await _diagnose(
        gateway, 1, REDIS_URL=f"redis://127.0.0.1:{silent_server}/0", GATEWAY_PORT=str(free_port())
    )
    assert findings["Redis"]["status"] == "error"
    assert findings["PostgreSQL"]["status"] == "ok"


async def test_an_old_schema_names_the_command(gateway: Gateway, stack: Stack) -> None:
    server = await asyncpg.connect(stack.database_url)
    try:
        await server.execute("create database doctor_empty")
        url = stack.database_url.replace("/gateway?", "/doctor_empty?")
        assert url != stack.database_url
        findings = await _diagnose(gateway, 1, DATABASE_URL=url)
        assert "gateway migrate" in findings["schema"]["detail"]
        assert findings["extensions"]["status"] == "error"
    finally:
        await server.execute("drop database doctor_empty with (force)")
        await server.close()


async def test_a_wrong_setting_is_reported_with_the_checks_that_need_none(gateway: Gateway) -> None:
    findings = await _diagnose(gateway, 1, GATEWAY_PORT="http")
    assert "GATEWAY_PORT" in findings["settings"]["detail"]
    assert findings["versions"]["status"] == "ok"
    missing = await _diagnose(gateway, 1, DATABASE_URL=None)
    assert "DATABASE_URL" in missing["settings"]["detail"]


def test_clocks_that_differ_by_more_than_two_seconds_are_reported() -> None:
    assert clock_finding("clock", "PostgreSQL", 1.9, 0.0).status == "ok"
    ahead = clock_finding("clock", "PostgreSQL", 61.0, 0.1)
    assert ahead.status == "warning"
    assert "61 s ahead of" in ahead.detail
    assert "behind" in clock_finding("clock", "PostgreSQL", -61.0, 0.1).detail
    # A slow answer proves nothing about the clocks.
    assert clock_finding("clock", "PostgreSQL", 4.0, 5.0).status == "ok"


async def test_settings_have_value_and_origin_with_masked_secrets(
    gateway: Gateway, stack: Stack
) -> None:
    changes = {
        "DATABASE_URL": "postgresql://gateway:hunter2@db.example/gateway",
        "GATEWAY_CHAT_KEY": "hunter2",
        "GATEWAY_PORT": "9000",
        "GATEWAY_HOST": " ",
    }
    json_result, table = await asyncio.gather(
        gateway("settings", "--json", **changes), gateway("settings", **changes)
    )
    listed = {setting["name"]: setting for setting in json_result.json()}
    assert listed["GATEWAY_PORT"]["value"] == "9000"
    assert listed["GATEWAY_PORT"]["origin"] == "environment"
    assert listed["GATEWAY_HOST"]["origin"] == "default"
    assert listed["DATABASE_URL"]["value"] == "postgresql://gateway:***@db.example/gateway"
    assert listed["GATEWAY_CHAT_KEY"]["value"] == "***"
    assert listed["BLOB_URL"]["value"] == stack.urls["BLOB_URL"]
    assert "hunter2" not in json_result.out + table.out
    missing = (await gateway("settings", "--json", DATABASE_URL=None)).json()
    assert missing[0]["value"] is None
    assert missing[0]["origin"] == "missing"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("DATABASE_URL", "postgresql://a:s3cret@h/d", "postgresql://a:***@h/d"),
        ("DATABASE_URL", "postgresql://a:s3:cr@et@h/d", "postgresql://a:***@h/d"),
        ("DATABASE_URL", "postgresql://a@h/d?password=s3cret", "postgresql://a@h/d?password=***"),
        ("DATABASE_URL", "postgresql://h:5432/d", "postgresql://h:5432/d"),
        ("DATABASE_URL", "s3cret", "***"),
        ("DATABASE_URL", "postgresql://a:s3#cret@h/d", "***"),
        ("DATABASE_URL", "postgresql://a:12/s3cret@h/d", "***"),
        ("DATABASE_URL", "postgresql://a:12?s3cret@h/d", "***"),
        ("DATABASE_URL", "postgresql://a:12#s3cret@h/d", "***"),
        ("REDIS_URL", "redis://:s3cret@h:6379/0", "redis://:***@h:6379/0"),
        ("REDIS_URL", "unix:///socket?db=0", "unix:///socket?db=0"),
        ("GATEWAY_SPEECH_KEY", "s3cret", "***"),
        ("GATEWAY_SPEECH_KEY", "", ""),
        ("GATEWAY_HOST", "h", "h"),
    ],
)
def test_secrets_are_masked(name: str, value: str, shown: str) -> None:
    assert mask(name, value) == shown
