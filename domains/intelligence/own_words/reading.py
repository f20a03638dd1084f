"""Own words: the one step from what was pushed to what is analysed.

Markup, quoted mail, signatures, boilerplate and the notation of transcripts are removed, and speech
that was cut into pieces is joined. Every result can be traced back to exact slices of the source.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from domains.intelligence.findings import Document, Insight, Profile, Quote
from domains.intelligence.own_words import captions, json_transcripts, tables
from domains.intelligence.own_words.entries import Entry
from domains.intelligence.own_words.foreign import Kind, foreign_spans
from domains.intelligence.own_words.json_values import NotJson, String, parse
from domains.intelligence.own_words.logs import log_spans
from domains.intelligence.own_words.mail.templates import is_system_line
from domains.intelligence.own_words.runs import Run, join
from domains.intelligence.text.blocks import Block, blocks, thread_bodies
from domains.intelligence.text.marks import Span, with_end_times
from domains.intelligence.text.segmentation import Sentence, sentences_of
from domains.kernel.core.mapped_text import MappedText, MappedTextBuilder
from domains.kernel.untrusted.html_text import html_to_text, is_html

_KINDS: Final[dict[Profile, Kind]] = {
    "transcript": "speech",
    "support_ticket": "ticket",
    "survey_response": "review",
    "discovery_report": "report",
    "feedback_record": "ticket",
    "raw": "ticket",
}


class OwnWords:
    """The words of a source that are analysed.

    `text` has a line for each run of speech, with its speaker, or the lines of the source that are
    left. `sentences` are sentences of `text`, in order.
    """

    def __init__(self, text: MappedText, sentences: list[Sentence], entries: list[Entry]) -> None:
        self.text: Final = text.text
        self.sentences: Final = sentences
        self._text = text
        timed = sorted((_source_start(entry), number) for number, entry in enumerate(entries))
        self._starts = [start for start, _ in timed]
        self._timed = [entries[number] for _, number in timed]

    def words(self) -> str:
        """Return the sentences without the names of their speakers."""
        return "\n".join(sentence.text for sentence in self.sentences)

    def in_source(self, insights: Iterable[Insight]) -> tuple[Insight, ...]:
        """Replace quotes of `text` by slices of the source, and sort the insights by the first.

        A quote that was joined or freed of markup becomes several. Each has the times of its entry.
        """
        placed = []
        for insight in insights:
            slices = {each.start: each for quote in insight.quotes for each in self._slices(quote)}
            if slices:
                quotes = tuple(slices[start] for start in sorted(slices))
                placed.append(replace(insight, quotes=quotes))
        return tuple(sorted(placed, key=lambda each: (each.quotes[0].start, each.kind)))

    def source_spans(self, start: int, end: int) -> list[Span]:
        """Return the slices of the source that a slice of `text` was taken from, in order."""
        return self._text.source_slices(start, end)

    def _slices(self, quote: Quote) -> Iterator[Quote]:
        for start, end in self.source_spans(quote.start, quote.end):
            at = bisect_right(self._starts, start) - 1
            entry = self._timed[at] if at >= 0 else None
            yield Quote(
                self._text.source[start:end],
                start,
                end,
                quote.speaker,
                entry.start_time if entry else quote.start_time,
                entry.end_time if entry else quote.end_time,
            )


class Statement(NamedTuple):
    """A statement of a conversation as it was pushed."""

    speaker: str
    text: str
    start_time: float | None = None
    end_time: float | None = None


class Place(NamedTuple):
    """A slice of a statement: `statements[statement].text[start:end]`."""

    statement: int
    start: int
    end: int
    quote: str


class Speech:
    """Statements joined into runs of (speaker, text)."""

    def __init__(self, runs: Sequence[Run], starts: Sequence[int]) -> None:
        self.runs: Final = [(run.speaker or "", run.text.text) for run in runs]
        self._runs = runs
        self._starts = starts

    def words(self) -> str:
        """Return the texts of all runs."""
        return "\n".join(text for _, text in self.runs)

    def places(self, run: int, start: int, end: int) -> Iterator[Place]:
        """Iterate over the slices of the statements that a slice of a run was taken from."""
        text = self._runs[run].text
        for first, last in text.source_slices(start, end):
            number = bisect_right(self._starts, first) - 1
            offset = self._starts[number]
            yield Place(number, first - offset, last - offset, text.source[first:last])


def read(document: Document) -> OwnWords:
    """Read the text of a document, or its data. Quotes are slices of its text."""
    if document.data is not None:
        return _read_data(document.data, document.text, document.profile)
    return _read_text(document.text, document.profile)


def _read_text(source: str, profile: Profile) -> OwnWords:
    """Read a text that is HTML, mail, captions, JSON, a table, a transcript or plain."""
    entries = _json_entries(source, profile)
    if entries is not None:
        return _spoken(source, entries)
    if captions.is_captions(source):
        return _spoken(source, captions.read_captions(source))
    entries = tables.read_table(source, is_transcript=profile == "transcript")
    if entries is not None:
        return _spoken(source, [_own_entry(entry, _KINDS[profile]) for entry in entries])
    text = _own(MappedText.of(source), _KINDS[profile])
    found = blocks(text.text, profile)
    if any(block.speaker is not None or block.start_time is not None for block in found):
        return _spoken(source, list(_entries_of_blocks(text, found)))
    sentences = [
        sentence
        for number, block in enumerate(found)
        for sentence in sentences_of(text.text, block, number)
    ]
    return OwnWords(text, sentences, [])


def _read_data(data: bytes, text: str, profile: Profile) -> OwnWords:
    """Read JSON data whose strings are the lines of `text`."""
    source = MappedText.of(text)
    places: dict[int, MappedText] = {}
    at = 0
    value = parse(data.decode())
    for string in json_transcripts.prose(value):
        places[string.start] = source.part(at, at + len(string.value))
        at += len(string.value) + 1
    empty = source.part(0, 0)
    entries = _entries_of_json(value, lambda string: places.get(string.start, empty), profile)
    return _spoken(text, entries)


def read_speech(
    statements: Sequence[Statement], kind: Kind = "speech", max_length: int | None = None
) -> Speech:
    """Read the statements of a conversation, or a message as the only statement.

    At most `max_length` characters of each statement are read, after markup is removed.
    """
    source = "\n".join(statement.text for statement in statements)
    starts: list[int] = []
    entries: list[Entry] = []
    at = 0
    for statement in statements:
        starts.append(at)
        end = at + len(statement.text)
        text = _own(MappedText.of(source).part(at, end), kind)
        text = text if max_length is None else text.part(0, max_length)
        entry = Entry(text, statement.speaker, statement.start_time, statement.end_time)
        entries += _paragraphs(entry) if kind == "mail" else [entry]
        at = end + 1
    return Speech(join(with_end_times(entries)), starts)


def _paragraphs(entry: Entry) -> Iterator[Entry]:
    """Divide a written text into its paragraphs and list items."""
    for block in blocks(entry.text.text, "raw"):
        text = entry.text.part(block.start, block.end)
        speaker = entry.speaker or block.speaker
        yield Entry(text, speaker, section=block.section, is_separate=True)


def _own(text: MappedText, kind: Kind) -> MappedText:
    if is_html(text.text):
        text = html_to_text(text, drop_quotes=True)
    text = text.without(_foreign_spans(text.text, kind))
    return text.without(log_spans(text.text)) if kind in ("ticket", "mail") else text


def _foreign_spans(text: str, kind: Kind) -> list[Span]:
    """Like `foreign_spans`. Of the export of a thread, each mail is a text of its own."""
    bodies = thread_bodies(text) if kind == "ticket" else []
    return [
        (start + first, start + last)
        for start, end in bodies or [(0, len(text))]
        for first, last in foreign_spans(text[start:end], kind)
    ]


def _json_entries(source: str, profile: Profile) -> list[Entry] | None:
    """Return the entries of a JSON text, or None if it is none."""
    if source.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = parse(source)
    except NotJson:
        return None
    return _entries_of_json(value, lambda string: string.mapped(source), profile)


def _entries_of_json(
    value: Any, place: Callable[[String], MappedText], profile: Profile
) -> list[Entry]:
    entries = json_transcripts.read_transcript(value, place)
    if entries is None:
        kind = _KINDS[profile]
        strings = json_transcripts.prose(value)
        texts = [_own_entry(Entry(place(string)), kind) for string in strings]
        return [paragraph for entry in texts for paragraph in _paragraphs(entry)]
    return [_own_entry(entry, "speech") for entry in entries]


def _own_entry(entry: Entry, kind: Kind) -> Entry:
    entry.text = _own(entry.text, kind)
    return entry


def _entries_of_blocks(text: MappedText, found: Sequence[Block]) -> Iterator[Entry]:
    previous: Block | None = None
    for block in found:
        words = text.part(block.start, block.end)
        if block.speaker is not None and is_system_line(words.text.strip("\u200e\u200f <>")):
            continue
        yield Entry(
            words,
            block.speaker,
            block.start_time,
            block.end_time,
            block.section,
            is_continuation=previous is not None
            and not block.is_marked
            and block.speaker == previous.speaker,
        )
        previous = block


def _spoken(source: str, entries: list[Entry]) -> OwnWords:
    """Join entries into runs, and put each run on a line with its speaker."""
    runs = join(with_end_times(entries))
    builder = MappedTextBuilder(source)
    lines: list[Block] = []
    for run in runs:
        if len(builder):
            builder.insert("\n")
        if run.speaker:
            builder.insert(f"{run.speaker}: ")
        start = len(builder)
        builder.append(run.text)
        lines.append(
            Block(start, len(builder), run.speaker, run.start_time, run.end_time, run.section)
        )
    text = builder.build()
    sentences = [
        sentence
        for number, line in enumerate(lines)
        for sentence in sentences_of(text.text, line, number)
    ]
    return OwnWords(text, sentences, entries)


def _source_start(entry: Entry) -> int:
    slices = entry.text.source_slices(0, len(entry.text))
    return slices[0][0] if slices else 0
