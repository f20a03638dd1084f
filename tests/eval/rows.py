"""Files of the evaluation data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[dict[str, Any]]


def splits(folder: Path) -> list[Path]:
    """Return the files of a task to evaluate on. Its other files are for training."""
    return [file for name in ("dev", "test") if (file := folder / f"{name}.jsonl").exists()]
