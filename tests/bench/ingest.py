"""`make bench`: latency of creating, reading and processing signals.

Prints figures without pass or fail. Uses its own durable servers.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from tests.stack import Stack, Tenant, new_tenant, running_stack

WORDS = (
    "So the export fails every morning and we have to start it again. I would love a button. "
    "Well, the dashboard is nice and my team looks at it each day. How do you plan the quarter? "
)
ROUNDS = 500


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _show(label: str, seconds: list[float]) -> None:
    ms = [value * 1000 for value in seconds]
    print(  # noqa: T201
        f"{label:<48} p50 {statistics.median(ms):7.1f} ms   p95 {_percentile(ms, 95):7.1f} ms"
    )


async def _timed(caller: Tenant, method: str, path: str, body: object = None) -> float:
    started = time.perf_counter()
    answer = await caller.http.request(method, path, json=body)
    assert answer.is_success, answer.text
    return time.perf_counter() - started


async def _measure(stack: Stack) -> None:
    signals = "/external/v1/signals"
    body = {"text": WORDS, "signalType": "review"}
    async with new_tenant(stack) as caller:
        for _ in range(30):
            await _timed(caller, "POST", signals, body)
        posts = [await _timed(caller, "POST", signals, body) for _ in range(ROUNDS)]
        _show("POST /external/v1/signals, one at a time", posts)
        one = (await caller.http.get(signals)).json()[0]["id"]
        gets = [await _timed(caller, "GET", f"{signals}/{one}") for _ in range(ROUNDS)]
        _show("GET /external/v1/signals/:id", gets)
        lists = [await _timed(caller, "GET", f"{signals}?limit=50") for _ in range(ROUNDS // 5)]
        _show("GET /external/v1/signals?limit=50", lists)
        await caller.wait_until_processed((await caller.http.get(signals)).json()[0]["id"])

        transcript = {"transcript": _transcript(10_000)}
        path = "/external/v1/insights/process-transcript/insights"
        first = [await _timed(caller, "POST", path, transcript)]
        _show("POST process-transcript, 10,000 words, the first", first)
        calls = [await _timed(caller, "POST", path, transcript) for _ in range(10)]
        _show("POST process-transcript, 10,000 words", calls)
        kept = transcript | {"createInsights": True}
        stored = [await _timed(caller, "POST", path, kept) for _ in range(10)]
        _show("the same with createInsights", stored)

        short: list[float] = []
        long: list[float] = []
        for text, times in ((WORDS, short), (_transcript(10_000), long)):
            for _ in range(10):
                started = time.perf_counter()
                created = await caller.create_signal(text, signalType="transcript")
                await caller.wait_until_processed(created["id"])
                times.append(time.perf_counter() - started)
        _show("POST until processed, 36 words", short)
        _show("POST until processed, 10,000 words", long)


def _transcript(words: int) -> str:
    sentences = [each.strip() for each in WORDS.replace("?", ".").split(".") if each.strip()]
    lines: list[str] = []
    count = 0
    while count < words:
        sentence = sentences[len(lines) % len(sentences)]
        lines.append(f"[00:{len(lines) // 60 % 60:02}:{len(lines) % 60:02}] Ann: {sentence}.")
        count += len(sentence.split())
    return "\n".join(lines)


def main() -> None:
    """Measure and print a line for each figure."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(Path(folder), durable=True) as stack,
    ):
        asyncio.run(_measure(stack))


if __name__ == "__main__":
    main()
