"""What calamine leaves out of workbooks: number formats, errors and comments."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class SheetDetails(NamedTuple):
    """Format codes and errors of cells, by row and column from 0, and the comments of a sheet."""

    formats: Mapping[int, Mapping[int, str]]
    errors: Mapping[int, Mapping[int, str]]
    comments: list[str]


NO_DETAILS: Final = SheetDetails({}, {}, [])


def comment(author: str, cell: str, text: str) -> str:
    """Return a comment as a line. An author that its text repeats is removed."""
    text = " ".join(text.split())
    text = text.removeprefix(f"{author}:").strip() if author else text
    by = f" by {author}" if author else ""
    return f"Comment{by} on {cell}: {text}"
