"""Transcripts in JSON, as speech services and call recorders export them.

No format is named. A transcript is the list of objects with the most text, such as `sentences`,
`segments`, `utterances`, `monologues`, `paragraphs` or `entries`. Speakers and times are found by
the names of their fields, in the object itself or in one around it. Fields are compared without
case and underscores.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, Final, NamedTuple

from msgspec import Struct

from domains.intelligence.own_words.entries import Entry, days, set_seconds
from domains.intelligence.own_words.json_values import String
from domains.kernel.core.mapped_text import MappedText

_TEXT: Final = (
    *("text", "sentence", "transcript", "utterance", "spokentext", "displaytext", "caption"),
    *("content", "words", "message", "body", "value", "line", "comment"),
)
_SPEAKER: Final = (
    *("speakername", "speakerdisplayname", "speakerlabel", "speaker", "speakerid", "speakertag"),
    *("participantname", "participant", "participantid", "senderdisplayname", "sendername"),
    *("authorname", "author", "username", "displayname", "userprofile", "user", "users", "from"),
    *("sender", "senders", "role", "channel", "name"),
)
_NAME: Final = ("name", "realname", "displayname", "username", "fullname", "email")
_ID: Final = ("speakerid", "id", "participantid", "userid", "speaker")
_START: Final = (
    *("start", "starttime", "startms", "starttimestamp", "startoffset", "begin", "begintime"),
    *("offset", "from", "ts", "timestamp", "time", "offsetms", "startseconds", "startdatetime"),
    *("audiostart", "startinseconds"),
)
_END: Final = (
    *("end", "endtime", "endms", "endtimestamp", "endoffset", "endts", "to", "stop"),
    *("endseconds", "enddatetime", "audioend", "endinseconds", "resultendtime"),
)
# Fields with the word in a list of single words.
_WORD: Final = ("word", "text", "content", "value", "punctuatedword")
# Longest gap between words that are listed, in characters.
_WORD_DISTANCE: Final = 200
_SPEAKER_OF_GROUP: Final = (
    *(name for name in _SPEAKER if name.startswith("speaker")),
    "participant",
)
_CLOCK: Final = re.compile(
    r"(?:(\d{4}-\d\d-\d\d)[T ])?(?:(\d{1,3}):)?(\d{1,3}):(\d\d(?:[.,]\d{1,9})?)(?!\d)"
)
_NUMBER: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)s?")
_ISO_DURATION: Final = re.compile(r"PT(?:(\d{1,4})H)?(?:(\d{1,6})M)?(?:(\d{1,8}(?:\.\d{1,9})?)S)?$")

# Longest name of a speaker, in characters, and latest time, of any unit.
_MAX_NAME: Final = 80
_MAX_TIME: Final = 1e14
# Words of an item, on average. Shorter items are single words.
_MIN_WORDS: Final = 1.7
# Of several lists, those with at least this share of the longest one's text are compared.
_SIMILAR_SIZE: Final = 0.8


class _Item(Struct):
    """An object with text, and the object around its list."""

    text: String
    fields: Mapping[str, Any]
    group: Mapping[str, Any]


_Candidates = dict[tuple[str, str], list[_Item]]


def read_transcript(value: Any, place: Callable[[String], MappedText]) -> list[Entry] | None:
    """Return the entries of a transcript, or None if the JSON value does not contain one.

    `place` returns a string of the value as a text derived from the source.
    """
    candidates: _Candidates = defaultdict(list)
    names: dict[str, str] = {}
    _collect(value, "", {}, candidates, names)
    listed = [(name, items) for (path, name), items in candidates.items() if path.endswith("[]")]
    transcripts = [(name, items) for name, items in listed if _is_transcript(items)]
    if not transcripts:
        # Single words, where they are most of the text.
        length = sum(len(string.value) for string in prose(value))
        transcripts = [
            (name, items) for name, items in listed if _has_times(items) and _size(items) >= length
        ]
    if not transcripts:
        return None
    longest = max(_size(items) for _, items in transcripts)
    name, items = max(
        (each for each in transcripts if _size(each[1]) >= _SIMILAR_SIZE * longest),
        key=lambda each: (_has_speakers(each[1]), _has_times(each[1]), len(each[1])),
    )
    alone = [
        item
        for (path, each), some in candidates.items()
        if each == name and "[]" not in path
        for item in some
    ]
    return _entries([*_opening(alone, items), *items], names, place)


def prose(value: Any) -> Iterator[String]:
    """Iterate over the strings with a space in a JSON value, in order. Others are codes."""
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, String):
            if " " in each.value.strip():
                yield each
        elif isinstance(each, dict):
            stack.extend(reversed(each.values()))
        elif isinstance(each, list):
            stack.extend(reversed(each))


def _collect(
    value: Any,
    path: str,
    group: Mapping[str, Any],
    candidates: _Candidates,
    names: dict[str, str],
) -> None:
    """Collect the objects with text by their path, and names by speaker id.

    The path of an object in a list ends with "[]".
    """
    if isinstance(value, list):
        for item in value:
            _collect(item, f"{path}[]", group, candidates, names)
    elif isinstance(value, dict):
        fields = _normalised(value)
        for name in _TEXT:
            text = _content(fields.get(name))
            if text is not None:
                candidates[path, name].append(_Item(text, fields, group))
        _collect_name(fields, names)
        for name, each in fields.items():
            if isinstance(each, list | dict):
                _collect(each, f"{path}.{name}", fields, candidates, names)


def _content(value: Any) -> String | None:
    """Return a text, or the content of an object with the text and its type."""
    if isinstance(value, dict):
        value = value.get("content", value.get("text"))
    return value if isinstance(value, String) else None


def _normalised(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields by their names without case, hyphens and underscores."""
    return {name.replace("_", "").replace("-", "").lower(): fields[name] for name in fields}


