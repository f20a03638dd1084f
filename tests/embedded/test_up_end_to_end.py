"""`gateway up` with the real API, worker and migrations, and the demo key."""

import contextlib
import json
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.embedded.processes import python, read_line, until

UP = """
import sys
from gateway.cli.main import main
sys.argv[1:] = ["up", "--port", "0", "--data", *sys.argv[1:]]
main()
"""


@contextlib.contextmanager
def _up(data: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Start `gateway up`. Yields the process, its output before READY, and the base URL."""
    with python(UP, data, *options, DATABASE_URL="", REDIS_URL="", BLOB_URL="") as process:
        printed: list[str] = []
        try:
            while not (ready := re.fullmatch(r"READY (\S+)", printed[-1] if printed else "")):
                printed.append(read_line(process))
            yield process, "\n".join(printed), ready[1]
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait()


def _call(url: str, key: str | None = None, body: Any = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - our own server
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={} if key is None else {"Authorization": f"Bearer {key}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def test_first_start_finds_insights_and_a_restart_after_a_kill_keeps_them(tmp_path: Path) -> None:
    with _up(tmp_path) as (process, printed, base):
        (key,) = re.findall(r"sk_live_\w{32,}", printed)
        assert f"{base}/reference" in printed
        body = {"text": "The export fails every morning.", "signalType": "review"}
        signal_url = f"{base}/external/v1/signals"
        signal_id = _call(signal_url, key, body)["id"]

        def processed() -> Any:
            created = _call(f"{signal_url}/{signal_id}", key)
            return None if created["status"] == "processing" else created

        # The demo key has a rate limit.
        insights = until(processed, pause=0.5)["insightIds"]
        assert insights
        assert _call(f"{base}/health")["status"] == "ok"
        process.kill()
        process.wait()
    with _up(tmp_path, "--api-processes", "2") as (process, printed, base):
        log = tmp_path / "logs" / "api.log"
        # One process before the restart, two after it.
        until(lambda: log.read_text().count("server_started") == 1 + 2)
        # The key cannot be shown again. The output has the command that creates another one.
        assert "sk_live_" not in printed
        assert "keys create" in printed
        restarted = _call(f"{base}/external/v1/signals/{signal_id}", key)
        assert restarted["insightIds"] == insights
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert not (tmp_path / "run.json").exists()
