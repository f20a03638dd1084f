"""The texts that were written for training, with their frames filled."""

import re
from collections.abc import Iterator
from importlib import resources
from typing import Final, NamedTuple

_SLOT: Final = re.compile(r"\{(\w+)\}")
_STRIDE: Final = 7
"""Fillings of one frame lie this far apart in their list, so that frames do not move in step."""


class Text(NamedTuple):
    """A text with its label; `hand` says that it stands in the file as it is."""

    label: str
    text: str
    hand: bool


def written(name: str, fillings: int) -> list[Text]:
    r"""The texts of a file, each frame with `fillings` different fillings, in order.

    A line is "label<TAB>text", where "\n" breaks a line. "@slot<TAB>text" adds a filling for
    "{slot}" in frames; "#" begins a comment. Which fillings a frame gets depends on its place
    among the frames alone.
    """
    file = resources.files("domains.intelligence.training") / "texts" / f"{name}.txt"
    slots: dict[str, list[str]] = {}
    lines: list[tuple[str, str]] = []
    for line in file.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        label, _, escaped = line.partition("\t")
        text = escaped.replace("\\n", "\n")
        if label.startswith("@"):
            slots.setdefault(label[1:], []).append(text)
        else:
            lines.append((label, text))
    return [each for n, line in enumerate(lines) for each in _filled(n, *line, slots, fillings)]


def _filled(
    number: int, label: str, frame: str, slots: dict[str, list[str]], fillings: int
) -> Iterator[Text]:
    if not _SLOT.search(frame):
        yield Text(label, frame, True)
        return
    for count in range(fillings):
        text, used = frame, 0
        while slot := _SLOT.search(text):
            choices = slots[slot[1]]
            chosen = choices[(number + (count + used) * _STRIDE + used) % len(choices)]
            text = text[: slot.start()] + chosen + text[slot.end() :]
            used += 1
        yield Text(label, text[0].upper() + text[1:] if number % 3 else text, False)
