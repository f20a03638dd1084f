"""Captions: WebVTT and SRT files."""

import html
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from domains.intelligence.own_words.entries import Entry
from domains.intelligence.text import labels
from domains.intelligence.text.blocks import speaker_labels, split_lines
from domains.intelligence.text.marks import CLOCK, Span, seconds
from domains.kernel.core.mapped_text import MappedText, MappedTextBuilder

# The times of a cue. In brackets, the words follow on the same line.
_TIMING: Final = re.compile(rf"\s*\[?({CLOCK})(?:\s*-->\s*|,(?=[\d:.]{{7,12}}$))({CLOCK})(\])?")
# Times without an arrow, as the only ones in a line at the beginning.
_PLAIN_TIMING: Final = re.compile(rf"\s*{CLOCK},{CLOCK}\s*\n")
_VOICE: Final = re.compile(r"\s*<v(?:\.[\w.]{1,40})?\s+([^>\n]{1,80})>")
# Tags such as <i>, </v> and <00:00:01.000>, and entities.
_MARKUP: Final = re.compile(
    r"</?[a-z0-9:. _-]{0,60}>|&(?:amp|lt|gt|nbsp|lrm|rlm|#\d{1,7});", re.IGNORECASE
)
# "- " or ">> " before the words of another speaker.
_DASH: Final = re.compile(r"\s*(?:[-–—]|>>+)\s+")


class _Line(NamedTuple):
    """A line of a cue: its span, and the times of the cue."""

    span: Span
    times: tuple[float, float]


class _Cue(NamedTuple):
    """Successive lines of one speaker at the same times."""

    speaker: str | None
    times: tuple[float, float]
    lines: list[MappedText]


def is_captions(text: str) -> bool:
    """True if the text has a line with the times of a cue."""
    if _PLAIN_TIMING.match(text):
        return True
    at = text.find("-->")
    while at >= 0:
        start = text.rfind("\n", 0, at) + 1
        if at - start <= 40 and _TIMING.match(text, start):
            return True
        at = text.find("-->", at + 3)
    return False


def read_captions(source: str) -> list[Entry]:
    """Return an entry for each cue, or for each speaker within a cue.

    Lines that repeat the previous line, as rolling captions do, are left out.
    """
    lines = list(_cue_lines(source))
    unvoiced = [
        (_after_dash(source, *line.span), line.span[1])
        for line in lines
        if not _VOICE.match(source, *line.span)
    ]
    speakers = speaker_labels(source, unvoiced, "transcript")
    cues: list[_Cue] = []
    last: str | None = None
    for (start, end), times in lines:
        speaker, body, is_new = _speaker(source, start, end, speakers)
        text = _without_markup(source, body, end)
        words = text.text.strip()
        if words and words == last:
            if len(text.source_slices(0, len(text))) == 1:
                # The repeated line has no tags between its words.
                cues[-1].lines[-1] = text
        elif words and (is_new or not cues or times != cues[-1].times):
            cues.append(_Cue(speaker, times, [text]))
        elif words:
            cues[-1].lines.append(text)
        last = words or last
    return [Entry(_joined(cue.lines, source), cue.speaker, *cue.times) for cue in cues]


def _cue_lines(source: str) -> Iterator[_Line]:
    times: tuple[float, float] | None = None
    is_first = True
    for start, end in split_lines(source):
        timing = _TIMING.match(source, start, end)
        if timing:
            times, is_first = (seconds(timing[1]), seconds(timing[2])), True
            if timing[3]:
                yield _Line((timing.end(), end), times)
        elif start == end:
            # Rolling captions begin with a line that is a space.
            times = times if is_first and source.startswith(" ", end) else None
        elif times is not None:
            yield _Line((start, end), times)
            is_first = False


def _speaker(
    source: str, start: int, end: int, speakers: frozenset[str]
) -> tuple[str | None, int, bool]:
    """Return the speaker of a line, the offset of the words, and True if a speaker begins here."""
    voice = _VOICE.match(source, start, end)
    if voice:
        return html.unescape(voice[1]).strip(), voice.end(), True
    body = _after_dash(source, start, end)
    label = labels.match(source, body, end)
    if label and label.name in speakers:
        return label.name, label.end, True
    return None, body, body > start


def _after_dash(source: str, start: int, end: int) -> int:
    dash = _DASH.match(source, start, end)
    return dash.end() if dash else start


def _without_markup(source: str, start: int, end: int) -> MappedText:
    builder = MappedTextBuilder(source)
    for found in _MARKUP.finditer(source, start, end):
        builder.copy(start, found.start())
        if found[0].startswith("&"):
            builder.replace(html.unescape(found[0]), *found.span())
        start = found.end()
    builder.copy(start, end)
    return builder.build()


def _joined(lines: Sequence[MappedText], source: str) -> MappedText:
    """The lines of a cue, with the line feed between them where both are whole lines."""
    if len(lines) == 1:
        return lines[0]
    builder = MappedTextBuilder(source)
    end: int | None = None
    for line in lines:
        slices = line.source_slices(0, len(line))
        if end is not None:
            gap = (end, slices[0][0])
            if gap[0] < gap[1] and source[slice(*gap)].isspace():
                builder.replace(" ", *gap)
            else:
                builder.insert(" ")
        builder.append(line)
        end = slices[-1][1]
    return builder.build()
