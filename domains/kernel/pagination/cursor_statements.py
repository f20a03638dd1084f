"""SQL statements of cursor-paged lists: scans in list order, and searches through other indexes.

The GIN index of a list covers the spans of the order column and the filtered columns without
ranges. A smaller one covers the sample of the list. Each column with range filters has a
GiST index of `list_point`. See decision record 11.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    LargeBinary,
    Select,
    Subquery,
    Table,
    and_,
    bindparam,
    case,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects import postgresql

from domains.kernel.db.statements import WORKSPACE, Statement, materialized, row

# A search scans this many of the newest records per requested record before it uses the GIN index.
SCAN_FACTOR: Final = 100

# SQL that is 0 for the records in the sample of a list: one in 128, by the hash of the id.
SAMPLE_SQL: Final = "hashtext(id::text) & 127"

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]

# A search reads the matches of all times if fewer of them than this are in the sample.
FEW_SAMPLED: Final = 24

# Compiled statements that each list keeps.
_CACHE_SIZE: Final = 500

_LIMIT: Final = bindparam("limit", type_=BigInteger)
_AFTER_AT: Final = bindparam("after_at", type_=DateTime(timezone=True))
_SPAN_NUMBERS: Final = ARRAY(BigInteger)
_INFINITE_PAST: Final[ColumnElement[Any]] = literal_column(
    "'-infinity'::timestamptz", type_=DateTime(timezone=True)
)
_INFINITE_FUTURE: Final[ColumnElement[Any]] = literal_column(
    "'infinity'::timestamptz", type_=DateTime(timezone=True)
)


def spans_sql(order_by: str) -> str:
    """SQL for the numbers of all spans of a workspace, short and long, that contain a time."""
    return f"list_spans(workspace_id, {order_by})"


def list_point_sql(order_by: str, column: str) -> str:
    """SQL for a record's point: workspace and position in the list, and the column's value."""
    return f"list_point(workspace_id, {order_by}, {column})"


class RangeFilter(NamedTuple):
    """Filters `lower` and `upper` by a column other than the one that orders the list."""

    column: Column[Any]
    lower: str
    upper: str


@dataclass(kw_only=True, eq=False)
class CursorStatements:
    """Statements of a list, one for each combination of filters, compiled on first use.

    `order_by`: a time that is never null; ties are ordered by the table's `id`, which is unique in
    the workspace. `columns`: the first one is that id. `where`: conditions on all records.
    `filters`: conditions by name, each with an SQL parameter of that name or with none.

    `joined`: another table that `columns` read, and the condition for its one row per record.

    Index scans in list order serve `lower_bound` and `upper_bound`, filters by the order column,
    together with at most one filter in `indexed`. Other combinations are searched. `ranges`:
    filters by ranges of other columns. `hints`: conditions that a filter implies and that the GIN
    index can evaluate.
    """

    table: Table
    columns: Sequence[Any]
    order_by: ColumnElement[Any]
    filters: Mapping[str, ColumnElement[bool]]
    where: Sequence[ColumnElement[bool]] = ()
    lower_bound: str | None = None
    upper_bound: str | None = None
    ranges: Sequence[RangeFilter] = ()
    indexed: AbstractSet[str] = frozenset()
    hints: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)
    joined: tuple[Table, ColumnElement[bool]] | None = None
    scan_factor: int = SCAN_FACTOR
    sample_sql: str = SAMPLE_SQL
    _compiled: dict[tuple[frozenset[str], bool, bool], Statement[tuple[Any, ...]]] = field(
        default_factory=dict, init=False
    )

    @property
    def bounds(self) -> frozenset[str]:
        """Names of the filters by the order column."""
        return frozenset(each for each in (self.lower_bound, self.upper_bound) if each is not None)

    def scans(self, filters: frozenset[str]) -> bool:
        """True if one index scan in list order serves these filters."""
        other_filters = filters - self.bounds
        return not other_filters or (len(other_filters) == 1 and other_filters <= self.indexed)

    def statement(
        self, filters: frozenset[str], *, after: bool, newest: bool = False
    ) -> Statement[tuple[Any, ...]]:
        """Return the statement for these filters.

        With `after`, the page starts after the position `after_at`, `after_id`. With `newest`, it
        finds the matches among the newest records only.
        """
        key = (filters, after, newest)
        compiled = self._compiled.get(key)
        if compiled is None:
            if len(self._compiled) >= _CACHE_SIZE:
                self._compiled.clear()
            if newest:
                page = self._search_newest(filters, after)
            else:
                page = (self._scan if self.scans(filters) else self._search)(filters, after)
            # These two read the same index for every value.
            compiled = Statement(page, row, reuses_plan=newest or not filters)
            self._compiled[key] = compiled
        return compiled

    def _scan(self, filters: frozenset[str], after: bool) -> Select[Any]:
        """Select the page with one index scan in list order."""
        return (
            self._selected(self.table)
            .where(*self._in_list(), *self._conditions(filters), *self._after_position(after))
            .order_by(self.order_by.desc(), self.table.c.id.desc())
            .limit(_LIMIT)
        )

    def _search_newest(self, filters: frozenset[str], after: bool) -> Select[Any]:
        """Select the matches among the newest records, which finds frequent matches soon.

        The last column is true if there may be older matches that belong to the page.
        """
        at, id_ = self.order_by.label("at"), self.table.c.id.label("id")
        conditions = self._conditions(filters - self.bounds)
        scan_size = _LIMIT * literal_column(str(self.scan_factor))
        newest = materialized(
            select(at, id_, and_(*conditions).label("matches"))
            .where(*self._in_list(), *self._within_bounds(filters, after))
            .order_by(self.order_by.desc(), self.table.c.id.desc())
            .limit(scan_size),
            "newest",
        )
        matches = materialized(
            select(newest.c.at, newest.c.id)
            # In the order of `newest`: to sort would be to scan all of it before the first match.
            .where(newest.c.matches)
            .limit(_LIMIT),
            "matches",
        )
        scanned = select(func.count()).select_from(newest).scalar_subquery()
        matched = select(func.count()).select_from(matches).scalar_subquery()
        is_incomplete = case((matched < _LIMIT, scanned == scan_size), else_=false())
        return (
            self._selected(matches.join(self.table, self.table.c.id == matches.c.id))
            .add_columns(is_incomplete)
            .where(*self._in_list())
            .order_by(matches.c.at.desc(), matches.c.id.desc())
        )

    def _search(self, filters: frozenset[str], after: bool) -> Select[Any]:
        """Select the page from the indexes for the filters.

        The statement finds the matches in the sample, then all matches that are as new as the
        sample's `limit` newest ones: these suffice for a page, and are few whatever the number and
        the distribution of the matches.
        """
        within_bounds = self._within_bounds(filters, after)
        if any({each.lower, each.upper} & filters for each in self.ranges):
            matches = self._range_matches(filters, after, within_bounds)
        else:
            matches = self._gin_matches(filters, after, within_bounds)
        page = materialized(
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

    def _gin_matches(
        self,
        filters: frozenset[str],
        after: bool,
        within_bounds: Sequence[ColumnElement[bool]],
    ) -> CTE:
        """Select the matches as far back as needed from the GIN indexes: sample, then list."""
        at, id_ = self.order_by.label("at"), self.table.c.id.label("id")
        conditions = self._conditions(filters - self.bounds)
        hints = self._hints(filters)
        search = (*self._in_list(), *conditions, *hints)
        sample = materialized(
            select(at, and_(true(), *within_bounds).label("in_bounds")).where(
                *search, self._in_sample()
            ),
            "sample",
        )
        newest_first = select(sample.c.at).where(sample.c.in_bounds).order_by(sample.c.at.desc())
        cutoff = self._cutoff(newest_first, filters)
        of_sample = select(sample.c.in_bounds)
        return materialized(
            select(at, id_).where(
                *search,
                *within_bounds,
                self.order_by >= select(cutoff.c.at).scalar_subquery(),
                *self._time_hints(filters, after, cutoff.c.at, of_sample),
            ),
            "indexed_matches",
        )

    def _range_matches(
        self,
        filters: frozenset[str],
        after: bool,
        within_bounds: Sequence[ColumnElement[bool]],
    ) -> CTE:
        """Select the matches as far back as needed, from the indexes that are best for the filters.

        The filters form groups that an index serves: each range, and all others together. The
        sample shows which group matches the fewest records that are new enough, or at which time to
        change from one group to another.
        """
        ranges = [each for each in self.ranges if {each.lower, each.upper} & filters]
        groups = [frozenset({each.lower, each.upper} & filters) for each in ranges]
        others = filters.difference(self.bounds, *groups)
        # An index in list order serves a single indexed filter, and reads only records in the time.
        in_order = len(others) == 1 and others <= self.indexed
        if others:
            groups.append(others)
        at, id_ = self.order_by.label("at"), self.table.c.id.label("id")
        sampled = materialized(
            select(
                at,
                and_(true(), *within_bounds).label("in_bounds"),
                *(
                    and_(*self._conditions(group)).label(f"matches_{number}")
                    for number, group in enumerate(groups)
                ),
            ).where(*self._in_list(), self._in_sample()),
            "sampled",
        )
        matching = [sampled.c[f"matches_{number}"] for number in range(len(groups))]
        matches = [and_(sampled.c.in_bounds, each) for each in matching]
        newest_first = select(sampled.c.at).where(*matches).order_by(sampled.c.at.desc())
        cutoff = self._cutoff(newest_first, filters)
        gin = len(groups) - 1 if others and not in_order else None
        plan = _cheapest_plan(sampled, matches, select(cutoff.c.at).scalar_subquery(), gin)
        chosen = materialized(select(plan), "chosen")

        candidates = []
        for number, group in enumerate(groups):
            is_newer = select(chosen.c.newer == _number(number)).scalar_subquery()
            is_older = select(chosen.c.older == _number(number)).scalar_subquery()
            change = select(chosen.c.change).scalar_subquery()
            oldest = materialized(
                select(
                    case((is_newer, change), else_=select(cutoff.c.at).scalar_subquery()).label(
                        "at"
                    ),
                    case((is_newer, _INFINITE_FUTURE), else_=change).label("before"),
                ),
                f"times_{number}",
            )
            first = select(oldest.c.at).scalar_subquery()
            before = select(oldest.c.before).scalar_subquery()
            in_time = [*within_bounds, self.order_by >= first, self.order_by < before]
            of_group = self._conditions(group)
            indexed: list[ColumnElement[bool]]
            rest = self._conditions(filters - self.bounds - group)
            if number < len(ranges):
                box = self._box(ranges[number], group, filters, after, first, before)
                indexed = [literal_column(self._point_sql(ranges[number])).bool_op("<@")(box)]
                rest += [*of_group, *in_time]
            elif in_order:
                indexed = [*of_group, *in_time]
            else:
                of_sample = select(sampled.c.in_bounds).where(matching[number])
                # Conditions with a hint use no index themselves.
                indexed = [*of_group, *self._hints(group)]
                indexed += self._time_hints(filters, after, oldest.c.at, of_sample)
                rest += in_time
            # `matches` is no condition, so that the planner takes the index that was chosen.
            candidates.append(
                materialized(
                    select(at, id_, and_(*rest).label("matches")).where(
                        *self._in_list(), *indexed, or_(is_newer, is_older)
                    ),
                    f"candidates_{number}",
                )
            )
        found = [select(each.c.at, each.c.id).where(each.c.matches) for each in candidates]
        return materialized(select(union_all(*found).subquery("found")), "indexed_matches")

    def _box(
        self,
        range_: RangeFilter,
        given: frozenset[str],
        filters: frozenset[str],
        after: bool,
        first: ColumnElement[Any],
        before: ColumnElement[Any],
    ) -> ColumnElement[Any]:
        """Box of the points from `first` to `before` whose value is in the range."""
        type_ = range_.column.type
        kind = type_.compile(_DIALECT)
        low: ColumnElement[Any] = literal_column(f"'-infinity'::{kind}")
        high: ColumnElement[Any] = literal_column(f"'infinity'::{kind}")
        if range_.lower in given:
            low = bindparam(range_.lower, type_=type_)
        if range_.upper in given:
            high = bindparam(range_.upper, type_=type_)
        last = func.least(before, *self._last(filters, after))
        box = func.box(
            func.list_point(WORKSPACE, first, low), func.list_point(WORKSPACE, last, high)
        )
        # The function exchanges corners that are in the wrong order. Null contains no point.
        return case((and_(low <= high, first <= last), box))

    def _point_sql(self, range_: RangeFilter) -> str:
        return list_point_sql(self.order_by.name, range_.column.name)

    def _hints(self, filters: frozenset[str]) -> list[ColumnElement[bool]]:
        return [self.hints[name] for name in sorted(filters & self.hints.keys())]

    def _time_hints(
        self,
        filters: frozenset[str],
        after: bool,
        first: ColumnElement[Any],
        sampled: Select[Any],
    ) -> list[ColumnElement[bool]]:
        """Conditions for the time that the GIN index can evaluate. They may be true for others.

        `first`: the oldest time, a column of a CTE with one row. `sampled`: for each match in the
        sample, true if it is within the bounds of the list. If few others match, it is faster to
        read them, too, than to compare the times of all.
        """
        sample = sampled.subquery("matching")
        count = select(func.count() < _number(FEW_SAMPLED)).select_from(sample)
        all_times = func.list_spans_from(WORKSPACE, _INFINITE_PAST)
        since = func.list_spans_from(WORKSPACE, first)
        spans = [select(case((count.scalar_subquery(), all_times), else_=since))]
        if last := self._last(filters, after):
            few_outside = count.where(~sample.c.in_bounds).scalar_subquery()
            until = func.list_spans_to(WORKSPACE, func.least(*last))
            spans.append(select(case((few_outside, all_times), else_=until)))
        covered = literal_column(spans_sql(self.order_by.name), type_=_SPAN_NUMBERS)
        return [covered.bool_op("&&")(each.scalar_subquery()) for each in spans]

    def _last(self, filters: frozenset[str], after: bool) -> list[ColumnElement[Any]]:
        """Upper bounds of the time."""
        last: list[ColumnElement[Any]] = [_AFTER_AT] if after else []
        if self.upper_bound is not None and self.upper_bound in filters:
            last.append(bindparam(self.upper_bound, type_=DateTime(timezone=True)))
        return last

    def _in_sample(self) -> ColumnElement[bool]:
        return literal_column(f"({self.sample_sql})", type_=Integer) == literal_column("0")

    def _cutoff(self, newest_first: Select[Any], filters: frozenset[str]) -> CTE:
        """The time of the `limit`-th match in the sample, or else the list's lower bound.

        Materialized because the planner does not treat it as a constant.
        """
        limit_th = newest_first.offset(_LIMIT - literal_column("1")).limit(literal_column("1"))
        oldest: ColumnElement[Any] = _INFINITE_PAST
        if self.lower_bound is not None and self.lower_bound in filters:
            oldest = bindparam(self.lower_bound, type_=DateTime(timezone=True))
        return materialized(
            select(func.coalesce(limit_th.scalar_subquery(), oldest).label("at")), "cutoff"
        )

    def _in_list(self) -> tuple[ColumnElement[bool], ...]:
        return (self.table.c.workspace_id == WORKSPACE, *self.where)

    def _conditions(self, filters: frozenset[str]) -> list[ColumnElement[bool]]:
        return [self.filters[name] for name in sorted(filters)]

    def _within_bounds(self, filters: frozenset[str], after: bool) -> list[ColumnElement[bool]]:
        return [*self._conditions(filters & self.bounds), *self._after_position(after)]

    def _after_position(self, after: bool) -> list[ColumnElement[bool]]:
        position = tuple_(_AFTER_AT, bindparam("after_id", type_=self.table.c.id.type))
        return [tuple_(self.order_by, self.table.c.id) < position] if after else []


def _cheapest_plan(
    sampled: CTE,
    matches: Sequence[ColumnElement[bool]],
    cutoff: ColumnElement[Any],
    gin: int | None,
) -> Subquery:
    """The groups of filters by which to search: columns newer, older, change.

    `newer` is the group for the records from the time `change` on, `older` the one for those before
    it. The cost of a plan is the number of records in the sample that its groups match. `gin`: the
    group that is read from the GIN index, which also takes time for all older matches.
    """
    total = [func.count().filter(each, sampled.c.at >= cutoff) for each in matches]
    numbers = range(len(matches))
    gin_cost = (
        {}
        if gin is None
        else {gin: func.count().filter(matches[gin]) / literal_column("4", type_=Integer)}
    )
    counts: Select[*tuple[Any, ...]] = select(
        *(each.label(f"total_{number}") for number, each in enumerate(total)),
        *(each.label("gin") for each in gin_cost.values()),
    )
    sums = materialized(counts.select_from(sampled), "sums")
    newer = materialized(
        select(
            sampled.c.at,
            *(
                func.count()
                .filter(each)
                .over(order_by=sampled.c.at.desc())
                .label(f"newer_{number}")
                for number, each in enumerate(matches)
            ),
        ).where(sampled.c.at >= cutoff),
        "newer",
    )

    def extra(number: int) -> ColumnElement[Any]:
        return sums.c.gin if number == gin else _number(0)

    plans = [
        select(
            (sums.c[f"total_{number}"] + extra(number)).label("cost"),
            _number(number).label("newer"),
            _number(number).label("older"),
            cutoff.label("change"),
        )
        for number in numbers
    ]
    plans += [
        select(
            newer.c[f"newer_{first}"]
            + sums.c[f"total_{second}"]
            - newer.c[f"newer_{second}"]
            + extra(first),
            _number(first),
            _number(second),
            newer.c.at,
        ).select_from(newer.join(sums, true()))
        for first in numbers
        for second in numbers
        # The GIN index would also read the matches from that time on.
        if first != second and second != gin
    ]
    compared = union_all(*plans).subquery("plans")
    return (
        select(compared.c.newer, compared.c.older, compared.c.change)
        .order_by(compared.c.cost)
        .limit(literal_column("1"))
        .subquery("plan")
    )


def _number(number: int) -> ColumnElement[Any]:
    return literal_column(str(number), type_=Integer)
