"""Filters of lists: how a query parameter is parsed, and the SQL condition that it becomes."""

import functools
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import ARRAY, Column, ColumnElement, Text, bindparam, func, literal_column, true

from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import parse_id
from domains.kernel.core.normal_form import nfc
from domains.kernel.core.problems import invalid
from domains.kernel.core.timestamps import parse_query_time
from domains.kernel.db.full_text import cjk_pairs
from domains.kernel.pagination.cursor import CursorQuery
from domains.revenue.addresses.email_domains import normalized_email

Bound = Annotated[
    str,
    doc(
        "ISO 8601. A date is its midnight in UTC",
        extra_json_schema={"format": "date-time"},
    ),
]
# Name of a filter that is true for every record and has the hint `pairs_hint`.
PAIRS: Final = "cjk_pairs"

# Types of query parameters. An absent one does not filter.
TextFilter = str | UnsetType
TimeFilter = Bound | UnsetType


def source_doc(origins: frozenset[str]) -> Meta:
    """Describe the filter `sourceId` of records that have native origins."""
    return doc(f"Records of this source: a UUID or {', '.join(sorted(origins))}")


PROCESSING_STATUS = doc("Records in this state of processing", "failed")


class Filter(NamedTuple):
    """A filter by the query parameter `name`.

    `parse` takes the value and the parameter's name in the request, and returns the SQL parameter
    of `condition`. It raises Invalid. `hint` is implied by `condition` and served by an index.
    """

    name: str
    parse: Callable[[Any, str], Any]
    condition: ColumnElement[bool]
    hint: ColumnElement[bool] | None = None
    # For parts of texts: a condition that uses no index, for parts without trigrams.
    unindexed: ColumnElement[bool] | None = None


def parse_filters(query: CursorQuery, filters: Iterable[Filter]) -> dict[str, Any]:
    """Parse the filters of a query into SQL parameters. Raises Invalid for the first error."""
    given = [(rule, value) for rule in filters if (value := getattr(query, rule.name)) is not UNSET]
    if not given:
        return {}
    fields = _request_names(type(query))
    parts = [(rule, value) for rule, value in given if rule.unindexed is not None]
    parsed = {rule.name: rule.parse(value, fields[rule.name]) for rule, value in given}
    for rule, part in parts:
        if not has_trigrams(part):
            parsed[unindexed(rule.name)] = parsed.pop(rule.name)
    return parsed | pairs_parameter(part for _, part in parts)


def has_trigrams(part: str) -> bool:
    """False for a part of a text for which the trigram index is read as a whole."""
    return len(nfc(part)) > 2


def unindexed(name: str) -> str:
    """Name of the parameter for a part of a text without trigrams."""
    return f"{name}_unindexed"


def pairs_parameter(texts: Iterable[str]) -> dict[str, Any]:
    """Parameter of `pairs_hint` for the given parts of texts. Empty if they have no pairs."""
    pairs = cjk_pairs(texts)
    return {PAIRS: pairs} if pairs else {}


def pairs_hint(*columns: Column[Any]) -> ColumnElement[bool]:
    """Hint: the texts of the columns have all pairs of CJK characters of the parts of texts.

    Patterns of two characters have no trigrams, which the index needs.
    """
    texts = ", ".join(column.name for column in columns)
    pairs = literal_column(f"cjk_pairs(variadic array[{texts}])", type_=ARRAY(Text))
    return pairs.bool_op("@>")(bindparam(PAIRS, type_=ARRAY(Text)))


@functools.cache
def _request_names(query: type[CursorQuery]) -> dict[str, str]:
    return {field.name: field.encode_name for field in msgspec.structs.fields(query)}


def conditions(filters: Iterable[Filter]) -> dict[str, ColumnElement[bool]]:
    """Map the name of each filter to its condition."""
    rules = list(filters)
    without_trigrams = {
        unindexed(rule.name): rule.unindexed for rule in rules if rule.unindexed is not None
    }
    pairs = {PAIRS: true()} if without_trigrams else {}
    return {rule.name: rule.condition for rule in rules} | without_trigrams | pairs


