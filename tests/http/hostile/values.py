"""Good and wrong values for every type of the contracts, in bodies and in query parameters."""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from tests.http.contracts import Contract, Field, Json, Operation, inlined

NIL: Final = "00000000-0000-0000-0000-000000000000"
UNKNOWN: Final = "00000000-0000-7000-8000-000000000000"
SOME_UUID: Final = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001"
OTHER_UUID: Final = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002"
STARTED: Final = "2026-03-11T14:00:00Z"


class InvalidValue(NamedTuple):
    """A wrong value, and the path of the field that the error names."""

    path: str
    value: Any


class Parameter(NamedTuple):
    """Good and wrong values of a query parameter, as percent-encoded texts."""

    good: Sequence[str]
    wrong: Sequence[str]


def four_byte_text(length: int) -> str:
    """A text of `length` characters that take four bytes each and hardly compress."""
    return "".join(chr(0x20000 + number * 7919 % 40_000) for number in range(length))


def percent_encoded(*texts: str) -> tuple[str, ...]:
    """Percent-encode each text."""
    return tuple(quote(each, safe="") for each in texts)


# --- bodies -----------------------------------------------------------------------------------

# A number too large for any float, written as 1e999.
INFINITY: Final = math.inf

NOT_TEXT: Final[tuple[Any, ...]] = (5, 1.5, True, [], {}, ["x"], INFINITY)
BLANK: Final = ("", " ", "\n\t", "\u00a0\u2028", "\x1f")
MALFORMED_UUIDS: Final = (
    *("", "x", "gong", "SIGNAL-1", f"{{{SOME_UUID}}}", f"urn:uuid:{SOME_UUID}"),
    *(f" {SOME_UUID}", f"{SOME_UUID}0", SOME_UUID.replace("6", "g")),
)
NOT_A_UUID: Final[tuple[Any, ...]] = (*MALFORMED_UUIDS, 5, True, [], {}, [SOME_UUID], INFINITY)
NOT_A_LIST: Final[tuple[Any, ...]] = ("x", SOME_UUID, 5, True, {}, {"0": SOME_UUID}, INFINITY)
NOT_AN_OBJECT: Final[tuple[Any, ...]] = ("x", 5, True, [], [{}], INFINITY)
NOT_A_BOOLEAN: Final[tuple[Any, ...]] = ("", "true", 0, 1, [], {}, INFINITY)
NOT_A_NUMBER: Final[tuple[Any, ...]] = ("", "5", True, [], {}, INFINITY, 10**30, 1e300)
NOT_AN_INTEGER: Final[tuple[Any, ...]] = (*NOT_A_NUMBER, 1.0, 1.5)

