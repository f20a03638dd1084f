"""What every surface has: prefixes, an error body, operations; and how requests are read.

Every input is a msgspec struct: it is decoded strictly by the same declaration that the OpenAPI
document shows.
"""

import asyncio
import contextlib
import functools
import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from types import UnionType
from typing import Any, Final, Literal, TypeVar, cast, get_args, get_origin
from uuid import UUID

import msgspec
from litestar import Request, Response, Router
from litestar.handlers import HTTPRouteHandler
from msgspec import inspect

from domains.kernel.core.problems import Invalid, Problem, WriteConflict, invalid
from domains.kernel.pagination.offset import OffsetPage
from domains.kernel.tenancy.api_keys import Scope

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

# JSON deeper than this is refused.
MAX_DEPTH: Final = 100

# `any key`: authenticated, no scope needed. `public`: no key at all.
Access = Scope | Literal["any key", "public"]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What a handler declares about itself: its name, who may call it, what it takes."""

    id: str
    access: Access
    summary: str
    request: type[Any] | UnionType | None = None
    query: type[msgspec.Struct] | None = None
    errors: tuple[int, ...] = ()
    # Ours, documented by no vendor: marked in the OpenAPI document.
    addition: bool = False
    # Whether a request counts against the key's limits.
    counted: bool = True
    # Type of the id in the path.
    path_id: Any = UUID
    # Fields of the answer's example that differ from the examples of its struct; in a list, of each
    # item. UNSET leaves a field out.
    example: Mapping[str, Any] = {}
    # Fields of a created record by the parameter of other operations that they fill, unless `id`.
    links: Mapping[str, str] = {}


def operation(
    operation_id: str,
    access: Access,
    summary: str,
    *,
    request: type[Any] | UnionType | None = None,
    query: type[msgspec.Struct] | None = None,
    errors: tuple[int, ...] = (),
    addition: bool = False,
    counted: bool = True,
    path_id: Any = UUID,
    example: Mapping[str, Any] | None = None,
    links: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The `opt` of a handler. A handler without one stops the application from starting."""
    return {
        "operation": Operation(
            id=operation_id,
            access=access,
            summary=summary,
            request=request,
            query=query,
            errors=errors,
            addition=addition,
            counted=counted,
            path_id=path_id,
            example=example or {},
            links=links or {},
        )
    }


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """One public API: where it is, how it refuses and what belongs to it."""

    name: str
    title: str
    description: str
    # The first is the documented one, the others serve the same.
    prefixes: tuple[str, ...]
    handlers: Sequence[HTTPRouteHandler]
    media_type: str
    error_types: Mapping[str, type[msgspec.Struct]]
    error_body: Callable[[Problem, str, str], msgspec.Struct]
    # Whether POST and PATCH without Content-Length are refused with 411.
    needs_length: bool = False
    # Whether a body of another Content-Type than JSON is refused with 400.
    needs_json: bool = False
    # As what a write is refused that another one got in the way of.
    contention: type[Problem] = WriteConflict
    tag_of: Callable[[str], str]
    # Query parameters that the vendor documents; others are marked as additions. None: all are.
    vendor_parameters: frozenset[str] | None = None
    # Whether an id in a path that is no UUID is refused with 400; otherwise with 404.
    refuses_malformed_ids: bool = False

    def routers(self) -> list[Router]:
        """The handlers under every prefix."""
        return [Router(path=prefix, route_handlers=list(self.handlers)) for prefix in self.prefixes]

    def owns(self, path: str) -> bool:
        """Whether a request path lies under one of the prefixes."""
        return any(
            path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in self.prefixes
        )


# --- answers ----------------------------------------------------------------------------------


def paged(page: OffsetPage[T], limit: int, offset: int) -> Response[list[T]]:
    """A bare array with the paging headers."""
    headers = {
        "X-Total-Count": str(page.total),
        "X-Limit": str(limit),
        "X-Offset": str(offset),
    }
    if page.capped:
        headers["X-Total-Count-Capped"] = "true"
    return Response(page.items, headers=headers)


