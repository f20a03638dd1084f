"""Decoding of request bodies and query parameters into structs.

The same structs are shown in the OpenAPI documents.
"""

import asyncio
import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request
from msgspec import inspect

from domains.kernel.core.problems import Invalid, invalid
from domains.kernel.untrusted import json_guard
from domains.kernel.untrusted.optional_nulls import accepting_nulls
from gateway.validation_errors import decoder_of, to_invalid

T = TypeVar("T")
K = TypeVar("K")
S = TypeVar("S", bound=msgspec.Struct)

# --- bodies -----------------------------------------------------------------------------------

# Bytes. Larger bodies are decoded in a thread.
_THREAD_THRESHOLD: Final = 256 * 1024


async def decode_body(body: bytes, body_type: type[T]) -> T:
    """Decode a JSON body of any Content-Type. Raises Invalid with the path of the wrong field."""
    return await _decode_checked(body, lambda: _decode(body, body_type))


async def decode_new(body: bytes, body_type: type[S]) -> S:
    """Decode the JSON body of a create: null for an optional field equals an absent field.

    Raises Invalid with the path of the wrong field.
    """
    return await _decode_checked(body, lambda: _decode_new(body, body_type))


async def decode_variant(body: bytes, selector_type: type[K], choose: Callable[[K], type[S]]) -> S:
    """Decode the JSON body of a create that has several forms.

    `choose` gets the fields that distinguish the forms and returns the form's type. It may raise
    Invalid.
    """
    return await _decode_checked(
        body, lambda: _decode_new(body, choose(_decode(body, selector_type)))
    )


async def _decode_checked(body: bytes, decode: Callable[[], T]) -> T:
    def check_and_decode() -> T:
        if not body or body.isspace():
            raise Invalid("The request needs a JSON body.")
        if fault := json_guard.find_json_error(body):
            raise Invalid(f"The body {fault}.")
        return decode()

    if len(body) > _THREAD_THRESHOLD:
        return await asyncio.to_thread(check_and_decode)
    return check_and_decode()


def _decode_new(body: bytes, body_type: type[S]) -> S:
    """Decode twice if a null may be the error, so that valid bodies take no longer."""
    try:
        decoded: S = decoder_of(body_type).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode(body, accepting_nulls(body_type) if b"null" in body else body_type)
    return decoded


def _decode(body: bytes, body_type: type[T]) -> T:
    try:
        decoded: T = decoder_of(body_type).decode(body)
    except msgspec.ValidationError as error:
        raise to_invalid(error, body_type, body) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid(f"The body {json_guard.INVALID_JSON}.") from None
    return decoded


# --- query parameters -------------------------------------------------------------------------

Value = str | int | float | bool

_INTEGER: Final = re.compile(r"-?[0-9]{1,4000}")
_NUMBER: Final = re.compile(
    r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?"
)
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}


# Parameters that an error of the client left empty: a page of another size may hide records.
_NEVER_EMPTY: Final = ("limit", "offset")


def parse_query(request: Request[Any, Any, Any], query_type: type[S]) -> S:
    """Parse the query parameters. Raises Invalid naming the wrong one.

    Ignores unknown parameters, and optional ones that are empty, except `limit` and `offset`.
    """
    parsers, ignored_if_empty = _parsers(query_type)
    values: dict[str, Value] = {}
    empty: set[str] = set()
    for name, text in request.query_params.multi_items():
        if name not in parsers:
            continue
        if name in values or name in empty:
            raise invalid(name, "is given more than once")
        if not text and name in ignored_if_empty:
            empty.add(name)
            continue
        if "\0" in text:
            raise invalid(name, "contains the character U+0000, which cannot be stored")
        values[name] = parsers[name](name, text)
    try:
        return msgspec.convert(values, query_type)
    except msgspec.ValidationError as error:
        raise to_invalid(error, query_type) from None


@functools.cache
def _parsers(
    query_type: type[msgspec.Struct],
) -> tuple[Mapping[str, Callable[[str, str], Value]], frozenset[str]]:
    """Parsers by parameter name, and the names of the parameters that are ignored if empty.

    Cached: introspection takes longer than a request's parsing.
    """
    parsers = {}
    ignored_if_empty = set()
    for field in msgspec.structs.fields(query_type):
        kind = inspect.type_info(field.type)
        kind = kind.type if isinstance(kind, inspect.Metadata) else kind
        parsers[field.encode_name] = _PARSERS.get(type(kind), _parse_text)
        if not field.required and field.encode_name not in _NEVER_EMPTY:
            ignored_if_empty.add(field.encode_name)
    return parsers, frozenset(ignored_if_empty)


def _parse_text(_name: str, text: str) -> str:
    return text


def _parse_integer(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise invalid(name, "must be a whole number")
    return int(text)


def _parse_number(name: str, text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(number := float(text)):
        raise invalid(name, "must be a number")
    return number


def _parse_boolean(name: str, text: str) -> bool:
    if (value := _BOOLEANS.get(text.lower())) is None:
        raise invalid(name, "must be true or false")
    return value


_PARSERS: Final[Mapping[type, Callable[[str, str], Value]]] = {
    inspect.IntType: _parse_integer,
    inspect.FloatType: _parse_number,
    inspect.BoolType: _parse_boolean,
}
