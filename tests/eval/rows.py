"""Rows of the evaluation data: JSON lines in `dev.jsonl` or `test.jsonl` of a task's folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[dict[str, Any]]


def splits(folder: Path) -> list[Path]:
    """The files of a task that have answers to compare with, not the ones to train on."""
    return [file for name in ("dev", "test") if (file := folder / f"{name}.jsonl").exists()]


def read(file: Path) -> Rows:
    """The rows of a file."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
