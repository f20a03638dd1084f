"""What every surface has: prefixes, an error body, operations; and how requests are read.

Every input is a msgspec struct: it is decoded strictly by the same declaration that the OpenAPI
document shows.
"""

import asyncio
import functools
import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from types import UnionType
from typing import Any, Final, Literal, TypeVar, cast

import msgspec
from litestar import Request, Response, Router
from litestar.handlers import HTTPRouteHandler
from msgspec import inspect

from domains.kernel.keys import Scope
from domains.kernel.paging import Paged
from domains.kernel.problems import Contended, Invalid, Problem, invalid

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
    contention: type[Problem] = Contended
    tag_of: Callable[[str], str]

    def routers(self) -> list[Router]:
        """The handlers under every prefix."""
        return [Router(path=prefix, route_handlers=list(self.handlers)) for prefix in self.prefixes]

    def owns(self, path: str) -> bool:
        """Whether a request path lies under one of the prefixes."""
        return any(
            path == prefix or path.startswith(prefix.rstrip("/") + "/") for prefix in self.prefixes
        )


# --- answers ----------------------------------------------------------------------------------


def paged(page: Paged[T], limit: int, offset: int) -> Response[list[T]]:
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
        raise _refusal(str(error), into) from None
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


def _refusal(message: str, into: Any) -> Invalid:
    """A msgspec message in words for the caller: the field's path and what it must be."""
    text, _, at = message.partition(" - at `")
    path = re.sub(r"\[[^\]]*\]", "", at.rstrip("`").removeprefix("$").removeprefix("."))
    if missing := _MISSING.fullmatch(text):
        return invalid(".".join(filter(None, (path, missing[1]))), "is required")
    if not path:
        return Invalid(f"The body is wrong: it {_sentence(text)}.")
    allowed = _allowed(into, path) if text.startswith("Invalid enum value") else None
    return invalid(path, f"must be one of {', '.join(allowed)}" if allowed else _sentence(text))


def _sentence(text: str) -> str:
    text = re.sub(r"^Expected ", "must be ", text)
    text = re.sub(r"^Invalid (\S+)", r"is not a valid \1", text)

    def word(found: re.Match[str]) -> str:
        return " or ".join(_WORDS.get(part, part) for part in found[1].split(" | "))

    text = re.sub(r"`([a-z |]+)`", word, text)
    text = text.replace("a string of length >= 1", "a string that is not empty")
    text = re.sub(r"a string of length <= (\d+)", r"a string of at most \1 characters", text)
    text = re.sub(r">= ([\d.]+?)(?:\.0)?$", r"of at least \1", text)
    text = re.sub(r"<= ([\d.]+?)(?:\.0)?$", r"of at most \1", text)
    text = re.sub(r"a string matching regex '\\+S'", "a string that is not blank", text)
    return text.replace(", got ", ", not ")


def _allowed(into: Any, path: str) -> list[str] | None:
    """The values of an enumerated field, where the path leads straight to one."""
    for field in msgspec.structs.fields(into):
        if field.encode_name == path:
            kind = inspect.type_info(field.type)
            kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
            for each in kinds:
                inner = each.type if isinstance(each, inspect.Metadata) else each
                if isinstance(inner, inspect.LiteralType):
                    return [str(value) for value in inner.values]
    return None
