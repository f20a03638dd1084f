"""Details of workbooks that calamine does not read: number formats, errors and comments."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class SheetDetails(NamedTuple):
    """Format codes and texts of cells, by row and column from 0, and the comments of a sheet.

    A text, such as that of an error, is shown in place of the value of its cell.
    """

    formats: Mapping[int, Mapping[int, str]]
    texts: Mapping[int, Mapping[int, str]]
    comments: list[str]


NO_DETAILS: Final = SheetDetails({}, {}, [])


def comment(author: str, cell: str, text: str) -> str:
    """Return a comment as a line. An author that its text repeats is removed."""
    text = " ".join(text.split())
    text = text.removeprefix(f"{author}:").strip() if author else text
    by = f" by {author}" if author else ""
    return f"Comment{by} on {cell}: {text}"
