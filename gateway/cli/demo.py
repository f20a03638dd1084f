"""`gateway demo`: push the bundled examples through the API and print the insights found."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import httpx
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from domains.kernel.tenancy.api_keys import UNLIMITED, Scope
from gateway.cli import admin, deployment
from gateway.cli.deployment import data_option, in_database
from gateway.cli.output import json_option, print_json, standard_output

EXAMPLES = Path(__file__).parents[2] / "examples"

# Seconds until all examples must have been analysed.
_ANALYSIS_TIMEOUT: Final = 120.0

# Maximum seconds to wait when the key's rate limit is reached: the shortest window.
_MAX_RETRY_AFTER: Final = 60

_SIGNAL_LABELS: Final = {"transcript": "call", "support_ticket": "ticket", "review": "review"}
_SCOPES: Final[list[Scope]] = ["signals:read", "signals:write", "insights:read"]


class DemoError(Exception):
    """The demo cannot continue. The message is for the operator."""


class Example(msgspec.Struct, rename="camel", omit_defaults=True):
    """An entry of examples/index.json."""

    file: str
    name: str
    signal_type: str
    additional_context: str = ""


@click.command("demo")
@click.option("--url", help="Base URL of the API. Default: the running `gateway up`.")
@click.option("--key", help="API key. Default: a new one, revoked at the end.")
@data_option
@json_option
def run_demo(url: str | None, key: str | None, data: Path, as_json: bool) -> None:
    """Push the bundled examples through the API and print the insights found."""
    base_url = url or (deployment.running(data) or {}).get("api_url")
    if not base_url:
        raise click.ClickException(
            f"nothing runs in {data}: start it with `gateway up`, or give --url and --key"
        )
    if key is not None:
        _run(base_url, key, as_json)
        return
    in_database(data, admin.create_demo_workspace)
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    created = in_database(
        data,
        lambda database: admin.create_key(
            *(database, admin.DEMO, _SCOPES),
            name="gateway demo",
            limits=UNLIMITED,
            expires_at=expires_at,
        ),
    )
    try:
        _run(base_url, created.key, as_json)
    finally:
        in_database(data, lambda database: admin.revoke_key(database, str(created.id)))


class Result(msgspec.Struct):
    """An example's signal and its insights, each with its evidence, as the API returns them."""

    signal: dict[str, Any]
    insights: list[dict[str, Any]]


def _run(base_url: str, key: str, as_json: bool) -> None:
    """Push all examples, wait until they are analysed, print the insights with their quotes."""
    console = Console(stderr=True) if as_json else standard_output()
    try:
        examples = msgspec.json.decode((EXAMPLES / "index.json").read_bytes(), type=list[Example])
    except FileNotFoundError:
        raise DemoError(f"the examples are not in {EXAMPLES}: run this from a clone") from None
    try:
        with httpx.Client(
            base_url=f"{base_url}/external/v1/",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        ) as client:
            api = partial(_request, client, console)
            signals = _push(api, examples, console)
            results = [Result(signal, _insights(api, signal)) for signal in signals]
    except httpx.TransportError as error:
        raise DemoError(f"the API at {base_url} does not answer: {error}") from None
    except (httpx.InvalidURL, UnicodeEncodeError):
        raise DemoError(f"Invalid URL {base_url!r}, or invalid characters in the key.") from None
    if as_json:
        print_json(results)
        return
    for example, result in zip(examples, results, strict=True):
        _print_insights(example, result, console)


def _request(
    client: httpx.Client, console: Console, method: str, path: str, body: Any = None
) -> Any:
    """Return the decoded response. Raises DemoError with the reason of an error response.

    Prints a notice and waits when the key's rate limit is reached.
    """
    while True:
        response = client.request(method, path, json=body)
        wait = response.headers.get("retry-after", "")
        if response.status_code != 429 or not wait.isdigit() or int(wait) > _MAX_RETRY_AFTER:
            return _decode(response)
        console.print(Text(f"The key's rate limit is reached, waiting {wait} s", style="dim"))
        time.sleep(max(int(wait), 1))


def _decode(response: httpx.Response) -> Any:
    try:
        content = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DemoError(
            f"{response.url} answered {response.status_code} without JSON: is it the gateway?"
        ) from None
    if not response.is_success:
        detail = content.get("detail") if isinstance(content, dict) else None
        raise DemoError(f"the API refused: {response.status_code} {detail or ''}".rstrip())
    return content


def _push(
    api: Callable[..., Any], examples: list[Example], console: Console
) -> list[dict[str, Any]]:
    """Create a signal for each example. Return the signals when they are analysed."""
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console
    )
    with progress:
        sending = progress.add_task("Sending ", total=len(examples))
        sent = []
        for example in examples:
            body = {
                "name": example.name,
                "text": (EXAMPLES / example.file).read_text(encoding="utf-8"),
                "signalType": example.signal_type,
            }
            if example.additional_context:
                body["additionalContext"] = example.additional_context
            sent.append(api("POST", "signals", body))
            progress.advance(sending)
        analysing = progress.add_task("Analysing", total=len(examples))
        deadline = time.monotonic() + _ANALYSIS_TIMEOUT
        return [
            _wait(api, signal["id"], deadline, lambda: progress.advance(analysing))
            for signal in sent
        ]


def _wait(
    api: Callable[..., Any], signal_id: str, deadline: float, done: Callable[[], None]
) -> dict[str, Any]:
    while True:
        signal: dict[str, Any] = api("GET", f"signals/{signal_id}")
        if signal["status"] in ("processed", "failed"):
            done()
            return signal
        if time.monotonic() > deadline:
            raise DemoError(
                f"the analysis is not finished after {_ANALYSIS_TIMEOUT:.0f} s:"
                " is a worker running?"
            )
        time.sleep(0.1)


def _insights(api: Callable[..., Any], signal: dict[str, Any]) -> list[dict[str, Any]]:
    """Get the insights of a signal, each with its evidence."""
    return [
        {
            **api("GET", f"insights/{insight_id}"),
            "evidence": api("GET", f"insights/{insight_id}/evidence"),
        }
        for insight_id in signal["insightIds"]
    ]


def _print_insights(example: Example, result: Result, console: Console) -> None:
    signal = result.signal
    console.print()
    heading = Text(f"{signal['publicId']}  {signal['name']}", style="bold")
    label = _SIGNAL_LABELS.get(example.signal_type, example.signal_type)
    heading.append(f"  {label}", style="dim")
    console.print(heading)
    if signal["status"] == "failed":
        console.print(Text(f"  failed: {signal['processing']['lastError']}", style="red"))
    elif not result.insights:
        console.print(Text("  no insights", style="dim"))
    for insight in result.insights:
        console.print(Text(f"  • {insight['name']}", style="cyan"))
        for evidence in insight["evidence"]:
            quote = Text(f"      “{' '.join(evidence['quote'].split())}”")
            if "speaker" in evidence:
                quote.append(f" — {evidence['speaker']}", style="dim")
            console.print(quote)
