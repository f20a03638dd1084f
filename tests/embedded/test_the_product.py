"""`gateway up` with everything real: servers, migrations, API, worker, demo key."""

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE = 60.0


@contextlib.contextmanager
def _up(data: Path) -> Iterator[tuple[subprocess.Popen[str], list[str], str]]:
    """The process, what it printed before READY, and the base URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "up", "--data", str(data), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.endswith("_URL")},
    )
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)

    reader = threading.Thread(target=read)
    reader.start()
    printed: list[str] = []
    try:
        while not (ready := re.fullmatch(r"READY (\S+)\n", printed[-1] if printed else "")):
            printed.append(lines.get(timeout=PATIENCE))
        yield process, printed, ready[1]
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        reader.join()
        process.stdout.close()


def _call(url: str, key: str | None = None, body: Any = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - our own server
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={} if key is None else {"Authorization": f"Bearer {key}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def test_from_nothing_to_insights_and_again_after_a_kill(tmp_path: Path) -> None:
    with _up(tmp_path) as (process, printed, base):
        keys = re.findall(r"sk_live_\w{32,}", "".join(printed))
        assert len(keys) == 1
        assert f"{base}/reference" in "".join(printed)
        text = "The export fails every morning."
        body = {"text": text, "signalType": "review"}
        created = _call(f"{base}/external/v1/signals", keys[0], body)
        signal_url = f"{base}/external/v1/signals/{created['id']}"
        deadline = time.monotonic() + PATIENCE
        while (found := _call(signal_url, keys[0]))["status"] == "processing":
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert found["insightIds"]
        assert _call(f"{base}/health")["status"] == "ok"
        process.kill()
        process.wait(PATIENCE)
    with _up(tmp_path) as (process, printed, base):
        # The key was shown once; now it says how to make another, and the data is there.
        assert "sk_live_" not in "".join(printed)
        assert "keys create" in "".join(printed)
        again = _call(f"{base}/external/v1/signals/{created['id']}", keys[0])
        assert again["insightIds"] == found["insightIds"]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert not (tmp_path / "run.json").exists()
