"""Rows of the evaluation data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from domains.intelligence.training.json_lines import read_json_lines

Rows = Sequence[dict[str, Any]]

SPLITS: Final = ("dev", "test")


def splits(folder: Path) -> list[Path]:
    """Return the files of a task to evaluate on. Its other files are for training."""
    return [file for name in SPLITS if (file := folder / f"{name}.jsonl").exists()]


def read_rows(folder: Path, task: str) -> dict[str, Rows]:
    """Return the rows of a task by split. Those of `pairs` are in one file of `languages`."""
    if task != "pairs":
        return {file.stem: read_json_lines(file) for file in splits(folder / task)}
    file = folder / "languages" / "pairs.jsonl"
    rows = read_json_lines(file) if file.exists() else []
    present = [each.stem for each in splits(folder / "languages")]
    return {
        split: [row for row in rows if row["split"] == split]
        for split in SPLITS
        if split in present and any(row["split"] == split for row in rows)
    }