# --- requests ---------------------------------------------------------------------------------

# \u0000 as an escape, i.e. behind an even number of backslashes.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# Possessive, so that no input makes it look twice.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
# Bodies over this many bytes are read in a thread.
_LARGE: Final = 256 * 1024
_WHOLE: Final = re.compile(r"-?[0-9]{1,4000}")
_NUMBER: Final = re.compile(
    r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?"
)
_SWITCH: Final = {"true": True, "false": False, "1": True, "0": False}
_MISSING: Final = re.compile(r"Object missing required field `([^`]+)`")
# In a path of msgspec: a place in an array, `[0]`, or some entry of an object, `[...]`.
_PLACE: Final = re.compile(r"\[[^\]]*\]")
# Of a longer key only the beginning is named.
_LONGEST_KEY: Final = 100
_WORDS: Final = {
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


@functools.cache
def _decoder(into: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder[Any](into)


async def decode(body: bytes, into: type[T]) -> T:
    """The JSON body as a struct, whatever the Content-Type; Invalid names the field at fault."""
    if len(body) <= _LARGE:
        return _decode(body, into)
    return await asyncio.to_thread(_decode, body, into)


def _decode(body: bytes, into: type[T]) -> T:
    if not body.strip():
        raise Invalid("The request needs a JSON body.")
    _refuse_hostile(body)
    try:
        # msgspec passes over the texts of unknown fields without reading them.
        body.decode()
        decoded: T = _decoder(cast(Hashable, into)).decode(body)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), into, body) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("The body is not valid JSON in UTF-8.") from None
    return decoded


def query(request: Request[Any, Any, Any], into: type[S]) -> S:
    """The query parameters as a struct; Invalid names the parameter. Unknown ones are ignored."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(into)}
    given: dict[str, str | int | float | bool] = {}
    for name, value in request.query_params.multi_items():
        if name not in fields:
            continue
        if name in given:
            raise invalid(name, "is given more than once")
        if "\0" in value:
            raise invalid(name, "holds the character U+0000, which no text may contain")
        kind = inspect.type_info(fields[name].type)
        kind = kind.type if isinstance(kind, inspect.Metadata) else kind
        given[name] = _READERS.get(type(kind), _as_text)(name, value)
    try:
        return msgspec.convert(given, into)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), into) from None


def _as_text(_name: str, value: str) -> str:
    return value


def _as_whole(name: str, value: str) -> int:
    if not _WHOLE.fullmatch(value):
        raise invalid(name, "must be a whole number")
    return int(value)


def _as_number(name: str, value: str) -> float:
    if not _NUMBER.fullmatch(value) or not math.isfinite(number := float(value)):
        raise invalid(name, "must be a number")
    return number


def _as_switch(name: str, value: str) -> bool:
    if (found := _SWITCH.get(value.lower())) is None:
        raise invalid(name, "must be true or false")
    return found


_READERS: Final[Mapping[type, Callable[[str, str], str | int | float | bool]]] = {
    inspect.IntType: _as_whole,
    inspect.FloatType: _as_number,
    inspect.BoolType: _as_switch,
}


def _refuse_hostile(body: bytes) -> None:
    if b"\\u0000" in body and _NUL.search(body):
        raise Invalid("The body holds the character U+0000, which no text may contain.")
    # Most bodies have too few brackets for any depth; only the others are measured, by taking
    # away the innermost pairs again and again.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        left = _STRING.sub(b"", body).translate(_ONE_KIND, _NO_BRACKETS)
        for _ in range(MAX_DEPTH):
            left = left.replace(b"[]", b"")
        # What is left of balanced brackets is deeper; unbalanced ones are no JSON anyway.
        if left:
            raise Invalid(f"The body is no JSON, or nested deeper than {MAX_DEPTH} levels.")


def _refusal(message: str, into: Any, body: bytes = b"") -> Invalid:
    """A msgspec message in words for the caller: the field's path and what it must be."""
    # The last one: what was given instead may look like a path.
    text, _, at = message.rpartition(" - at `$") if " - at `$" in message else (message, "", "")
    names = _PLACE.sub("", at.rstrip("`")).split(".")[1:]
    if names and at.startswith(f".{names[0]}[...]"):
        names[1:1] = _wrong_key(body, into, names[0])
    if missing := _MISSING.fullmatch(text):
        return invalid(".".join([*names, missing[1]]), "is required")
    if not names:
        return Invalid(f"The body is wrong: it {_sentence(text)}.")
    allowed = None
    if text.startswith("Invalid enum value"):
        allowed = _allowed(inspect.type_info(into), names)
    said = f"must be one of {', '.join(allowed)}" if allowed else _sentence(text)
    return invalid(".".join(names), said)


