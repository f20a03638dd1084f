"""`gateway demo`: the bundled examples through the public API, and the insights they give."""

import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

EXAMPLES = Path(__file__).parent.parent / "examples"

# Seconds for which the analysis of everything is waited for.
_PATIENCE = 120.0

_MARKS = {"transcript": "call", "support_ticket": "ticket", "review": "review"}


class DemoError(Exception):
    """The demonstration cannot go on; the message says why."""


class Example(msgspec.Struct, rename="camel", omit_defaults=True):
    """A line of examples/index.json."""

    file: str
    name: str
    signal_type: str
    additional_context: str = ""


def run(base_url: str, key: str, console: Console) -> None:
    """Push every example, wait for its analysis, print the insights with their quotes."""
    try:
        listed = msgspec.json.decode((EXAMPLES / "index.json").read_bytes(), type=list[Example])
    except FileNotFoundError:
        raise DemoError(f"the examples are not at {EXAMPLES}: run this from a clone") from None
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=base_url, headers=headers, timeout=30) as client:
        try:
            found = _push(client, listed, console)
            for example, signal in zip(listed, found, strict=True):
                _show(client, example, signal, console)
        except httpx.TransportError as error:
            raise DemoError(f"the API at {base_url} does not answer: {error}") from None


def _push(client: httpx.Client, listed: list[Example], console: Console) -> list[dict[str, Any]]:
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console
    )
    with progress:
        sending = progress.add_task("Sending ", total=len(listed))
        sent = []
        for example in listed:
            body = {
                "name": example.name,
                "text": (EXAMPLES / example.file).read_text(encoding="utf-8"),
                "signalType": example.signal_type,
            }
            if example.additional_context:
                body["additionalContext"] = example.additional_context
            sent.append(_checked(client.post("/external/v1/signals", json=body)))
            progress.advance(sending)
        reading = progress.add_task("Analysing", total=len(listed))
        deadline = time.monotonic() + _PATIENCE
        return [
            _wait(client, each["id"], deadline, lambda: progress.advance(reading)) for each in sent
        ]


def _wait(client: httpx.Client, signal_id: str, deadline: float, done: Any) -> dict[str, Any]:
    while True:
        signal: dict[str, Any] = _checked(client.get(f"/external/v1/signals/{signal_id}"))
        if signal["status"] in ("processed", "failed"):
            done()
            return signal
        if time.monotonic() > deadline:
            raise DemoError("the analysis does not come to an end: is a worker running?")
        time.sleep(0.1)


def _show(client: httpx.Client, example: Example, signal: dict[str, Any], console: Console) -> None:
    console.print()
    heading = Text(f"{signal['publicId']}  {signal['name']}", style="bold")
    heading.append(f"  {_MARKS.get(example.signal_type, example.signal_type)}", style="dim")
    console.print(heading)
    if signal["status"] == "failed":
        console.print(Text(f"  failed: {signal['processing']['lastError']}", style="red"))
    elif not signal["insightIds"]:
        console.print(Text("  no insights", style="dim"))
    for insight_id in signal["insightIds"]:
        insight = _checked(client.get(f"/external/v1/insights/{insight_id}"))
        console.print(Text(f"  • {insight['name']}", style="cyan"))
        evidence = _checked(client.get(f"/external/v1/insights/{insight_id}/evidence"))
        for quote in evidence:
            said = Text(f"      “{' '.join(quote['quote'].split())}”")
            if "speaker" in quote:
                said.append(f" — {quote['speaker']}", style="dim")
            console.print(said)


def _checked(response: httpx.Response) -> Any:
    if response.is_error:
        problem = response.json()
        raise DemoError(f"the API refused: {response.status_code} {problem.get('detail')}")
    return response.json()
