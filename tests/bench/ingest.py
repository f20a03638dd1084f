"""`make bench`: latency of creating, reading and processing signals, on durable servers."""

import statistics
import time
from typing import Any

from tests.bench.harness import report, run, time_requests
from tests.stack import Stack, new_tenant

WORDS = (
    "So the export fails every morning and we have to start it again. I would love a button. "
    "Well, the dashboard is nice and my team looks at it each day. How do you plan the quarter? "
)
ROUNDS = 500


def _report(label: str, milliseconds: list[float]) -> None:
    p95 = sorted(milliseconds)[min(len(milliseconds) - 1, len(milliseconds) * 95 // 100)]
    report(f"{label:<48} p50 {statistics.median(milliseconds):7.1f} ms   p95 {p95:7.1f} ms")


async def _measure(stack: Stack) -> None:
    async with new_tenant(stack) as caller:

        async def measure(
            label: str,
            method: str,
            path: str,
            body: object = None,
            rounds: int = 10,
            warm_up: int = 0,
        ) -> Any:
            response, milliseconds = await time_requests(
                caller, method, path, body, rounds=rounds, warm_up=warm_up
            )
            _report(label, milliseconds)
            return response.json()

        signals = "/external/v1/signals"
        body = {"text": WORDS, "signalType": "review"}
        label = "POST /external/v1/signals, one at a time"
        signal = await measure(label, "POST", signals, body, ROUNDS, warm_up=30)
        path = f"{signals}/{signal['id']}"
        await measure("GET /external/v1/signals/:id", "GET", path, rounds=ROUNDS)
        path = f"{signals}?limit=50"
        await measure("GET /external/v1/signals?limit=50", "GET", path, rounds=ROUNDS // 5)
        await caller.wait_until_processed(signal["id"])

        long = _transcript(10_000)
        transcript = {"transcript": long}
        label = "POST process-transcript, 10,000 words"
        path = "/external/v1/insights/process-transcript/insights"
        await measure(f"{label}, the first", "POST", path, transcript, rounds=1)
        await measure(label, "POST", path, transcript)
        stored = transcript | {"createInsights": True}
        await measure("the same with createInsights", "POST", path, stored)

        for label, text in (("36 words", WORDS), ("10,000 words", long)):
            milliseconds: list[float] = []
            for _ in range(10):
                started = time.perf_counter()
                created = await caller.create_signal(text, signalType="transcript")
                await caller.wait_until_processed(created["id"])
                milliseconds.append((time.perf_counter() - started) * 1000)
            _report(f"POST until processed, {label}", milliseconds)


def _transcript(words: int) -> str:
    sentences = [part.strip() for part in WORDS.replace("?", ".").split(".") if part.strip()]
    lines: list[str] = []
    count = 0
    while count < words:
        sentence = sentences[len(lines) % len(sentences)]
        lines.append(f"[00:{len(lines) // 60 % 60:02}:{len(lines) % 60:02}] Ann: {sentence}.")
        count += len(sentence.split())
    return "\n".join(lines)


if __name__ == "__main__":
    run(_measure, durable=True)