def _wrong_key(body: bytes, into: Any, field: str) -> list[str]:
    """The key of the first wrong entry of an object that is a field of the body.

    msgspec says that there is one, not which. None where the entries may be anything: then the
    field as a whole is at fault.
    """
    kind = next(each.type for each in msgspec.structs.fields(into) if each.encode_name == field)
    values = _value_type(kind)
    if values is None:
        return []
    # Where the field stands twice, the last one may be no object, or have no fault.
    with contextlib.suppress(msgspec.ValidationError):
        given = msgspec.json.decode(body, type=dict[str, msgspec.Raw])[field]
        for key, entry in msgspec.json.decode(given, type=dict[str, msgspec.Raw]).items():
            try:
                _decoder(values).decode(entry)
            except msgspec.ValidationError:
                return [key[:_LONGEST_KEY]]
    return []


def _value_type(kind: Any) -> Any:
    """The type of the values of a dict, also one that may be null; None where that is any."""
    parts = get_args(kind)
    if get_origin(kind) is dict:
        return None if parts[1] is Any else parts[1]
    return next(filter(None, map(_value_type, parts)), None)


def _sentence(text: str) -> str:
    # What was given instead may be of any length.
    text = re.sub(r"(?s)^Invalid enum value .*", "is not one of the allowed values", text)
    text = re.sub(r"^Expected ", "must be ", text)
    text = re.sub(r"^Invalid (\S+)", r"is not a valid \1", text)

    def word(found: re.Match[str]) -> str:
        return " or ".join(_WORDS.get(part, part) for part in found[1].split(" | "))

    text = re.sub(r"`([a-z |]+)`", word, text)
    text = text.replace("a string of length >= 1", "a string that is not empty")
    text = re.sub(r"a string of length <= (\d+)", r"a string of at most \1 characters", text)
    text = re.sub(r"(an array|an object) of length >= 1", r"\1 that is not empty", text)
    text = re.sub(r"(an array|an object) of length <= (\d+)", r"\1 of at most \2 entries", text)
    text = re.sub(r">= ([\d.]+?)(?:\.0)?$", r"of at least \1", text)
    text = re.sub(r"<= ([\d.]+?)(?:\.0)?$", r"of at most \1", text)
    text = re.sub(r"a string matching regex '\\+S'", "a string that is not blank", text)
    return text.replace(", got ", ", not ")


def _allowed(kind: inspect.Type, names: Sequence[str]) -> list[str] | None:
    """The values of the enumeration to which the names lead from a type, if they do."""
    match kind:
        case inspect.UnionType():
            return next(filter(None, (_allowed(each, names) for each in kind.types)), None)
        case inspect.Metadata():
            return _allowed(kind.type, names)
        case inspect.ListType():
            return _allowed(kind.item_type, names)
        case inspect.DictType() if names:
            return _allowed(kind.value_type, names[1:])
        case inspect.StructType() if names:
            fields = {field.encode_name: field.type for field in kind.fields}
            return _allowed(fields[names[0]], names[1:]) if names[0] in fields else None
        case inspect.LiteralType() if not names:
            return [str(value) for value in kind.values]
    return None
