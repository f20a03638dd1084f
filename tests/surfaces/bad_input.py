"""What a table of bad input is made of: values that fit nothing, bodies that nobody can decode, a
walk over what a surface declares, and requests that are sent some at a time.
"""

import asyncio
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, NamedTuple, get_args
from urllib.parse import quote

import httpx
import msgspec
from litestar.routes import HTTPRoute
from msgspec import inspect

from gateway.operations import Operation, Surface

Json = dict[str, Any]
Values = tuple[Any, ...]

NIL = "00000000-0000-0000-0000-000000000000"
UNKNOWN = "00000000-0000-7000-8000-000000000000"
SOME_UUID = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001"


# --- tables -----------------------------------------------------------------------------------


class Call(NamedTuple):
    """How an operation is called: the structs of its body, and that of its query, by name."""

    method: str
    path: str
    bodies: tuple[str, ...] = ()
    query: str | None = None


class At(NamedTuple):
    """A wrong value whose fault lies further in: the path that the answer names."""

    path: str
    value: Any


@dataclass(frozen=True)
class Field:
    """A field of a body: a good value, further good ones, wrong ones.

    `links`: a list of ids of this resource; its good value is a record of the tenant. Null is wrong
    unless `more` has it.
    """

    good: Any
    wrong: Sequence[Any]
    more: Sequence[Any] = ()
    required: bool = False
    links: str | None = None

    def __post_init__(self) -> None:
        if None not in self.more:
            object.__setattr__(self, "wrong", (*self.wrong, None))


class Parameter(NamedTuple):
    """A parameter's good and wrong texts, as they stand in the address."""

    good: Sequence[str]
    wrong: Sequence[str]


class Case(NamedTuple):
    """A request, and the field at fault where it is wrong (empty: the body as a whole)."""

    field: str
    content: bytes | None = None
    query: str = ""
    reference: str = UNKNOWN


# --- values -----------------------------------------------------------------------------------

# A number too large for any float: written 1e999.
HUGE = math.inf

NOT_TEXT: Values = (5, 1.5, True, [], {}, ["x"], HUGE)
NO_UUID = (
    *("", "x", "SIGNAL-1", f"{{{SOME_UUID}}}", f"urn:uuid:{SOME_UUID}"),
    *(f" {SOME_UUID}", f"{SOME_UUID}0", SOME_UUID.replace("6", "g")),
)
NOT_UUID: Values = (*NO_UUID, 5, True, [], {}, [SOME_UUID], HUGE)
NOT_A_LIST: Values = ("x", SOME_UUID, 5, True, {}, {"0": SOME_UUID}, HUGE)
NOT_TEXTS: Values = (*NOT_A_LIST, [5], [None], [True], [[]], [{}], ["x", 5], [HUGE])
NOT_AN_OBJECT: Values = ("x", 5, True, [], [{}], HUGE)
NOT_A_SWITCH: Values = ("", "true", 0, 1, [], {}, HUGE)

SQL = "'; drop table insights; -- \" \\ %s $1 :x"
ANY_TEXT = (
    "x",
    "  spaces stay  ",
    "a\r\nb\tc",
    "Zwölf Boxkämpfer 🥊 שלום \u202e",
    "e\u0301 is not \u00e9",
    "\u200b",
    "\ufeff",
    "\x01\x7f\x85.",
    "\ufffd\ufffe\uffff\U00010000\U0010ffff",
    SQL,
)
NOT_A_NUMBER = (
    "",
    *("x", "-1", "1.0", "1e2", "%2B5", "%205", "5%20", "5%0a", "0x5", "1_0", "1,2"),
    *("null", "true", "NaN", "%00", "5%00", "%ff"),
    *(quote(text, safe="") for text in ("١", "１", "½", "−5")),
)


def one_of(*values: str, never: Sequence[str] = (), required: bool = False) -> Field:
    """A field of an enumeration; `never` are values of another one."""
    last = values[-1]
    near = (last.upper(), last[:-1], f" {last}", f"{last}\n", last.replace("_", "-") + "s")
    like_a_path = (f"{last} - at `$.name`", f"{last} - at `$.name[...]`")
    wrong = ("", *never, *near, *like_a_path, "x" * 9000, 0, True, [], [last], {}, HUGE)
    return Field(last, wrong, values[:-1], required)


def coded(*texts: str) -> tuple[str, ...]:
    """Texts as they stand in an address."""
    return tuple(quote(each, safe="") for each in texts)


def choice(*values: str) -> Parameter:
    """A parameter of an enumeration."""
    last = values[-1]
    return Parameter(
        values, ("", "x", "0", last.upper(), f"{last}%00", f"%20{last}", f"{last},x", "%ff")
    )


