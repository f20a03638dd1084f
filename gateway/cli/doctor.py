"""`gateway doctor`: check a deployment, and say what is wrong and what to do."""

import asyncio
import sys
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from domains.kernel.core.settings import SettingError, Settings, load_settings
from gateway.cli import deployment
from gateway.cli.deployment import data_option
from gateway.cli.diagnosis import machine
from gateway.cli.diagnosis.findings import Finding, error, has_error, ok
from gateway.cli.output import json_option, print_json, print_table

# Seconds for one server or endpoint to answer, and for all checks of one.
_ANSWER_TIMEOUT: Final = 5.0
_CHECK_TIMEOUT: Final = 20.0


@click.command()
@data_option
@json_option
def doctor(data: Path, as_json: bool) -> None:
    """Check the deployment: what is wrong, and what to do.

    Checks settings, versions, disks, clocks, servers, schema, workers, queues and endpoints from
    this machine. Changes nothing, but stores a small object and deletes it. The exit code is 1 if a
    check found an error.
    """
    findings = _diagnose(deployment.environment(data), data)
    if as_json:
        print_json(findings)
    else:
        _print(findings)
    if has_error(findings):
        sys.exit(1)


def _diagnose(environment: Mapping[str, str], data: Path) -> list[Finding]:
    findings = [machine.check_versions(), machine.check_encoders()]
    try:
        settings = load_settings(environment)
    except SettingError as problem:
        # The other checks need the settings.
        remedy = "correct it; `gateway settings` lists all. Or start everything with `gateway up`"
        return [error("settings", str(problem), remedy), *findings]
    return [
        ok("settings", "valid; `gateway settings` shows them"),
        *findings,
        machine.check_ffmpeg(settings),
        *machine.check_disks(settings, data),
        *asyncio.run(_check_servers(settings, environment, _api_url(settings, data))),
    ]


def _api_url(settings: Settings, data: Path) -> str:
    """URL of the API: the public one, or that of a running `gateway up`."""
    is_running = deployment.running(data)
    return settings.public_url or (is_running or {}).get("api_url") or settings.base_url


async def _check_servers(
    settings: Settings, environment: Mapping[str, str], api_url: str
) -> list[Finding]:
    # Here, because the other commands need no HTTP client and no client of Redis.
    from gateway.cli.diagnosis import endpoints, servers  # noqa: PLC0415

    checks: dict[str, Awaitable[Finding | Sequence[Finding]]] = {
        "PostgreSQL": servers.check_database(settings),
        "Redis": servers.check_redis(settings, _ANSWER_TIMEOUT),
        "object store": servers.check_object_store(settings, environment),
        "API": endpoints.check_api(api_url, _ANSWER_TIMEOUT),
        "endpoints": endpoints.check_models(settings, _ANSWER_TIMEOUT),
    }
    results = await asyncio.gather(*(_within(name, check) for name, check in checks.items()))
    return [finding for result in results for finding in result]


async def _within(name: str, check: Awaitable[Finding | Sequence[Finding]]) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT):
            result = await check
    except TimeoutError:
        remedy = "check the server and the network between it and this machine"
        return [error(name, f"did not answer within {_CHECK_TIMEOUT:.0f} s", remedy)]
    return [result] if isinstance(result, Finding) else result


def _print(findings: Sequence[Finding]) -> None:
    print_table(
        ("", "check", "result"),
        [(finding.status, finding.check, finding.detail) for finding in findings],
    )
    problems = [finding for finding in findings if finding.remedy]
    click.echo("")
    if not problems:
        click.echo("No problem was found.")
        return
    click.echo("To do:")
    for finding in problems:
        click.echo(f"- {finding.check}: {finding.remedy}.")
