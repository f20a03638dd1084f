"""Tables: transcripts with a line per statement, and CSV exports of surveys or reviews."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from domains.intelligence.own_words.entries import Entry, days, set_seconds
from domains.intelligence.text import labels
from domains.intelligence.text.marks import CLOCK, seconds
from domains.intelligence.text.words import word_set
from domains.kernel.core.mapped_text import MappedText, MappedTextBuilder

# Rows that are looked at to recognise a table and the meaning of its columns.
_SAMPLED_ROWS: Final = 200
_MIN_ROWS: Final = 2
# Share of the rows that have as many cells as the first one.
_REGULAR: Final = 0.9
# Words of the cells of a column of prose, on average.
_PROSE_WORDS: Final = 3.0
# The same in letters of scripts without spaces.
_PROSE_LETTERS: Final = 8.0
_MAX_HEADER_WORDS: Final = 14

_TIME: Final = re.compile(
    r"[\[(]?(?:(?:(\d{4}-\d\d-\d\d)[T ]|\d{1,2}[./-]\d{1,2}[./-]\d{2,4},? )?"
    rf"({CLOCK})(?:Z| UTC|[+-]\d\d:?\d\d)?|(\d{{1,9}}(?:\.\d{{1,6}})?))[\])]?$"
)
_HEADER_WORDS: Final = word_set(
    """
    id text comment comments review reviews feedback response responses respondent answer answers
    question rating stars score nps date time timestamp title subject body message name email
    author user customer account company country language platform version product source status
    kommentar kommentare bewertung antwort frage datum kunde titel nachricht commentaire avis
    note réponse comentario comentarios reseña respuesta fecha cliente comentário avaliação
    resposta data commento recensione risposta speaker sprecher start end begin
    """
)
_TEXT_HEADERS: Final = word_set(
    """
    text comment comments review feedback response answer body message verbatim kommentar antwort
    nachricht commentaire avis réponse comentario reseña respuesta comentário resposta commento
    recensione risposta transcript
    """
)
# Columns of data about a statement, and of what the vendor replied to it.
_DATA_HEADERS: Final = word_set("id date time timestamp url link email ip datum fecha")
_VENDOR_HEADERS: Final = word_set(
    "developer vendor owner seller publisher entwickler desarrollador"
)
_TIME_HEADERS: Final = word_set("start end time timestamp begin zeit inicio début início")
_SPEAKER_HEADERS: Final = word_set(
    "speaker name sender author from sprecher absender participant hablante intervenant"
)


class _Cell(NamedTuple):
    """A cell: its text, and its span in the source, without enclosing quotes."""

    text: str
    start: int
    end: int

    def mapped(self, source: str) -> MappedText:
        builder = MappedTextBuilder(source)
        position = self.start
        while (quote := source.find('""', position, self.end)) >= 0:
            builder.copy(position, quote)
            builder.replace('"', quote, quote + 2)
            position = quote + 2
        builder.copy(position, self.end)
        return builder.build()


_Row = list[_Cell]


class _Columns(NamedTuple):
    """Positions of the columns with text, speakers and times."""

    texts: tuple[int, ...]
    speaker: int | None
    start: int | None
    end: int | None


def read_table(source: str, *, is_transcript: bool) -> list[Entry] | None:
    """Return an entry for each statement of a table, or None if the text is no table.

    In a transcript, a row is a statement with its speaker and time. Otherwise each cell of prose
    is a statement of its own, because each row comes from another respondent.
    """
    first_line = source.lstrip().partition("\n")[0]
    for delimiter in "\t;,|":
        if delimiter not in first_line:
            continue
        rows = _rows(source, delimiter)
        header = _header(rows)
        body = rows[1:] if header else rows
        if not _is_table(body, header, delimiter):
            continue
        columns = _columns(body, header)
        if columns is None:
            continue
        is_spoken = columns.speaker is not None or columns.start is not None
        if is_transcript and is_spoken:
            return _statements(source, body, columns)
        if header and not is_transcript:
            return _responses(source, body, columns, header)
    return None


def _rows(source: str, delimiter: str) -> list[_Row]:
    cell = re.compile(rf'[ ]*"((?:[^"]++|"")*+)"[ ]*(?=[{delimiter}\r\n]|$)|([^{delimiter}\r\n]*)')
    rows: list[_Row] = [[]]
    position = 0
    while True:
        found = cell.match(source, position)
        if found is None:
            break
        group = 1 if found[1] is not None else 2
        rows[-1].append(_Cell(found[group].replace('""', '"'), *found.span(group)))
        position = found.end()
        if position >= len(source):
            break
        if source[position] == delimiter:
            position += 1
            continue
        position += 2 if source.startswith("\r\n", position) else 1
        rows.append([])
    return [row for row in rows if any(cell.text.strip() for cell in row)]


def _header(rows: Sequence[_Row]) -> list[str] | None:
    """Return the names of the columns, if the first row has names."""
    if not rows:
        return None
    names = [cell.text.strip() for cell in rows[0]]
    filled = [name for name in names if name]
    is_header = (
        len(set(filled)) == len(filled) > 1
        and all(len(name.split()) <= _MAX_HEADER_WORDS for name in filled)
        and not any(_TIME.match(name) for name in filled)
        and any(_known(name) for name in filled)
    )
    return names if is_header else None


def _known(name: str) -> bool:
    is_question = name.endswith("?") or labels.section_of(name) is not None
    return is_question or _has_word(name, _HEADER_WORDS)


def _is_table(body: Sequence[_Row], header: list[str] | None, delimiter: str) -> bool:
    sample = body[:_SAMPLED_ROWS]
    if len(sample) < (1 if header else _MIN_ROWS):
        return False
    # Commas and semicolons occur in prose: such a table needs a header.
    if header is None and delimiter != "\t":
        return False
    width = len(header) if header else len(sample[0])
    regular = sum(len(row) == width for row in sample)
    return width > 1 and regular >= _REGULAR * len(sample)


def _columns(body: Sequence[_Row], header: list[str] | None) -> _Columns | None:
    sample = body[:_SAMPLED_ROWS]
    names = header or [""] * max(len(row) for row in sample)
    texts, speakers, times = [], [], []
    for at, name in enumerate(names):
        cells = [text for row in sample if at < len(row) and (text := row[at].text.strip())]
        if not cells:
            continue
        if all(map(_TIME.match, cells)):
            if not header or _has_word(name, _TIME_HEADERS):
                times.append(at)
        elif _is_statement(name, cells):
            texts.append(at)
        elif _has_word(name, _SPEAKER_HEADERS) if header else all(map(labels.is_name, cells)):
            speakers.append(at)
    if not texts:
        return None
    first_time, second_time, *_ = (*times, None, None)
    return _Columns(tuple(texts), next(iter(speakers), None), first_time, second_time)


def _is_statement(name: str, cells: Sequence[str]) -> bool:
    """True for a column of what the respondents said."""
    if not name.endswith("?") and _has_word(name, _DATA_HEADERS | _VENDOR_HEADERS):
        return False
    is_code = all(cell.isascii() and " " not in cell for cell in cells)
    return _is_prose(cells) or (_has_word(name, _TEXT_HEADERS) and not is_code)


def _is_prose(cells: Sequence[str]) -> bool:
    """True for sentences, also in scripts without spaces."""
    words = sum(len(text.split()) for text in cells)
    letters = sum("\u0e00" <= char <= "\u9fff" for text in cells for char in text)
    return words >= _PROSE_WORDS * len(cells) or letters >= _PROSE_LETTERS * len(cells)


def _has_word(name: str, known: frozenset[str]) -> bool:
    return any(word in known for word in _words(name))


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", name.lower())


def _statements(source: str, body: Sequence[_Row], columns: _Columns) -> list[Entry]:
    at = max(columns.texts)
    entries = [
        Entry(
            row[at].mapped(source),
            _text(row, columns.speaker) or None,
            _seconds(_text(row, columns.start)),
            _seconds(_text(row, columns.end)),
        )
        for row in body
        if _text(row, at)
    ]
    set_seconds(entries)
    return entries


def _responses(
    source: str, body: Sequence[_Row], columns: _Columns, header: Sequence[str]
) -> list[Entry]:
    return [
        Entry(
            row[at].mapped(source),
            section=labels.section_of(header[at]) or "",
            is_separate=True,
        )
        for row in body
        for at in columns.texts
        if _text(row, at)
    ]


def _text(row: _Row, at: int | None) -> str:
    return row[at].text.strip() if at is not None and at < len(row) else ""


def _seconds(text: str) -> float | None:
    found = _TIME.match(text)
    if found is None:
        return None
    if found[3]:
        return float(found[3])
    return seconds(found[2]) + days(found[1]) * 86400