# Texts, written in JSON, that hold what no text may.
NO_TEXTS = [
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
    b'"\xc0\xaf"',
    b'"cut \xf0\x9f"',
    b'"\\ud800"',
    b'"a\\udc00b"',
    b'"\\udc00\\ud800"',
    b'"a\\u0000b"',
    b'"a\\\\\\u0000b"',
    b'"a\x00b"',
    b'"a\nb"',
    b'"\\x41"',
    b"'a'",
]
NO_VALUES = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"01",
    b"1.",
    b"+1",
    b"0x1",
    b"undefined",
    b"True",
    b"// no\n1",
    b"[" * 100 + b"]" * 100,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b"[" * 100_000,
    b"[1,]",
    b'{"a\\u0000": 1}',
    b'{"\\ud800": 1}',
]


def json_of(body: Any) -> bytes:
    """A body as it is sent."""
    return json.dumps(body).replace("Infinity", "1e999").encode()


def undecodable(good: Json, text: str) -> Iterator[bytes]:
    """Bodies that are no JSON object in UTF-8, or hold what no text may in the field `text`."""
    whole, rest = json_of(good), json_of({each: good[each] for each in good if each != text})
    yield from (b"", b"  \n", b"null", b"true", b"5", b'"text"', b"[]", b"[{}]", b"{", b"}")
    yield from (whole[:-1], whole[:-1] + b",}", whole + b" trailing", whole + whole, whole + b"\0")
    yield from (b"\xef\xbb\xbf" + whole, whole.decode().encode("utf-16"), b"[" + whole + b"]")
    start = rest[:-1] + (b", " if len(rest) > 2 else b"")
    for value in NO_TEXTS:
        yield start + f'"{text}": '.encode() + value + b"}"
    for value in NO_VALUES:
        yield whole[:-1] + b', "unknown": ' + value + b"}"


# --- what a surface declares ------------------------------------------------------------------


def declared(surface: Surface) -> Iterator[tuple[str, str, Operation]]:
    """Method, path below the prefix and declaration of every handler of every prefix."""
    for prefix, router in zip(surface.prefixes, surface.routers(), strict=True):
        for route in router.routes:
            assert isinstance(route, HTTPRoute)
            for handler in route.route_handlers:
                found: Operation | None = handler.opt.get("operation")
                if found is not None:
                    for method in handler.http_methods:
                        yield str(method), route.path_format.removeprefix(prefix), found


def structs(operation: Operation) -> tuple[type[msgspec.Struct], ...]:
    """Those that its body may be."""
    request = operation.request
    if isinstance(request, UnionType):
        return get_args(request)
    return () if request is None else (request,)


def called(surface: Surface) -> Iterator[tuple[str, Call]]:
    """Every operation as a table of them has it, once for each prefix."""
    for method, path, each in declared(surface):
        query = each.query.__name__ if each.query else None
        yield each.id, Call(method, path, tuple(it.__name__ for it in structs(each)), query)


def bodies_of(surface: Surface) -> dict[str, type[msgspec.Struct]]:
    """Every struct of a body by its name."""
    return {it.__name__: it for _, _, each in declared(surface) for it in structs(each)}


def queries_of(surface: Surface) -> dict[str, type[msgspec.Struct]]:
    """Every struct of a query by its name."""
    return {each.query.__name__: each.query for _, _, each in declared(surface) if each.query}


def names(struct: type[msgspec.Struct]) -> set[str]:
    """The names of its fields in a request."""
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def required(struct: type[msgspec.Struct]) -> set[str]:
    """The names of the fields that a request needs."""
    return {field.encode_name for field in msgspec.structs.fields(struct) if field.required}


def inner(struct: type[msgspec.Struct]) -> set[str]:
    """The paths of the fields of structs inside its fields; `*` is a key of an object."""
    return {
        path
        for field in msgspec.structs.fields(struct)
        for path in _inner(inspect.type_info(field.type), field.encode_name)
    }


def _inner(kind: inspect.Type, path: str) -> Iterator[str]:
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _inner(each, path)
    elif isinstance(kind, inspect.Metadata):
        yield from _inner(kind.type, path)
    elif isinstance(kind, inspect.ListType):
        yield from _inner(kind.item_type, path)
    elif isinstance(kind, inspect.DictType):
        yield from _inner(kind.value_type, f"{path}.*")
    elif isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield f"{path}.{field.encode_name}"
            yield from _inner(field.type, f"{path}.{field.encode_name}")


# --- requests ---------------------------------------------------------------------------------


async def send(http: httpx.AsyncClient, prefix: str, call: Call, case: Case) -> httpx.Response:
    """The answer to a case."""
    path = prefix + re.sub(r"\{\w+\}", lambda _: case.reference, call.path)
    query = case.query and f"?{case.query}"
    return await http.request(call.method, path + query, content=case.content)


async def send_all(
    http: httpx.AsyncClient, prefix: str, call: Call, cases: Iterable[Case]
) -> list[tuple[Case, httpx.Response]]:
    """The answers to all cases, some at a time."""
    turn = asyncio.Semaphore(6)

    async def answered(case: Case) -> tuple[Case, httpx.Response]:
        async with turn:
            return case, await send(http, prefix, call, case)

    return await asyncio.gather(*(answered(case) for case in cases))