SQL: Final = "'; drop table insights; -- \" \\ %s $1 :x"
ANY_TEXT: Final = (
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

# Times of the revenue record, and how they are read back.
TIMESTAMPS: Final[list[tuple[Any, str]]] = [
    (STARTED, STARTED),
    ("2026-03-11t14:00:00z", STARTED),
    ("2026-03-11T16:00:00+02:00", STARTED),
    ("2026-03-11T16:00:00+0200", STARTED),
    ("2026-03-11T06:00-08", STARTED),
    ("2026-03-11T14:00:00", STARTED),
    ("2026-03-11 14:00", STARTED),
    ("2026-03-11", "2026-03-11T00:00:00Z"),
    ("2026-03-11T14:00:00,5Z", "2026-03-11T14:00:00.500000Z"),
    ("2026-03-11T14:00:00.123456789Z", "2026-03-11T14:00:00.123456Z"),
    (1773237600, STARTED),
    ("1773237600", STARTED),
    ("+1773237600", STARTED),
    (1773237600.5, "2026-03-11T14:00:00.500000Z"),
    ("1773237600.5", "2026-03-11T14:00:00.500000Z"),
    (1773237600000, STARTED),
    ("1773237600000", STARTED),
    (1773237600500.0, "2026-03-11T14:00:00.500000Z"),
    ("1773237600500.25", "2026-03-11T14:00:00.500250Z"),
    (0, "1970-01-01T00:00:00Z"),
    ("-1", "1969-12-31T23:59:59Z"),
    (-1.5, "1969-12-31T23:59:58.500000Z"),
    (99_999_999_999, "5138-11-16T09:46:39Z"),
    (100_000_000_000, "1973-03-03T09:46:40Z"),
    (253_402_214_400_000, "9999-12-31T00:00:00Z"),
    ("0001-01-02T00:00:00Z", "0001-01-02T00:00:00Z"),
    ("9999-12-30T00:00:00+14:00", "9999-12-29T10:00:00Z"),
]
# Texts that neither API accepts as a time.
INVALID_TIMES: Final = (
    *("x", "yesterday", "now", "NaN", "Infinity", "null", "true", "0x5", "1e10", "１２３"),
    *("2025-13-01", "2025-02-29", "2025-1-1", "20250101T000000Z", "2025-W01-1", "25-01-01"),
    *("2025-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2025-01-01T25:00:00Z"),
    *("2025-01-01T00:00:00+25:00", "2025-01-01T00:00:00 Z", "2025-01-01T", "2025-01-01\n"),
    *(" 2025-01-01", "2025-01-01T00:00:00Z\n", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z"),
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z"),
    "9999-12-31T23:59:59-14:00",
)
# Times that the revenue record accepts in bodies and discovery does not.
NOT_ISO: Final = ("1700000000",)
NOT_AN_ISO_TIME: Final[tuple[Any, ...]] = (
    *("", *INVALID_TIMES, *NOT_ISO, 0, 1700000000, 1700000000.5, True, [], {}, INFINITY),
)
NOT_A_TIMESTAMP: Final[tuple[Any, ...]] = (
    *(
        "",
        *INVALID_TIMES,
        " 1773237600",
        "1773237600 ",
        "--1",
        "1_0",
        "1.",
        ".5",
        "9" * 20,
        "9" * 21,
    ),
    *(253_402_300_800_000, -62_135_596_800_001, 10**15, -(10**15), 10**30, 1e300, 5e-324 - 1e20),
    *(True, False, [], {}, [STARTED], {"$date": STARTED}, INFINITY, -INFINITY),
)
# Used for all but one time field of each model, because one parser reads all times of an API.
SOME_NOT_A_TIMESTAMP: Final[tuple[Any, ...]] = (
    *("", "x", "2025-02-29", "10000-01-01T00:00:00Z", 10**15, 1e300, True, [], {}, INFINITY),
)


class Values:
    """Good and wrong values for the fields of a contract's models.

    Values are derived from the types. The tables, with the keys `Model.field` or `field`,
    replace the example (`examples`) or the other good values (`good`), or add wrong ones
    (`wrong`).
    """

    def __init__(
        self,
        contract: Contract,
        examples: Mapping[str, Any],
        good: Mapping[str, Sequence[Any]],
        wrong: Mapping[str, Sequence[Any]],
    ) -> None:
        self._models = {
            model: {
                name: field._replace(schema=inlined(field.schema)) for name, field in fields.items()
            }
            for model, fields in contract.models.items()
        }
        self._examples = examples
        self._good = good
        self._wrong = wrong
        self._enumerations: list[list[Any]] = [
            field.schema["enum"]
            for fields in self._models.values()
            for field in fields.values()
            if field.schema.get("type") == "string" and "enum" in field.schema
        ]

    def example(self, model: str) -> Json:
        """An object with every field."""
        fields = self._models[model]
        return {name: self._example(model, name, field.schema) for name, field in fields.items()}

    def minimal(self, model: str) -> Json:
        """An object with the required fields."""
        fields = self._models[model]
        return {name: each for name, each in self.example(model).items() if fields[name].required}

    def good(self, model: str, name: str) -> list[Any]:
        """The example, then bounds, every value of an enumeration, any text, null."""
        return self._good_field(model, name, creates=is_create(model))

    def _good_field(self, model: str, name: str, *, creates: bool) -> list[Any]:
        field = self._models[model][name]
        example = self._example(model, name, field.schema)
        given = _entry(self._good, model, name)
        more = self._good_of(field.schema, example, creates=creates) if given is None else given
        return [example, *more, *([None] if accepts_null(field, creates=creates) else [])]

    def combined(self, model: str, fields: Sequence[str], *, creates: bool) -> Iterator[Json]:
        """Objects that together contain every good value of the fields. Some lack some fields."""
        columns = [
            [(name, value) for value in self._good_field(model, name, creates=creates)]
            for name in fields
        ]
        for row in itertools.zip_longest(*columns):
            yield dict(each for each in row if each is not None)

    def wrong(self, model: str, name: str) -> Iterator[InvalidValue]:
        """Wrong values of a field, each with the path that the error names."""
        return self._wrong_field(model, name, creates=is_create(model))

    def _wrong_field(self, model: str, name: str, *, creates: bool) -> Iterator[InvalidValue]:
        field = self._models[model][name]
        example = self._example(model, name, field.schema)
        first = next(
            each for each, other in self._models[model].items() if other.schema == field.schema
        )
        if "anyOf" in field.schema and name != first:
            yield from (InvalidValue(name, each) for each in SOME_NOT_A_TIMESTAMP)
        else:
            for path, value in self._wrong_of(field.schema, example, creates=creates):
                yield InvalidValue(name + path, value)
        for each in _entry(self._wrong, model, name) or ():
            yield each if isinstance(each, InvalidValue) else InvalidValue(name, each)
        if not accepts_null(field, creates=creates) and field.schema:
            yield InvalidValue(name, None)

    def _example(self, model: str, name: str, schema: Json) -> Any:
        given = _entry(self._examples, model, name)
        return self._example_of(schema) if given is None else given

    def _example_of(self, schema: Json) -> Any:
        if "enum" in schema:
            return schema["enum"][-1]
        if "$ref" in schema:
            return self.example(_model(schema))
        match schema.get("type"):
            case "array":
                return [self._example_of(schema["items"])]
            case "string":
                text = STARTED if schema.get("format") == "date-time" else "Changed."
                return SOME_UUID if schema.get("format") == "uuid" else text
            case kind:
                values = {"boolean": True, "object": {"a": [1, {"b": None}]}}
                return STARTED if "anyOf" in schema else values.get(str(kind), 50)

    def _good_of(self, schema: Json, example: Any, *, creates: bool) -> Sequence[Any]:
        if "anyOf" in schema:
            return ["", {}] if _is_link(schema) else [sent for sent, _ in TIMESTAMPS]
        if "$ref" in schema:
            model = _model(schema)
            return [self.minimal(model), *self._objects(model, creates=creates)]
        if "enum" in schema:
            return list(schema["enum"])
        match schema.get("type"):
            case "array":
                items = [example[0], *self._good_of(schema["items"], example[0], creates=creates)]
                most = [example[:1] * schema["maxItems"]] if "maxItems" in schema else []
                return [*([[]] if "minItems" not in schema else []), items, *most]
            case "boolean":
                return [True, False]
            case "integer" | "number":
                return [
                    schema["minimum"],
                    schema["maximum"],
                    (schema["minimum"] + schema["maximum"]) / 2
                    if schema["type"] == "number"
                    else 2**53 + 1,
                ]
            case "object":
                return [{}]
        if "format" in schema:
            times = (
                "0001-01-02T00:00:00Z",
                "9999-12-30T00:00:00+14:00",
                "2025-03-11T14:30:00.123456",
            )
            return times if schema["format"] == "date-time" else (OTHER_UUID, NIL)
        longest = [four_byte_text(schema["maxLength"])] if "maxLength" in schema else []
        return [*ANY_TEXT, *([""] if "minLength" not in schema else []), *longest]

    def _objects(self, model: str, *, creates: bool) -> Iterator[Json]:
        """Valid objects of a model. Together they contain every good value of every field."""
        for each in self.combined(model, list(self._models[model]), creates=creates):
            yield self.minimal(model) | each

    def _wrong_of(self, schema: Json, example: Any, *, creates: bool) -> Iterator[tuple[str, Any]]:
        if "$ref" in schema:
            model = _model(schema)
            yield from (("", each) for each in NOT_AN_OBJECT)
            for name, field in self._models[model].items():
                for path, value in self._wrong_field(model, name, creates=creates):
                    yield f".{path}", example | {name: value}
                if field.required:
                    yield f".{name}", {each: example[each] for each in example if each != name}
        elif schema.get("type") == "array":
            yield from (("", each) for each in (*NOT_A_LIST, [None]))
            for path, value in self._wrong_of(schema["items"], example[0], creates=creates):
                yield path, [example[0], value]
            if "minItems" in schema:
                yield "", []
            if "maxItems" in schema:
                yield "", example[:1] * (schema["maxItems"] + 1)
        elif "additionalProperties" in schema:
            yield from (("", each) for each in NOT_AN_OBJECT)
            yield from self._wrong_entries(schema, example, creates=creates)
        else:
            yield from (("", each) for each in self._wrong_scalars(schema))

    def _wrong_entries(
        self, schema: Json, example: Json, *, creates: bool
    ) -> Iterator[tuple[str, Any]]:
        """Wrong objects with arbitrary keys: a wrong entry, no entries, too many entries."""
        key = next(iter(example))
        entry = schema["additionalProperties"]
        nullable = "anyOf" in entry
        schema_of_entry = entry["anyOf"][0] if nullable else entry
        for path, value in self._wrong_of(schema_of_entry, example[key], creates=creates):
            yield f".{key}{path}", example | {key: value}
        if not nullable:
            yield f".{key}", example | {key: None}
        if "minProperties" in schema:
            yield "", {}
        if "maxProperties" in schema:
            yield "", {f"f{at}": example[key] for at in range(schema["maxProperties"] + 1)}

    def _wrong_scalars(self, schema: Json) -> Sequence[Any]:
        if "anyOf" in schema:
            return (1, True, []) if _is_link(schema) else NOT_A_TIMESTAMP
        match schema.get("type"):
            case "boolean":
                return NOT_A_BOOLEAN
            case "integer":
                return (*NOT_AN_INTEGER, schema["minimum"] - 1, schema["maximum"] + 1)
            case "number":
                low, high = schema["minimum"], schema["maximum"]
                return (*NOT_A_NUMBER, low - 1, low - 0.1, -1e-300, high + 0.1, high + 1)
            case "object":
                return (*NOT_AN_OBJECT, {"a": INFINITY}, {"a": [INFINITY]})
            case "string":
                return self._wrong_texts(schema)
        return ()

    def _wrong_texts(self, schema: Json) -> Sequence[Any]:
        if "enum" in schema:
            return self._not_one_of(schema["enum"])
        if schema.get("format") == "uuid":
            return NOT_A_UUID
        if schema.get("format") == "date-time":
            return NOT_AN_ISO_TIME
        wrong: list[Any] = [*NOT_TEXT]
        if "pattern" in schema:
            wrong += BLANK
        elif "minLength" in schema:
            wrong.append("")
        if "maxLength" in schema:
            wrong += [four_byte_text(schema["maxLength"] + 1), "a" * (schema["maxLength"] + 1)]
        return wrong

    def _not_one_of(self, allowed: Sequence[str]) -> Sequence[Any]:
        """Wrong values: texts similar to allowed ones, values of other enumerations or types."""
        last = allowed[-1]
        near = (last.upper(), last[:-1], f" {last}", f"{last}\n", last.replace("_", "-") + "s")
        foreign = {each for values in self._enumerations for each in values[-2:]} - set(allowed)
        like_a_path = (f"{last} - at `$.name`", f"{last} - at `$.name[...]`")
        other: tuple[Any, ...] = ("x" * 9000, 0, True, [], [last], {}, INFINITY)
        return ("", *sorted(foreign), *(set(near) - set(allowed)), *like_a_path, *other)


def is_create(model: str) -> bool:
    """True for the body of a POST, False for that of a PATCH."""
    return "Update" not in model


def accepts_null(field: Field, *, creates: bool) -> bool:
    """True if a body may contain null for the field. In a create, null equals absent."""
    return field.nullable or (creates and not field.required)


def _entry(table: Mapping[str, Any], model: str, name: str) -> Any:
    return table.get(f"{model}.{name}", table.get(name))


def _model(schema: Json) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


# --- undecodable bodies -----------------------------------------------------------------------

# JSON strings with characters that no text may contain, or with invalid syntax.
INVALID_JSON_STRINGS: Final = (
    *(b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"cut \xf0\x9f"', b'"\\ud800"'),
    *(b'"a\\udc00b"', b'"\\udc00\\ud800"', b'"a\\u0000b"', b'"a\\\\\\u0000b"', b'"a\x00b"'),
    *(b'"a\nb"', b'"\\x41"', b"'a'"),
)
_INVALID_JSON_VALUES: Final = (
    *(b"NaN", b"Infinity", b"-Infinity", b"01", b"1.", b"+1", b"0x1", b"undefined", b"True"),
    *(b"// no\n1", b"[1,]", b'{"a\\u0000": 1}', b'{"\\ud800": 1}'),
    *(b"[" * 100 + b"]" * 100, b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000),
)


def to_json(body: Any) -> bytes:
    """Encode as JSON. Infinity becomes 1e999."""
    return json.dumps(body).replace("Infinity", "1e999").encode()


def undecodable_bodies(good: bytes, text: str) -> Iterator[bytes]:
    """Bodies that are not a JSON object in UTF-8, or contain an invalid string.

    The string is in the field `text`, in an unknown field, or a key. `good` is a valid body.
    """
    yield from (b"", b"  \n", b"null", b"true", b"5", b'"text"', b"[]", b"[{}]", b"{", b"}")
    yield from (good[:-1], good[:-1] + b",}", good + b" trailing", good + good, good + b"\0")
    yield from (b"\xef\xbb\xbf" * 2 + good, good.decode().encode("utf-16"), b"[" + good + b"]")
    start = good[:-1] + b", "
    for value in INVALID_JSON_STRINGS:
        yield start + f'"{text}": '.encode() + value + b"}"
        yield start + b'"unknown": ' + value + b"}"
        yield start + b'"unknown": {"a": [' + value + b"]}}"
        yield start + value + b": 1}"
    for value in _INVALID_JSON_VALUES:
        yield start + b'"unknown": ' + value + b"}"


# --- parameters -------------------------------------------------------------------------------

NUL: Final = ("%00", "a%00")
ANY_PARAMETER: Final = (
    "",
    *percent_encoded(*ANY_TEXT, "%", "\\", "%%\\_", "(", "[*", "\\d", "a|b"),
)
_MALFORMED_INTEGERS: Final = (
    *("", "x", "-1", "1.0", "1e2", "%2B5", "%205", "5%20", "5%0a", "0x5", "1_0", "1,2"),
    *("null", "true", "NaN", "%00", "5%00", "%ff", *percent_encoded("١", "１", "½", "−5")),
)
_NUMBER: Final = Parameter(
    ("0", "-1.5", "%2B5", "1e3", ".5", "1.", "1e308", "-0", "1e-999", "0" * 300),
    (
        *("", "x", "NaN", "inf", "-Infinity", "1e999", "0x1", "1_0", "1,5", "%00", "5%00"),
        *("5%20", "--1"),
    ),
)
_BOOLEAN: Final = Parameter(
    ("true", "false", "1", "0", "TRUE", "False"),
    ("", "yes", "2", "null", "true%00", "%20true", "t", "%00"),
)
_UUID: Final = Parameter(
    (SOME_UUID, SOME_UUID.upper(), NIL, UNKNOWN),
    ("%00", f"{SOME_UUID}%00", *percent_encoded(*MALFORMED_UUIDS)),
)


def _is_link(schema: Json) -> bool:
    """True for a URL or an object; other types with alternatives are times."""
    return any(each.get("type") == "object" for each in schema["anyOf"])


def parameter_texts(field: Field, times: Parameter) -> Parameter:
    """Good and wrong texts for the type of a required parameter."""
    schema = inlined(field.schema)
    if "enum" in schema:
        last = schema["enum"][-1]
        other = last.lower() if last.isupper() else last.upper()
        near = (f"{last}%00", f"%20{last}", f"{last},x", "%ff")
        return Parameter(schema["enum"], ("", "x", "0", other, *near))
    match schema["type"]:
        case "boolean":
            return _BOOLEAN
        case "number":
            return _NUMBER
        case "integer":
            low, high = schema["minimum"], schema.get("maximum")
            large = ("1" + "0" * 30, "9" * 4000)
            small = (str(low - 1), *(("0", "-0") if low > 0 else ()), *_MALFORMED_INTEGERS)
            if high is None:
                return Parameter((str(low), "100", "101", *large), small)
            return Parameter((str(low), str(high)), (str(high + 1), *large, *small))
    if schema.get("format") == "uuid":
        return _UUID
    if schema.get("format") == "date-time":
        long = (f"{STARTED}{'0' * 45}",) if "maxLength" in schema else ()
        return Parameter(times.good, (*times.wrong, *long))
    return _text_parameter(schema)


def _text_parameter(schema: Json) -> Parameter:
    wrong = [*NUL]
    good = [each for each in ANY_PARAMETER if each or "minLength" not in schema]
    if "minLength" in schema:
        wrong.append("")
    if "pattern" in schema:
        wrong += ["%20", "%09%0a", "%C2%A0"]
    if "maxLength" in schema:
        good += percent_encoded(four_byte_text(schema["maxLength"]))
        wrong += [
            "a" * (schema["maxLength"] + 1),
            *percent_encoded(four_byte_text(schema["maxLength"] + 1)),
        ]
    else:
        good += ["a" * 8000, "x" + "%20y" * 2000]
    return Parameter(good, wrong)


def all_parameter_texts(
    operation: Operation, given: Mapping[str, Parameter], times: Parameter
) -> dict[str, Parameter]:
    """Good and wrong texts of all query parameters of an operation.

    `given` has the texts that do not follow from the type, with the keys `operation.name` or
    `name`. The first time parameter gets all texts of `times`, the others some. An optional
    parameter may be empty, except `limit` and `offset`.
    """
    found: dict[str, Parameter] = {}
    some = Parameter(times.good[:3], (*times.wrong[::6], "%00"))
    for name, field in operation.query.items():
        is_time = field.schema.get("format") == "date-time"
        found[name] = (
            given.get(f"{operation.name}.{name}")
            or given.get(name)
            or parameter_texts(field, times)
        )
        if not field.required and name not in ("limit", "offset"):
            good, wrong = found[name]
            found[name] = Parameter((*good, ""), [each for each in wrong if each])
        times = some if is_time else times
    return found