def _collect_name(fields: Mapping[str, Any], names: dict[str, str]) -> None:
    """Note the name of a speaker in a list of participants."""
    name = next((fields[each] for each in _NAME if isinstance(fields.get(each), String)), None)
    if name is not None and "text" not in fields and name.value.strip():
        for each in _ID:
            key = _scalar(fields.get(each))
            if key:
                names.setdefault(key, name.value.strip())


def _scalar(value: Any) -> str:
    if isinstance(value, String):
        return value.value.strip()
    if isinstance(value, float) and not isinstance(value, bool):
        return f"{value:g}"
    return ""


def _size(items: Sequence[_Item]) -> int:
    return sum(len(item.text.value) for item in items)


def _has_speakers(items: Sequence[_Item]) -> bool:
    return any(_speaker(item, {}) for item in items)


def _has_times(items: Sequence[_Item]) -> bool:
    return any(_time(item.fields, _START) is not None for item in items)


def _is_transcript(items: Sequence[_Item]) -> bool:
    words = sum(len(item.text.value.split()) for item in items)
    # Scripts without spaces have few words and many characters.
    is_prose = words >= _MIN_WORDS * len(items) or _size(items) >= 12 * len(items)
    return is_prose and (
        _has_times(items)
        or _has_speakers(items)
        or any(_listed_words(item, is_only=len(items) == 1) for item in items)
    )


def _opening(alone: Iterable[_Item], items: Sequence[_Item]) -> list[_Item]:
    """Return the first message of a conversation, which some programs put outside of the list."""
    texts = {item.text.value for item in items}
    return [
        item
        for item in alone
        if item.text.start < items[0].text.start
        and item.text.value not in texts
        and _name_in(item.fields, {}) is not None
    ]


def _entries(
    items: Sequence[_Item], names: Mapping[str, str], place: Callable[[String], MappedText]
) -> list[Entry]:
    entries: list[Entry] = []
    for item in items:
        start, end = _time(item.fields, _START), _time(item.fields, _END)
        speaker = _speaker(item, names)
        entry = Entry(place(item.text), speaker, start, end)
        listed = _listed_words(item, is_only=len(items) == 1)
        words = _words(item, listed) if start is None or speaker is None else []
        entries += _entries_of_words(entry, words, names) if words else [entry]
    set_seconds(entries)
    return entries


class _Word(NamedTuple):
    """A word of an item, with its speaker and times, and its offset in the item's text."""

    fields: Mapping[str, Any]
    start: int


