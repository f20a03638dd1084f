"""Memory of the API process: over many requests, and while it handles bodies of 10 MB.

Without its child processes: the one that analyses texts loads a model.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx

from tests.bench import wrk
from tests.bench.growth.measures import Measure
from tests.bench.harness import report
from tests.bench.processes import (
    peak_resident_bytes,
    proportional_bytes,
    reset_peak,
    resident_bytes,
)
from tests.bench.request_path.documents import SENTENCES, Documents, encoded
from tests.bench.request_path.seeds import Seeded, seed
from tests.bench.request_path.servers import OURS
from tests.bench.wrk import Load, Server
from tests.stack import Stack, Tenant, new_tenant

Body = dict[str, Any]

BODY_BYTES: Final = 10_000_000

# Requests after which memory is measured first: caches and pools are full.
_WARM_REQUESTS: Final = 20_000
_MAX_GROWTH: Final = 1.05
_MAX_PER_BYTE: Final = 3.0
_RECORDS: Final = 10_000
_MIB: Final = 2**20


async def measure_requests(stack: Stack, requests: int) -> list[Measure]:
    """Growth of memory from the request number 20,000 to the last. Flat: at most 5 % more.

    Lists, single rows, new rows and new signals take turns.
    """
    async with new_tenant(stack) as caller:
        seeded = await seed(stack, caller, _RECORDS, ("rows", "insights"))
        loads = _loads(stack, caller, seeded)
        server = Server(OURS, stack.base_url, stack.api.pid)
        postgres = stack.postgres.pid()
        assert postgres is not None
        warm_up = min(_WARM_REQUESTS, requests // 5)
        sent = 0
        sizes: list[int] = []
        for load in itertools.cycle(loads):
            sent += (await asyncio.to_thread(wrk.run, server, postgres, load, 1)).requests
            goal = requests if sizes else warm_up
            if sent >= goal:
                sizes.append(proportional_bytes(stack.api.pid))
                report(f"{sent:,} requests: {sizes[-1] / _MIB:.1f} MiB")
            if len(sizes) == 2:
                break
    warm, last = sizes
    return [
        Measure(
            f"Memory of the API process after {requests:,} requests / after {warm_up:,}",
            round(last / warm, 3),
            "≤",
            _MAX_GROWTH,
            f"{warm / _MIB:.0f} and {last / _MIB:.0f} MiB (proportional set size)",
        )
    ]


def _loads(stack: Stack, caller: Tenant, seeded: Seeded) -> list[Load]:
    documents = Documents()
    bodies = {
        "rows": [documents.row_request(*seeded) for _ in range(50)],
        "signals": [documents.signal_request() for _ in range(50)],
    }
    files = {name: stack.folder / f"{name}.jsonl" for name in bodies}
    for name, listed in bodies.items():
        text = "".join(f"{encoded(body)}\n" for body in listed)
        files[name].write_text(text, encoding="utf-8")
    row = _get(stack, caller, "/v1/rows?limit=1")["rows"][0]["rowId"]
    gets = ("/v1/rows?limit=50", f"/v1/rows/{row}", "/external/v1/insights?limit=50")
    return [
        *(Load(target, caller.key) for target in gets),
        Load("/v1/rows", caller.key, files["rows"]),
        Load("/external/v1/signals", caller.key, files["signals"]),
    ]


def _get(stack: Stack, caller: Tenant, path: str) -> Any:
    headers = {"Authorization": f"Bearer {caller.key}"}
    return httpx.get(stack.base_url + path, headers=headers).json()


async def measure_bodies(stack: Stack) -> list[Measure]:
    """Growth of the resident memory while a body of 10 MB is handled, as a multiple of its size.

    The API process is new for each body: memory that it kept from another one would hide growth.
    """
    async with new_tenant(stack) as caller:
        seeded = await seed(stack, caller, 100)
        measures = []
        for name, (path, body) in _large_bodies(seeded).items():
            stack.api.stop()
            stack.start_api()
            growth = await _growth(stack.api.pid, caller, path, body)
            measures.append(
                Measure(
                    f"Memory for a body of 10 MB, POST {path}: {name}",
                    round(growth / BODY_BYTES, 2),
                    "≤",
                    _MAX_PER_BYTE,
                    f"{growth / _MIB:.0f} MiB at the peak",
                )
            )
            report(str(measures[-1]))
    return measures


async def _growth(api: int, caller: Tenant, path: str, body: bytes) -> int:
    # Connect, authenticate, and load what the handler loads at its first request.
    await caller.http.post(path, content=b"{}", headers={"Content-Type": "application/json"})
    reset_peak(api)
    before = resident_bytes(api)
    response = await caller.http.post(
        path, content=body, headers={"Content-Type": "application/json"}, timeout=120
    )
    assert response.is_success, response.text[:500]
    return peak_resident_bytes(api) - before


def _large_bodies(seeded: Seeded) -> Mapping[str, tuple[str, bytes]]:
    """Path and body by a description. Each body has just less than 10 MB."""
    time = "2026-03-16T13:00:00Z"
    new_row = Documents().row_request(*seeded) | {"createdAt": time, "updatedAt": time}

    def text(sentences: list[str]) -> Body:
        return {"text": " ".join(sentences), "signalType": "review"}

    def many_records(sentences: list[str]) -> Body:
        records = [
            {"id": 7, "author": "Ana", "at": "2026-03-16", "tags": ["a", "b"], "body": sentence}
            for sentence in sentences
        ]
        return {"source": {"type": "crm"}, "data": {"records": records}}

    def long_field(sentences: list[str]) -> Body:
        note = {"value": " ".join(sentences), "fieldType": "textarea"}
        return new_row | {"fields": {"note": note}}

    def transcript(sentences: list[str]) -> Body:
        # Long paragraphs: a transcript has at most 10,000 parts.
        return {
            "id": "large",
            "sourceId": seeded.source,
            "createdAt": time,
            "startedAt": time,
            "participants": [{"id": "1", "name": "Ana Berg", "email": "ana@halden.example"}],
            "transcript": [
                {"text": sentence * 20, "speakerName": "Ana", "timestamp": time}
                for sentence in sentences
            ],
        }

    signals = "/external/v1/signals"
    ascii_sentences = [sentence for sentence in SENTENCES if sentence.isascii()]
    return {
        "a text in ASCII": (signals, _filled(text, ascii_sentences)),
        "a text with an emoji": (signals, _filled(text)),
        "many small records": (signals, _filled(many_records)),
        "a long field": ("/v1/rows", _filled(long_field)),
        "a transcript": ("/v1/conversations", _filled(transcript)),
    }


def _filled(body: Callable[[list[str]], Body], sentences: Sequence[str] = SENTENCES) -> bytes:
    """Encode a body with as many sentences as fit into 10 MB."""

    def encode(count: int) -> bytes:
        return encoded(body(list(itertools.islice(itertools.cycle(sentences), count)))).encode()

    sample = 1_000
    return encode(int(BODY_BYTES * 0.999 * sample / len(encode(sample))))
