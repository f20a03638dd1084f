"""Correct generated bodies of the revenue record where JSON Schema cannot express the rules.

Examples: times in the right order, one of two fields, row values of their types. Without these
corrections, most generated requests would be refused.
"""

import uuid
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

# Remote ids of the records that exist before a run.
REMOTE_IDS = {"rows": "row", "documents": "document", "conversations": "call", "messages": "mail"}
URL = "https://example.com/a.pdf"
INTEGERS = ("version", "sizeBytes")
# Seconds from the start of the conversation.
TIME_OFFSETS = {"createdAt": 0, "updatedAt": 600, "startedAt": 0, "endedAt": 600}
# A value of each field type. The object type has one field per type, named like the type.
FIELD_VALUES = {
    "textarea": "two\nlines",
    "string": "text",
    "boolean": True,
    "int": 7,
    "double": 7.5,
    "datetime": "2026-03-11T14:00:00Z",
    "date": "2026-03-11",
    "list": ["a", 1, True],
}


def make_valid(kind: str, method: str, body: Json, known: Mapping[str, str]) -> Json:
    """Correct a body. `known` has the ids of a source and an object type.

    Values that are invalid by the schema are kept.
    """
    body = _with_integers(body)
    made = {
        name: known.get(name, value) if is_uuid(value) else _valid_value(name, value)
        for name, value in body.items()
    }
    fields = body.get("fields")
    if isinstance(fields, dict) and len(fields) <= 50:
        made["fields"] = dict(_valid_field(method, *each) for each in fields.items())
    if kind == "conversations":
        with_content = made.get("transcript") or isinstance(made.get("recordingUrl"), str)
        if not with_content and made.get("recordingUrl") is None:
            made["recordingUrl"] = URL
    if kind == "documents":
        given = [name for name in ("url", "content") if made.get(name) is not None]
        if len(given) == 2 and all(isinstance(made[name], str) for name in given):
            del made["content"]
        if not given and method == "POST":
            made["url"] = URL
    if kind in ("sources", "object-types") and isinstance(name := made.get("name"), str):
        made["name"] = (uuid.uuid4().hex + name)[: len(name)]
    return made


def _valid_value(name: str, value: Any) -> Any:
    """Correct the value of a field. Returns values of a wrong type unchanged."""
    if name in TIME_OFFSETS:
        return _valid_time(value, TIME_OFFSETS[name])
    if name in ("url", "recordingUrl"):
        return URL if isinstance(value, str) and len(value) <= 8192 else value
    if name == "content":
        return "QSBwbGFuLg==" if isinstance(value, str) else value
    if isinstance(value, list):
        return [_valid_item(name, number, each) for number, each in enumerate(value)]
    return value


def _valid_item(name: str, number: int, item: Any) -> Any:
    """Correct an element of a list: an e-mail address, a speaker, a unique name."""
    if not isinstance(item, dict):
        return item
    if name == "participants" and item.get("email") in (None, ""):
        return {**item, "email": "ana@halden.example"}
    if name == "transcript":
        made = {
            field: _valid_time(each, 60) if field == "timestamp" else each
            for field, each in item.items()
        }
        return made | ({"speakerName": "Ana"} if item.get("speakerName") in (None, "") else {})
    if name == "fieldDefinitions" and isinstance(field := item.get("name"), str) and field:
        return {**item, "name": f"{chr(0x4E00 + number)}{field}"[: len(field)]}
    return item


def _with_integers(value: Any) -> Any:
    """Write whole numbers as integers: 12.0 is one in JSON Schema, but not for the API."""
    if isinstance(value, list):
        return [_with_integers(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: int(each)
        if name in INTEGERS and isinstance(each, float) and each.is_integer()
        else _with_integers(each)
        for name, each in value.items()
    }


def _valid_field(method: str, key: str, field: Any) -> tuple[str, Any]:
    """Return the key that the object type has for the field's type, and a valid field."""
    if field is None and method == "PATCH":
        return "list", None
    kind = field.get("fieldType") if isinstance(field, dict) else None
    if isinstance(kind, str) and kind in FIELD_VALUES and "value" in field:
        return kind, {**field, "value": FIELD_VALUES[kind]}
    return key, field


def _valid_time(value: Any, seconds: int) -> Any:
    """The time `seconds` after the start of the conversation, in the format of `value`."""
    if isinstance(value, str):
        return f"2026-03-11T14:{seconds // 60:02}:{seconds % 60:02}Z"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return type(value)(1773237600 + seconds)


def is_uuid(value: object) -> bool:
    try:
        return bool(uuid.UUID(str(value)))
    except ValueError:
        return False
