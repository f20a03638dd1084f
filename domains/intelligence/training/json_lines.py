"""Reader of JSON Lines: the files of training and evaluation data."""

import json
from pathlib import Path
from typing import Any


def read_json_lines(file: Path) -> list[dict[str, Any]]:
    """Return the objects of a file, one for each line that is not blank.

    Only a line feed ends a line: U+2028 and U+0085 may be part of a text.
    """
    return [json.loads(line) for line in file.read_bytes().split(b"\n") if line.strip()]
