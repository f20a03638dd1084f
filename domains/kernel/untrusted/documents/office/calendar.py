"""Reader of iCalendar files."""

import quopri
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from domains.kernel.untrusted.documents.charset import decode

_EVENTS: Final = frozenset({"VEVENT", "VTODO", "VJOURNAL"})
_LABELS: Final = {
    "LOCATION": "Location",
    "ORGANIZER": "Organizer",
    "ATTENDEE": "Attendees",
    "STATUS": "Status",
    "CATEGORIES": "Categories",
}
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?", re.ASCII)
# Parameters of a property: quoted values may contain colons and semicolons.
_PROPERTY: Final = re.compile(
    r'([\w-]+)((?:;[^:;="]*+=(?:"[^"]*+"|[^";:,]*+|,)*+)*+):(.*)', re.DOTALL
)
_PARAMETER: Final = re.compile(r';([^:;="]*)=("[^"]*"|[^";:]*)')


class _Property(msgspec.Struct, frozen=True):
    name: str
    parameters: dict[str, str]
    value: str


def read_calendar(data: bytes, charset: str | None) -> str:
    """Return each event, task and journal of a calendar, with its name at the top.

    An event has its summary, time, place, organizer, attendees, status and description.
    """
    texts: list[str] = []
    open_components: list[str] = []
    event: list[_Property] = []
    for found in _properties(decode(data, charset)):
        if found.name == "BEGIN":
            open_components.append(found.value.upper())
            if open_components[-1] in _EVENTS:
                event = []
        elif found.name == "END":
            if open_components and open_components.pop() in _EVENTS:
                texts.append(_event_text(event))
        elif open_components and open_components[-1] in _EVENTS:
            event.append(found)
        elif found.name == "X-WR-CALNAME" and len(open_components) == 1:
            texts.append(_unescaped(found.value))
    return "\n\n".join(filter(None, texts))


def _properties(text: str) -> Iterator[_Property]:
    # A line that begins with white space continues the previous one.
    unfolded = re.sub(r"\r?\n[ \t]", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = iter(unfolded.split("\n"))
    for line in lines:
        match = _PROPERTY.match(line)
        if not match:
            continue
        name, listed, value = match.groups()
        parameters = {
            key.upper(): content.strip('"') for key, content in _PARAMETER.findall(listed)
        }
        if parameters.get("ENCODING", "").upper() == "QUOTED-PRINTABLE":
            pieces = [value]
            while pieces[-1].endswith("=") and (following := next(lines, None)) is not None:
                pieces.append(following)
            encoded = "\n".join(pieces).encode("utf-8", "surrogateescape")
            value = decode(quopri.decodestring(encoded), parameters.get("CHARSET"))
        yield _Property(name.upper(), parameters, value)


def _event_text(event: list[_Property]) -> str:
    values: dict[str, list[str]] = {}
    for found in event:
        if found.name in ("ORGANIZER", "ATTENDEE"):
            value = _person(found)
        else:
            value = _unescaped(found.value).strip()
        if value:
            values.setdefault(found.name, []).append(value)
    lines = values.get("SUMMARY", [])[:1]
    if time := _period(event):
        lines.append(f"Time: {time}")
    for name, label in _LABELS.items():
        if name in values:
            listed = ", ".join(dict.fromkeys(values[name]))
            lines.append(f"{label}: {listed.lower() if name == 'STATUS' else listed}")
    described = [*values.get("DESCRIPTION", []), *values.get("COMMENT", [])]
    return "\n\n".join(filter(None, ["\n".join(lines), *described]))


def _person(found: _Property) -> str:
    """Return the name and the address of a person."""
    address = re.sub(r"(?i)^mailto:", "", found.value.strip())
    name = found.parameters.get("CN", "").strip()
    if not name or name == address:
        return address
    return f"{name} <{address}>" if "@" in address else name


def _period(event: list[_Property]) -> str:
    """Return the start and end of an event, with the time zone that the file names."""
    times = {found.name: found for found in event if found.name in ("DTSTART", "DTEND", "DUE")}
    start, end = times.get("DTSTART"), times.get("DTEND") or times.get("DUE")
    first = start or end
    if first is None:
        return ""
    match = _TIME.match(first.value)
    zone = "UTC" if match and match[6] else first.parameters.get("TZID", "").strip()
    period = _time(first.value)
    if start and end and (last := _time(end.value)) != period:
        # The end of the same day is written as a time only.
        same_day = " " in last and last.partition(" ")[0] == period.partition(" ")[0]
        period += f" to {last.partition(' ')[2] if same_day else last}"
    return f"{period} ({zone})" if zone else period


def _time(value: str) -> str:
    match = _TIME.match(value.strip())
    if not match:
        return value.strip()[:100]
    year, month, day, hour, minute, _ = match.groups()
    return f"{year}-{month}-{day}" + (f" {hour}:{minute}" if hour else "")


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], value)
