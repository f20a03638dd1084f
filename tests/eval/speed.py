"""How fast the engine is on one core: from a fresh process to the first findings, and then."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document

_WORDS = 10_000
_FIRST = (
    "from domains.intelligence.engine import analyse\n"
    "from domains.intelligence.findings import Document\n"
    "analyse(Document(text='The export is slow.', profile='survey_response'))\n"
)


def figures(transcript: str, review: str) -> dict[str, float]:
    """Of a transcript as long as 10,000 words, and of one review."""
    words = transcript.split(" ")
    long = " ".join((words * (_WORDS // len(words) + 1))[:_WORDS])
    return {
        "ready, s": _ready(),
        "10,000 words, ms": 1000 * _median(lambda: _read(long, "transcript"), 7),
        "one review, ms": 1000 * _median(lambda: _read(review, "survey_response"), 200),
    }


def _read(text: str, profile: str) -> None:
    analyse(Document(text=text, profile=profile))  # type: ignore[arg-type]


def _ready() -> float:
    """Seconds that the engine adds to a Python that starts, until its first findings are there."""
    with_it = _median(lambda: _python(_FIRST), 5)
    return with_it - _median(lambda: _python("pass"), 5)


def _python(program: str) -> None:
    one_core = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", program], check=True, env=one_core)


def _median(act: Callable[[], None], times: int) -> float:
    act()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        act()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)
