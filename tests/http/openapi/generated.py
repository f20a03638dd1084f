"""What generated requests for the revenue record need to be valid, and no JSON Schema says.

Times that fit together, one of two fields, values of a row's types: without these, most of what
a generator makes would be refused.
"""

import uuid
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

# What a run of the revenue record finds: pushed under these ids.
REMOTE = {"rows": "row", "documents": "document", "conversations": "call", "messages": "mail"}
WEB_ADDRESS = "https://example.com/a.pdf"
# Seconds after a call's beginning.
TIMES = {"createdAt": 0, "updatedAt": 600, "startedAt": 0, "endedAt": 600}
# A value of each type of field; the object type has a field of each, under the type's name.
VALUES = {
    "textarea": "two\nlines",
    "string": "text",
    "boolean": True,
    "int": 7,
    "double": 7.5,
    "datetime": "2026-03-11T14:00:00Z",
    "date": "2026-03-11",
    "list": ["a", 1, True],
}


def made_valid(kind: str, method: str, body: Json, known: Mapping[str, str]) -> Json:
    """The body with what no schema says made right; `known` are ids of a source and an object type.

    What the schema forbids stays as it is, to be refused.
    """
    made = {
        name: known.get(name, value) if is_uuid(value) else _value(name, value)
        for name, value in body.items()
    }
    fields = body.get("fields")
    if isinstance(fields, dict) and len(fields) <= 50:
        made["fields"] = dict(_field(method, *each) for each in fields.items())
    if kind == "conversations":
        with_content = made.get("transcript") or isinstance(made.get("recordingUrl"), str)
        if not with_content and made.get("recordingUrl") is None:
            made["recordingUrl"] = WEB_ADDRESS
    if kind == "documents":
        given = [name for name in ("url", "content") if made.get(name) is not None]
        if len(given) == 2 and all(isinstance(made[name], str) for name in given):
            del made["content"]
        if not given and method == "POST":
            made["url"] = WEB_ADDRESS
    if kind in ("sources", "object-types") and isinstance(name := made.get("name"), str):
        made["name"] = (uuid.uuid4().hex + name)[: len(name)]
    return made


def _value(name: str, value: Any) -> Any:
    """A field's value, made right if it has the right form."""
    if name in TIMES:
        return _time(value, TIMES[name])
    if name in ("url", "recordingUrl"):
        return WEB_ADDRESS if isinstance(value, str) and len(value) <= 8192 else value
    if name == "content":
        return "QSBwbGFuLg==" if isinstance(value, str) else value
    if isinstance(value, list):
        return [_item(name, number, each) for number, each in enumerate(value)]
    return value


def _item(name: str, number: int, item: Any) -> Any:
    """An element of a list: a person with an address, a sentence of a call, a name of its own."""
    if not isinstance(item, dict):
        return item
    if name == "participants" and item.get("email") in (None, ""):
        return {**item, "email": "ana@halden.example"}
    if name == "transcript":
        made = {
            field: _time(each, 60) if field == "timestamp" else each for field, each in item.items()
        }
        return made | ({"speakerName": "Ana"} if item.get("speakerName") in (None, "") else {})
    if name == "fieldDefinitions" and isinstance(field := item.get("name"), str) and field:
        return {**item, "name": f"{chr(0x4E00 + number)}{field}"[: len(field)]}
    if name == "attachments" and isinstance(size := item.get("sizeBytes"), float):
        # A whole number of JSON Schema, and none of JSON.
        return {**item, "sizeBytes": int(size)} if size.is_integer() else item
    return item


def _field(method: str, key: str, field: Any) -> tuple[str, Any]:
    """A row's field with a value of its type, under the name that the object type has for it."""
    if field is None and method == "PATCH":
        return "list", None
    kind = field.get("fieldType") if isinstance(field, dict) else None
    if isinstance(kind, str) and kind in VALUES and "value" in field:
        return kind, {**field, "value": VALUES[kind]}
    return key, field


def _time(value: Any, seconds: int) -> Any:
    """A time of the same form as a value, so many seconds after a call's beginning."""
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
