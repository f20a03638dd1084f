"""Translation of msgspec validation errors into sentences for the caller."""

import contextlib
import functools
import re
from collections.abc import Hashable, Sequence
from typing import Any, Final, cast, get_args, get_origin

import msgspec
from msgspec import inspect

from domains.kernel.core.problems import Invalid, invalid

_MISSING: Final = re.compile(r"Object missing required field `([^`]+)`")
# In the path of a msgspec message: an array index, `[0]`, or any key of an object, `[...]`.
_INDEX: Final = re.compile(r"\[[^\]]*\]")
# Longer keys are cut in messages.
_MAX_KEY_LENGTH: Final = 100
_TYPE_NAMES: Final = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "an array",
    "datetime": "a date-time",
    "uuid": "a UUID",
}


def decoder_of(type_: type[Any]) -> msgspec.json.Decoder[Any]:
    return _decoder(cast(Hashable, type_))


@functools.cache
def _decoder(type_: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder[Any](type_)


def to_invalid(error: msgspec.ValidationError, type_: Any, body: bytes = b"") -> Invalid:
    """Convert to a Problem that names the field's path and what the field must be.

    `body`: the JSON text, if the error comes from decoding one.
    """
    message = str(error)
    # The last occurrence: a wrong value in the message may itself look like a path.
    text, _, path = message.rpartition(" - at `$") if " - at `$" in message else (message, "", "")
    names = _INDEX.sub("", path.rstrip("`")).split(".")[1:]
    if names and path.startswith(f".{names[0]}[...]"):
        names[1:1] = _wrong_key(body, type_, names[0])
    if missing := _MISSING.fullmatch(text):
        return invalid(".".join([*names, missing[1]]), "is required")
    if not names:
        return Invalid(f"The body is wrong: it {_sentence(text)}.")
    members = None
    if text.startswith("Invalid enum value"):
        members = _enum_members(inspect.type_info(type_), names)
    expected = f"must be one of {', '.join(members)}" if members else _sentence(text)
    return invalid(".".join(names), expected)


def _wrong_key(body: bytes, type_: Any, field: str) -> list[str]:
    """Return the key of the first invalid entry in an object that is a field of the body.

    msgspec does not report which entry is wrong. Returns an empty list if the entries have no
    type: the field itself is invalid.
    """
    field_type = next(
        info.type for info in msgspec.structs.fields(type_) if info.encode_name == field
    )
    value_type = _value_type(field_type)
    if value_type is None:
        return []
    # If the field occurs twice, the last one may be valid or not an object.
    with contextlib.suppress(msgspec.ValidationError):
        value = msgspec.json.decode(body, type=dict[str, msgspec.Raw])[field]
        for key, entry in msgspec.json.decode(value, type=dict[str, msgspec.Raw]).items():
            try:
                decoder_of(value_type).decode(entry)
            except msgspec.ValidationError:
                return [key[:_MAX_KEY_LENGTH]]
    return []


def _value_type(type_: Any) -> Any:
    """The type of a dict's values, also within a union; None if it is Any or there is no dict."""
    arguments = get_args(type_)
    if get_origin(type_) is dict:
        return None if arguments[1] is Any else arguments[1]
    return next(filter(None, map(_value_type, arguments)), None)


def _sentence(text: str) -> str:
    # Without the wrong value, which may be long.
    text = re.sub(r"(?s)^Invalid enum value .*", "is not one of the allowed values", text)
    text = re.sub(r"^Expected ", "must be ", text)
    text = re.sub(r"^Invalid (\S+)", r"is not a valid \1", text)

    def type_names(match: re.Match[str]) -> str:
        return " or ".join(_TYPE_NAMES.get(name, name) for name in match[1].split(" | "))

    text = re.sub(r"`([a-z |]+)`", type_names, text)
    text = text.replace("a string of length >= 1", "a string that is not empty")
    text = re.sub(r"a string of length <= (\d+)", r"a string of at most \1 characters", text)
    text = re.sub(r"(an array|an object) of length >= 1", r"\1 that is not empty", text)
    text = re.sub(r"(an array|an object) of length <= (\d+)", r"\1 of at most \2 entries", text)
    text = re.sub(r">= ([\d.]+?)(?:\.0)?$", r"of at least \1", text)
    text = re.sub(r"<= ([\d.]+?)(?:\.0)?$", r"of at most \1", text)
    text = re.sub(r"a string matching regex '\\+S'", "a string that is not blank", text)
    return text.replace(", got ", ", not ")


def _enum_members(type_: inspect.Type, path: Sequence[str]) -> list[str] | None:
    """The values of the enumeration at the path within the type; None if there is none."""
    match type_:
        case inspect.UnionType():
            members = (_enum_members(member, path) for member in type_.types)
            return next(filter(None, members), None)
        case inspect.Metadata():
            return _enum_members(type_.type, path)
        case inspect.ListType():
            return _enum_members(type_.item_type, path)
        case inspect.DictType() if path:
            return _enum_members(type_.value_type, path[1:])
        case inspect.StructType() if path:
            fields = {field.encode_name: field.type for field in type_.fields}
            return _enum_members(fields[path[0]], path[1:]) if path[0] in fields else None
        case inspect.LiteralType() if not path:
            return [str(value) for value in type_.values]
    return None
