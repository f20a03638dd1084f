"""`gateway demo`: the bundled examples through the public API, and the insights they give."""

import time
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

EXAMPLES = Path(__file__).parents[2] / "examples"

# Seconds for which the analysis of everything is waited for.
_PATIENCE = 120.0

# Seconds to wait at most where a limit of the key is reached: the shortest window.
_LONGEST_WAIT = 60

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
    try:
        with _Api(base_url, key, console) as api:
            found = _push(api, listed, console)
            for example, signal in zip(listed, found, strict=True):
                _show(api, example, signal, console)
    except httpx.TransportError as error:
        raise DemoError(f"the API at {base_url} does not answer: {error}") from None
    except (httpx.InvalidURL, UnicodeEncodeError):
        raise DemoError(f"{base_url!r} is no URL, or the key is no key") from None


class _Api:
    """The public API, for one key; when a limit of the key is reached it waits and says so."""

    def __init__(self, base_url: str, key: str, console: Console) -> None:
        self._client = httpx.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {key}"}, timeout=30
        )
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def get(self, path: str) -> Any:
        return self._answer("GET", path, None)

    def post(self, path: str, body: dict[str, str]) -> Any:
        return self._answer("POST", path, body)

    def _answer(self, method: str, path: str, body: dict[str, str] | None) -> Any:
        """The decoded answer; DemoError says what the API refused."""
        while True:
            response = self._client.request(method, f"/external/v1/{path}", json=body)
            wait = response.headers.get("retry-after", "")
            if response.status_code != 429 or not wait.isdigit() or int(wait) > _LONGEST_WAIT:
                return _decoded(response)
            self._console.print(Text(f"The key's limit is reached: {wait} s to wait", style="dim"))
            time.sleep(max(int(wait), 1))


def _decoded(response: httpx.Response) -> Any:
    try:
        answer = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DemoError(
            f"{response.url} answered {response.status_code} without JSON: is it the gateway?"
        ) from None
    if not response.is_success:
        said = answer.get("detail") if isinstance(answer, dict) else None
        raise DemoError(f"the API refused: {response.status_code} {said or ''}".rstrip())
    return answer


def _push(api: _Api, listed: list[Example], console: Console) -> list[dict[str, Any]]:
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
            sent.append(api.post("signals", body))
            progress.advance(sending)
        reading = progress.add_task("Analysing", total=len(listed))
        deadline = time.monotonic() + _PATIENCE
        return [
            _wait(api, each["id"], deadline, lambda: progress.advance(reading)) for each in sent
        ]


def _wait(api: _Api, signal_id: str, deadline: float, done: Any) -> dict[str, Any]:
    while True:
        signal: dict[str, Any] = api.get(f"signals/{signal_id}")
        if signal["status"] in ("processed", "failed"):
            done()
            return signal
        if time.monotonic() > deadline:
            raise DemoError("the analysis does not come to an end: is a worker running?")
        time.sleep(0.1)


def _show(api: _Api, example: Example, signal: dict[str, Any], console: Console) -> None:
    console.print()
    heading = Text(f"{signal['publicId']}  {signal['name']}", style="bold")
    heading.append(f"  {_MARKS.get(example.signal_type, example.signal_type)}", style="dim")
    console.print(heading)
    if signal["status"] == "failed":
        console.print(Text(f"  failed: {signal['processing']['lastError']}", style="red"))
    elif not signal["insightIds"]:
        console.print(Text("  no insights", style="dim"))
    for insight_id in signal["insightIds"]:
        insight = api.get(f"insights/{insight_id}")
        console.print(Text(f"  • {insight['name']}", style="cyan"))
        evidence = api.get(f"insights/{insight_id}/evidence")
        for quote in evidence:
            said = Text(f"      “{' '.join(quote['quote'].split())}”")
            if "speaker" in quote:
                said.append(f" — {quote['speaker']}", style="dim")
            console.print(said)
