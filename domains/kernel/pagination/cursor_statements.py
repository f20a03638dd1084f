"""SQL statements of cursor-paged lists: scans in list order, and searches through a GIN index.

The GIN index of a list covers the workspace, SAMPLE_SQL, the spans of the order column and of each
column with a range filter, and the other filtered columns. See decision record 11.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    FromClause,
    LargeBinary,
    Select,
    Table,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    tuple_,
    union_all,
)

from domains.kernel.db.statements import WORKSPACE, Statement, row

# A search scans this many of the newest records per requested record before it uses the GIN index.
SCAN_FACTOR: Final = 100

# SQL that is 0 for one record in 32, by the hash of its id.
SAMPLE_SQL: Final = "hashtext(id::text) & 31"

# Compiled statements that each list keeps.
_CACHE_SIZE: Final = 500

_LIMIT: Final = bindparam("limit", type_=BigInteger)
_AFTER_AT: Final = bindparam("after_at", type_=DateTime(timezone=True))
_SPAN_NUMBERS: Final = ARRAY(BigInteger)


def spans_sql(column: str) -> str:
    """SQL for the numbers of all spans, short and long, that contain a column's value."""
    return f"spans({column})"


def at_least_hint(column: str, lower_bound: ColumnElement[Any]) -> ColumnElement[bool]:
    """A GIN-indexable condition that is true for every value from `lower_bound` on.

    It is also true for values slightly below the bound.
    """
    return _overlaps(column, _spans_from(lower_bound))


def at_most_hint(column: str, upper_bound: ColumnElement[Any]) -> ColumnElement[bool]:
    """A GIN-indexable condition that is true for every value up to `upper_bound`.

    It is also true for values slightly above the bound.
    """
    return _overlaps(column, func.spans_to(upper_bound, type_=_SPAN_NUMBERS))


