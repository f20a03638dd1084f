"""Speed of the engine on one core: start-up, a long transcript, a review."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document, Profile

_WORDS = 10_000
_READY = (
    "from domains.intelligence.engine import analyse\n"
    "from domains.intelligence.findings import Document\n"
)
_FIRST = f"{_READY}analyse(Document(text='The export is slow.', profile='survey_response'))\n"


def figures(transcript: str, review: str) -> dict[str, float]:
    """Measure the start-up and the analyses of 10,000 transcript words and of one review.

    A transcript with fewer words is repeated.
    """
    words = transcript.split(" ")
    long = " ".join((words * (_WORDS // len(words) + 1))[:_WORDS])
    return {
        "ready, s": _start_up(_READY),
        "first findings, s": _start_up(_FIRST),
        "10,000 words, ms": 1000 * _median(lambda: _analyse(long, "transcript"), 7),
        "one review, ms": 1000 * _median(lambda: _analyse(review, "survey_response"), 200),
    }


def _analyse(text: str, profile: Profile) -> None:
    analyse(Document(text=text, profile=profile))


def _start_up(program: str) -> float:
    """Return the seconds that a program takes in a new process, minus the start of Python itself.

    The sentence encoder is loaded for the first findings.
    """
    return _median(lambda: _run_python(program), 5) - _median(lambda: _run_python("pass"), 5)


def _run_python(program: str) -> None:
    one_core = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", program], check=True, env=one_core)


def _median(function: Callable[[], None], times: int) -> float:
    """Median seconds of `times` calls, after one call that is not measured."""
    function()
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)
