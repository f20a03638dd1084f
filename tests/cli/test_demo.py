"""`gateway demo`."""

import asyncio
import json

from gateway.cli.demo import EXAMPLES
from tests.architecture.pages import Block, blocks_of, differences
from tests.cli.gateway_command import Gateway
from tests.conftest import MakeTenant
from tests.stack import Stack


async def test_demo_prints_the_insights_shown_in_the_readme_and_revokes_its_key(
    gateway: Gateway, stack: Stack, make_tenant: MakeTenant
) -> None:
    result = await gateway("demo", "--url", stack.base_url)
    assert result.code == 0, result.err
    for example in json.loads((EXAMPLES / "index.json").read_text()):
        assert example["name"] in result.out
    listed = (await gateway("keys", "list", "--json")).json()
    created = [key for key in listed if key["workspaceName"] == "Demo"]
    assert created
    assert all(key["revokedAt"] for key in created)
    demo = await make_tenant(workspace="Demo")
    insights = await demo.get("insights?limit=100")
    assert insights
    for insight in insights:
        assert f"• {insight['name']}" in result.out
    for evidence in await demo.get(f"insights/{insights[0]['id']}/evidence"):
        assert f"“{' '.join(evidence['quote'].split())}”" in result.out
    (shown,) = [block for block in blocks_of("README.md") if block.language == "console"]
    command, _, output = shown.text.partition("\n")
    assert command.endswith("gateway demo")
    assert differences(Block("text", output, shown.line), result.out) == []


async def test_demo_fails_with_the_reason(
    gateway: Gateway, stack: Stack, make_tenant: MakeTenant
) -> None:
    reader = await make_tenant(scopes=["signals:read"])
    for url, key, reason in (
        (stack.base_url, "sk_live_wrong", "401"),
        (stack.base_url, reader.key, "signals:write"),
        (stack.base_url, "ключ", "key"),
        ("nowhere", reader.key, "nowhere"),
        ("http://127.0.0.1:1", reader.key, "does not answer"),
    ):
        result = await gateway("demo", "--url", url, "--key", key)
        assert result.code == 1
        assert len(result.err.splitlines()) == 1
        assert reason in result.err


async def test_demo_recognises_a_server_that_is_not_the_gateway(gateway: Gateway) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        result = await gateway("demo", "--url", f"http://127.0.0.1:{port}", "--key", "sk_live_x")
    assert result.code == 1
    assert "is it the gateway?" in result.err
