"""Every command that prints a result prints it as JSON with --json."""

import json
from collections.abc import Iterator
from typing import Any, Final

import click

from gateway.cli.main import cli
from tests.cli.gateway_command import Gateway
from tests.stack import Stack

# Commands that run until they are stopped, and the one whose result is JSON anyway.
WITHOUT_RESULT: Final = {"up", "serve", "work", "openapi"}


def _commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, *path, name)
        else:
            yield " ".join((*path, name)), command


def test_every_command_that_prints_a_result_takes_json() -> None:
    commands = dict(_commands(cli))
    assert commands.keys() > WITHOUT_RESULT
    without = {
        name
        for name, command in commands.items()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == WITHOUT_RESULT


async def test_results_that_were_sentences_are_json(
    gateway: Gateway, workspace: Any, stack: Stack
) -> None:
    assert (await gateway("migrate", "--json")).json().keys() == {"revision"}
    create = ("keys", "create", "--workspace", workspace["id"], "--scope", "all", "--json")
    key = (await gateway(*create, "--limit-per-minute", "none")).json()
    # With a key, so that the workspace of the demo stays as other tests expect it.
    demo = await gateway("demo", "--url", stack.base_url, "--key", key["key"], "--json")
    assert demo.code == 0, demo.err
    results = json.loads(demo.out)
    assert all(result["signal"]["status"] == "processed" for result in results)
    revoked = (await gateway("keys", "revoke", key["id"], "--json")).json()
    assert revoked["id"] == key["id"]
    assert revoked["revokedAt"]
    assert any(insight["evidence"] for result in results for insight in result["insights"])
