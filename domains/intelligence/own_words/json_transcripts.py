"""Transcripts in JSON, as speech services and call recorders export them.

No format is named. A transcript is the list of objects with the most text, such as `sentences`,
`segments`, `utterances`, `monologues`, `paragraphs` or `entries`. Speakers and times are found by
the names of their fields, in the object itself or in one around it. Fields are compared without
case and underscores.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from domains.intelligence.own_words.entries import Entry
from domains.intelligence.own_words.json_values import String
from domains.kernel.core.mapped_text import MappedText

_TEXT: Final = (
    *("text", "sentence", "transcript", "utterance", "spokentext", "displaytext", "caption"),
    *("content", "words", "message", "body", "value", "line", "comment"),
)
_SPEAKER: Final = (
    *("speakername", "speakerdisplayname", "speakerlabel", "speaker", "speakerid", "speakertag"),
    *("participantname", "participant", "participantid", "author", "username", "displayname"),
    *("user", "users", "from", "sender", "role", "channel", "name"),
)
_NAME: Final = ("name", "displayname", "username", "fullname", "email")
_ID: Final = ("speakerid", "id", "participantid", "userid", "speaker")
_START: Final = (
    *("start", "starttime", "startms", "starttimestamp", "startoffset", "begin", "begintime"),
    *("offset", "from", "ts", "timestamp", "time", "offsetms", "startseconds", "startdatetime"),
    *("audiostart", "startinseconds"),
)
_END: Final = (
    *("end", "endtime", "endms", "endtimestamp", "endoffset", "endts", "to", "stop"),
    *("endseconds", "enddatetime", "audioend", "endinseconds"),
)
_SPEAKER_OF_GROUP: Final = tuple(name for name in _SPEAKER if name.startswith("speaker"))
_CLOCK: Final = re.compile(
    r"(?:\d{4}-\d\d-\d\d[T ])?(?:(\d{1,3}):)?(\d{1,3}):(\d\d(?:[.,]\d{1,9})?)(?!\d)"
)
_ISO_DURATION: Final = re.compile(r"PT(?:(\d{1,4})H)?(?:(\d{1,6})M)?(?:(\d{1,8}(?:\.\d{1,9})?)S)?$")

# Longest name of a speaker, in characters, and latest time, of any unit.
_MAX_NAME: Final = 80
_MAX_TIME: Final = 1e14
# Words of an item, on average. Shorter items are single words.
_MIN_WORDS: Final = 1.7
# Slowest speech, in words per second. Slower speech has its times in milliseconds.
_MIN_RATE: Final = 0.02
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
    transcripts = [items for items in candidates.values() if _is_transcript(items)]
    if not transcripts:
        return None
    longest = max(map(_size, transcripts))
    items = max(
        (items for items in transcripts if _size(items) >= _SIMILAR_SIZE * longest),
        key=lambda items: (_has_speakers(items), _has_times(items), len(items)),
    )
    return _entries(items, names, place)


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
    """Collect the objects with text by the path of their list, and names by speaker id."""
    if isinstance(value, list):
        for item in value:
            _collect(item, f"{path}[]", group, candidates, names)
    elif isinstance(value, dict):
        fields = {name.replace("_", "").replace("-", "").lower(): value[name] for name in value}
        if path.endswith("[]"):
            for name in _TEXT:
                text = fields.get(name)
                if isinstance(text, String):
                    candidates[path, name].append(_Item(text, fields, group))
        _collect_name(fields, names)
        for name, each in fields.items():
            if isinstance(each, list | dict):
                _collect(each, f"{path}.{name}", fields, candidates, names)


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
    return is_prose and (_has_times(items) or _has_speakers(items))


def _entries(
    items: Sequence[_Item], names: Mapping[str, str], place: Callable[[String], MappedText]
) -> list[Entry]:
    times = [(_time(item.fields, _START), _time(item.fields, _END)) for item in items]
    starts = [start for start, _ in times if start is not None]
    length = max(starts, default=0.0) - min(starts, default=0.0)
    words = sum(len(item.text.value.split()) for item in items)
    scale = 0.001 if len(starts) > 1 and words < _MIN_RATE * length else 1.0
    return [
        Entry(
            place(item.text),
            _speaker(item, names),
            None if start is None else round(start * scale, 3),
            None if end is None else round(end * scale, 3),
        )
        for item, (start, end) in zip(items, times, strict=True)
    ]


def _speaker(item: _Item, names: Mapping[str, str]) -> str | None:
    """Return the speaker's name, or "Speaker 2" for a number that has no name."""
    for fields, candidates in ((item.fields, _SPEAKER), (item.group, _SPEAKER_OF_GROUP)):
        for name in candidates:
            speaker = _name(fields.get(name), names)
            if speaker:
                return speaker
    return None


def _name(value: Any, names: Mapping[str, str]) -> str | None:
    if isinstance(value, list):
        value = next(iter(value), None)
    if isinstance(value, dict):
        fields = {name.replace("_", "").lower(): each for name, each in value.items()}
        found = (_scalar(fields.get(each)) for each in (*_NAME, *_ID))
        return next((names.get(each, each) for each in found if each), None)
    key = _scalar(value)
    if key in names:
        return names[key]
    is_label = len(key) <= 2 and key.isascii() and key.isalnum()
    return f"Speaker {key}" if is_label else key[:_MAX_NAME] or None


def _time(fields: Mapping[str, Any], candidates: Sequence[str]) -> float | None:
    for name in candidates:
        value = fields.get(name)
        if isinstance(value, float) and not isinstance(value, bool) and 0 <= value < _MAX_TIME:
            return value * (0.001 if name.endswith("ms") else 1)
        if isinstance(value, String) and (time := _clock(value.value.strip())) is not None:
            return time
    return None


def _clock(text: str) -> float | None:
    """Seconds of "5.79", "00:00:05.79", "2026-03-04T10:00:05Z" or "PT5.79S"."""
    clock = _CLOCK.match(text)
    if clock:
        hours, minutes, rest = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))
    duration = _ISO_DURATION.match(text)
    if duration and any(duration.groups()):
        hours, minutes, rest = duration.groups()
        return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0)
    return float(text) if re.fullmatch(r"\d{1,12}(?:\.\d{1,9})?", text) else None