def hints(filters: Iterable[Filter]) -> dict[str, ColumnElement[bool]]:
    """Map the name of each filter that has an index hint to the hint."""
    return {rule.name: rule.hint for rule in filters if rule.hint is not None}


# --- kinds of filters -------------------------------------------------------------------------


def equals(name: str, column: ColumnElement[Any]) -> Filter:
    """Match records whose column or expression equals the value."""
    return Filter(name, _unchanged, column == bindparam(name, type_=column.type))


def contains(name: str, column: Column[Any]) -> Filter:
    """Match records whose column contains the text, case-insensitive."""
    return Filter(
        name,
        lambda text, _field: pattern(text),
        matches(name, column),
        index_hint(name, column),
        unindexed=matches_unindexed(name, column),
    )


def has_email(name: str, column: Column[Any]) -> Filter:
    """Match records whose array of normalized e-mail addresses has the address."""
    return Filter(name, lambda email, _field: normalized_email(email), has_element(name, column))


def source(column: Column[Any], origins: frozenset[str]) -> Filter:
    """The record belongs to `sourceId`: the UUID of a source, or one of the native origins."""

    def parse(value: str, field: str) -> str:
        if value in origins:
            return value
        if (source_id := parse_id(value)) is not None:
            return str(source_id)
        alternatives = f" or one of {', '.join(sorted(origins))}" if origins else ""
        raise invalid(field, f"must be a UUID{alternatives}")

    return equals("source_id", column)._replace(parse=parse)


def time_range(name: str, column: Column[Any]) -> tuple[Filter, Filter]:
    """Filters `{name}_after` and `{name}_before`, both inclusive."""
    lower, upper = number_range(name, column, "after", "before")
    return lower._replace(parse=parse_query_time), upper._replace(parse=parse_query_time)


def activity_range(column: Column[Any]) -> tuple[Filter, Filter]:
    """Filters `last_activity_after` and `last_activity_before` of deals and accounts."""
    lower, upper = time_range("last_activity", column)
    # Without activity, a record is ordered by -infinity and is not before any time.
    has_activity = column > literal_column("'-infinity'::timestamptz")
    return lower, upper._replace(condition=upper.condition & has_activity)


def number_range(
    name: str, column: Column[Any], lower: str = "min", upper: str = "max"
) -> tuple[Filter, Filter]:
    """Filters `{name}_{lower}` and `{name}_{upper}`, both inclusive."""
    lower, upper = f"{name}_{lower}", f"{name}_{upper}"
    least, most = (bindparam(bound, type_=column.type) for bound in (lower, upper))
    return Filter(lower, _unchanged, column >= least), Filter(upper, _unchanged, column <= most)


def _unchanged(value: Any, _field: str) -> Any:
    return value


# --- conditions -------------------------------------------------------------------------------


def matches(name: str, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Condition: the text matches the parameter `name`, an ILIKE pattern made by `pattern`.

    It uses no index: see `index_hint`.
    """
    return unindexed_text(column).ilike(bindparam(name, type_=Text))


def index_hint(name: str, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Hint: the text matches a shorter form of the pattern in the parameter `name`.

    It has each letter in one trigram instead of three, so the index reads fewer entries.
    """
    short = func.index_pattern(bindparam(name, type_=Text), type_=Text)
    return compared(column).ilike(short)


def matches_unindexed(name: str, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """As `matches`, for the parameter `unindexed(name)`, which has no hint."""
    return matches(unindexed(name), column)


def unindexed_text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The text in NFC, as an expression that is in no index."""
    return compared(column) + literal_column("''")


def compared(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The text in NFC, the form in which texts are compared."""
    return func.nfc(column, type_=Text())


def pattern(fragment: str) -> str:
    """ILIKE pattern for a fragment anywhere in a text. No character has a special meaning."""
    escaped = nfc(fragment).replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def has_element(name: str, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Condition: the array has the parameter `name` as an element."""
    element = func.array_append(
        literal_column("'{}'::text[]"), bindparam(name, type_=Text), type_=column.type
    )
    return column.bool_op("@>")(element)