def _spans_from(lower_bound: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.spans_from(lower_bound, type_=_SPAN_NUMBERS)


def _overlaps(column: str, spans: Any) -> ColumnElement[bool]:
    return literal_column(spans_sql(column), type_=_SPAN_NUMBERS).bool_op("&&")(spans)


@dataclass(kw_only=True, eq=False)
class CursorStatements:
    """Statements of a list, one for each combination of filters, compiled on first use.

    `order_by`: a time that is never null; ties are ordered by the table's `id`, which is unique in
    the workspace. `columns`: the first one is that id. `where`: conditions on all records.
    `filters`: conditions by name, each with an SQL parameter of that name or with none.

    `joined`: another table that `columns` read, and the condition for its one row per record.

    Index scans in list order serve all filters in `bounds` together with at most one filter in
    `indexed`. Other combinations use the list's GIN index. `hints`: for range filters,
    conditions that they imply and that the GIN index can evaluate.
    """

    table: Table
    columns: Sequence[Any]
    order_by: ColumnElement[Any]
    filters: Mapping[str, ColumnElement[bool]]
    where: Sequence[ColumnElement[bool]] = ()
    bounds: AbstractSet[str] = frozenset()
    indexed: AbstractSet[str] = frozenset()
    hints: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)
    joined: tuple[Table, ColumnElement[bool]] | None = None
    scan_factor: int = SCAN_FACTOR
    sample_sql: str = SAMPLE_SQL
    _compiled: dict[tuple[frozenset[str], bool], Statement[tuple[Any, ...]]] = field(
        default_factory=dict, init=False
    )

    def statement(self, filters: frozenset[str], *, after: bool) -> Statement[tuple[Any, ...]]:
        """Return the statement for these filters.

        With `after`, the page starts after the position `after_at`, `after_id`.
        """
        compiled = self._compiled.get((filters, after))
        if compiled is None:
            if len(self._compiled) >= _CACHE_SIZE:
                self._compiled.clear()
            other_filters = filters - self.bounds
            scans = not other_filters or (len(other_filters) == 1 and other_filters <= self.indexed)
            select_page = self._scan if scans else self._search
            # Without filters, every page is read from the same index.
            compiled = Statement(select_page(filters, after), row, reuses_plan=not filters)
            self._compiled[filters, after] = compiled
        return compiled

    def _scan(self, filters: frozenset[str], after: bool) -> Select[Any]:
        """Select the page with one index scan in list order."""
        return (
            self._selected(self.table)
            .where(*self._in_list(), *self._conditions(filters), *self._after_position(after))
            .order_by(self.order_by.desc(), self.table.c.id.desc())
            .limit(_LIMIT)
        )

    def _search(self, filters: frozenset[str], after: bool) -> Select[Any]:
        """Select the page in two stages; the second runs only if the first does not fill the page.

        The first stage scans the newest records, which finds frequent matches soon. The second
        reads matches from the GIN index, which finds rare ones soon. It first reads the matches in
        the sample, and then all matches that are as new as the sample's `limit` newest ones: these
        suffice for a page, and are few whatever the number and the distribution of the matches.
        """
        at, id_ = self.order_by.label("at"), self.table.c.id.label("id")
        within_bounds = [*self._conditions(filters & self.bounds), *self._after_position(after)]
        conditions = self._conditions(filters - self.bounds)

        scan_size = _LIMIT * literal_column(str(self.scan_factor))
        newest = _materialized(
            select(at, id_, and_(*conditions).label("matches"))
            .where(*self._in_list(), *within_bounds)
            .order_by(self.order_by.desc(), self.table.c.id.desc())
            .limit(scan_size),
            "newest",
        )
        newest_matches = _materialized(
            select(newest.c.at, newest.c.id)
            .where(newest.c.matches)
            .order_by(newest.c.at.desc(), newest.c.id.desc())
            .limit(_LIMIT),
            "newest_matches",
        )
        scanned = select(func.count()).select_from(newest).scalar_subquery()
        matched = select(func.count()).select_from(newest_matches).scalar_subquery()
        second_stage = _materialized(
            select(and_(matched < _LIMIT, scanned == scan_size).label("needed")), "second_stage"
        )
        needed = select(second_stage.c.needed).scalar_subquery()

        hints = [self.hints[name] for name in sorted(filters & self.hints.keys())]
        if after:
            hints.append(at_most_hint(self.order_by.name, _AFTER_AT))
        search = (*self._in_list(), *within_bounds, *conditions, *hints, needed)
        sample = _materialized(
            select(at).where(*search, literal_column(self.sample_sql) == literal_column("0")),
            "sample",
        )
        limit_th_newest = (
            select(sample.c.at)
            .order_by(sample.c.at.desc())
            .offset(_LIMIT - literal_column("1"))
            .limit(literal_column("1"))
            .scalar_subquery()
        )
        beginning: ColumnElement[Any] = literal_column("'-infinity'::timestamptz")
        oldest = func.coalesce(limit_th_newest, beginning)
        # Materialized because the planner does not treat either as a constant.
        cutoff = _materialized(
            select(oldest.label("at"), _spans_from(oldest).label("spans")), "cutoff"
        )
        indexed_matches = _materialized(
            select(at, id_).where(
                *search,
                self.order_by >= select(cutoff.c.at).scalar_subquery(),
                _overlaps(self.order_by.name, select(cutoff.c.spans).scalar_subquery()),
            ),
            "indexed_matches",
        )

        matches = union_all(
            select(newest_matches.c.at, newest_matches.c.id).where(~needed),
            select(indexed_matches.c.at, indexed_matches.c.id),
        ).subquery("matches")
        page = _materialized(
            select(matches.c.at, matches.c.id)
            .order_by(matches.c.at.desc(), matches.c.id.desc())
            .limit(_LIMIT),
            "page",
        )
        return (
            self._selected(page.join(self.table, self.table.c.id == page.c.id))
            .where(*self._in_list())
            .order_by(page.c.at.desc(), page.c.id.desc())
        )

    def _selected(self, source: FromClause) -> Select[Any]:
        """Select the columns, then the time of the position. `source` contains the table."""
        if self.joined is not None:
            source = source.outerjoin(*self.joined)
        position = func.timestamptz_send(self.order_by, type_=LargeBinary)
        return select(*self.columns, position).select_from(source)

    def _in_list(self) -> tuple[ColumnElement[bool], ...]:
        return (self.table.c.workspace_id == WORKSPACE, *self.where)

    def _conditions(self, filters: frozenset[str]) -> list[ColumnElement[bool]]:
        return [self.filters[name] for name in sorted(filters)]

    def _after_position(self, after: bool) -> list[ColumnElement[bool]]:
        position = tuple_(_AFTER_AT, bindparam("after_id", type_=self.table.c.id.type))
        return [tuple_(self.order_by, self.table.c.id) < position] if after else []


def _materialized(query: Select[Any], name: str) -> CTE:
    """A CTE that is planned separately and evaluated at most once."""
    return query.cte(name).prefix_with("MATERIALIZED")