def _words(item: _Item, listed: Sequence[Any]) -> list[_Word]:
    """Find the words of an item that are listed one by one with speakers or times.

    Words that do not occur in the text behind the word before are left out.
    """
    text = item.text.value.lower()
    position = 0
    found: list[_Word] = []
    for each in listed:
        if isinstance(each, dict):
            fields = _normalised(each)
            word = _word(fields)
            at = text.find(word.lower(), position, position + _WORD_DISTANCE) if word else -1
            if at >= 0:
                found.append(_Word(fields, at))
                position = at + len(word)
    return found


def _listed_words(item: _Item, *, is_only: bool) -> list[Any]:
    """Return the list with the words of an item: within it, or beside the only item."""
    listed = item.fields.get("words") or (item.group.get("items") if is_only else None)
    return listed if isinstance(listed, list) else []


def _word(fields: Mapping[str, Any]) -> str:
    alternative = fields.get("alternatives")
    if isinstance(alternative, list) and alternative and isinstance(alternative[0], dict):
        fields = _normalised(alternative[0])
    return next((each for name in _WORD if (each := _scalar(fields.get(name)))), "")


def _entries_of_words(
    entry: Entry, words: Sequence[_Word], names: Mapping[str, str]
) -> list[Entry]:
    """Cut an entry where the speaker of its words changes. Words without one are passed over."""
    speakers = [(word, _name_in(word.fields, names)) for word in words]
    named = [each for each in speakers if each[1]]
    if not named and entry.start_time is not None:
        return [entry]
    turns = [
        (speaker or entry.speaker, [word for word, _ in turn])
        for speaker, turn in groupby(named or speakers, itemgetter(1))
    ]
    starts = [0, *(turn[0].start for _, turn in turns[1:]), len(entry.text)]
    return [
        Entry(
            entry.text.part(start, end),
            speaker,
            _time(turn[0].fields, _START),
            _time(turn[-1].fields, _END),
        )
        for (speaker, turn), (start, end) in zip(turns, pairwise(starts), strict=True)
    ]


def _speaker(item: _Item, names: Mapping[str, str]) -> str | None:
    """Return the speaker's name, or "Speaker 2" for a number that has no name."""
    return _name_in(item.fields, names) or _name_in(item.group, names, _SPEAKER_OF_GROUP)


def _name_in(
    fields: Mapping[str, Any], names: Mapping[str, str], candidates: Sequence[str] = _SPEAKER
) -> str | None:
    found = (_name(fields.get(name), names) for name in candidates)
    return next((name for name in found if name), None)


def _name(value: Any, names: Mapping[str, str]) -> str | None:
    if isinstance(value, list):
        value = next(iter(value), None)
    if isinstance(value, dict):
        fields = _normalised(value)
        found = (_scalar(fields.get(each)) for each in (*_NAME, *_ID))
        name = next((names.get(each, each) for each in found if each), None)
        # Such as {"from": {"user": {"displayName": "Ana"}}}.
        user = fields.get("user")
        return name if name or not isinstance(user, dict) else _name(user, names)
    key = _scalar(value)
    if key in names:
        return names[key]
    is_label = key.isascii() and (key.isdigit() if len(key) > 1 else key.isalnum()) and len(key) < 3
    return f"Speaker {key}" if is_label else key[:_MAX_NAME] or None


def _time(fields: Mapping[str, Any], candidates: Sequence[str]) -> float | None:
    for name in candidates:
        value = fields.get(name)
        if isinstance(value, dict):
            value = value.get("relative")
        if isinstance(value, float) and not isinstance(value, bool) and 0 <= value < _MAX_TIME:
            return value * (0.001 if name.endswith("ms") else 1)
        if isinstance(value, String) and (time := _clock(value.value.strip())) is not None:
            return time
    return None


def _clock(text: str) -> float | None:
    """Seconds of "5.79", "00:00:05.79", "2026-03-04T10:00:05Z" or "PT5.79S"."""
    clock = _CLOCK.match(text)
    if clock:
        day, hours, minutes, rest = clock.groups()
        if day and hours is None:
            hours, minutes, rest = minutes, rest[:2], "0"
        seconds = int(hours or 0) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))
        return seconds + days(day) * 86400
    duration = _ISO_DURATION.match(text)
    if duration and any(duration.groups()):
        hours, minutes, rest = duration.groups()
        return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0)
    number = _NUMBER.fullmatch(text)
    return float(number[1]) if number else None
