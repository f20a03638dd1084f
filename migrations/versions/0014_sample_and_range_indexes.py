"""Sample and range indexes

Searches of the revenue record look into a small index of a sample of the list, instead of one key
in the index of the whole list. The spans in that index contain the workspace. Ranges of amounts,
close dates and creation times are read from GiST indexes of points, instead of spans.

Signals with an external id are indexed in list order. The planner gets statistics of the values
that occur together in the filters of discovery.
"""

import importlib
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_AMOUNT = "double precision"
_LIVE = "deleted_at is null"
_SAMPLE = "(hashtext(id::text) & 127)"

# Table -> order column, filtered columns, texts, columns with ranges, condition of its list.
_LISTS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...], str | None]] = {
    "rows": ("ordered_at", ("source_id", "object_type_id", "public"), ("name",), (), _LIVE),
    "conversations": (
        "started_at",
        ("state", "type", "source_id", "emails", "domains", "public"),
        ("title", "names", "crm_name"),
        (),
        _LIVE,
    ),
    "messages": ("created_at", ("source_id", "thread_id", "emails", "public"), (), (), _LIVE),
    "documents": ("ordered_at", ("state", "source_id", "public"), ("display_name",), (), _LIVE),
    "deals": (
        "ordered_at",
        ("coalesce(closed, false)",),
        ("name", "stage", "owner_name"),
        ("close_date", "amount"),
        None,
    ),
    "accounts": ("ordered_at", (), ("name", "website", "owner_text"), ("created_at",), None),
}

# Table -> columns whose values depend on each other.
_STATISTICS = {
    "signals": ("status", "signal_type", "external_id"),
    "insights": ("status", "type", "kind", "product_id", "account_id"),
    "opportunities": ("status", "product_id"),
    "ideas": ("status", "product_id"),
}

# The point of a record: x is its workspace, by a hash of 15 bits, and its time in seconds since the
# year -208; y is the value. Records of other workspaces may have the same x.
_POINT = """
    create function list_point(workspace uuid, at timestamptz, value {kind}) returns point
    language plpgsql immutable strict parallel safe as $$
    begin
        return point(
            ((hashtext(workspace::text)::bigint & 32767) << 37)::double precision
                + floor(least(greatest(
                    68719476736 + date_part('epoch', at at time zone 'UTC'), 0), 137438953471)),
            {value});
    end $$
"""
_POINT_VALUES = {
    "timestamp with time zone": "date_part('epoch', value at time zone 'UTC')",
    _AMOUNT: "value",
}

# The spans of migration 0003, with a hash of the workspace from bit 48 on. Records of other
# workspaces may have the same spans. The first time is only in the longest span.
_WORKSPACE_BITS = "((hashtext(workspace::text)::bigint & 32767) << 48)"
_SPANS = (
    f"""
    create function list_spans(workspace uuid, at timestamptz) returns bigint[]
    language plpgsql immutable strict parallel safe as $$
    declare
        bits constant bigint := {_WORKSPACE_BITS};
        number constant bigint := (68719476736 + date_part('epoch',
            greatest(at, '0001-01-01 00:00:00+00') at time zone 'UTC')::bigint);
    begin
        return array[{
        ", ".join(
            f"bits | (number >> {size}) | ({size}::bigint << 42)" for size in range(14, 42, 2)
        )
    }];
    end $$
    """,
    f"""
    create function list_spans_from(workspace uuid, at timestamptz) returns bigint[]
    language sql immutable strict as $$
        select array_agg({_WORKSPACE_BITS} | span)
        from unnest(case when at > '-infinity' then spans_from(at)
            else array[40::bigint << 42] end) as span
    $$
    """,
    f"""
    create function list_spans_to(workspace uuid, at timestamptz) returns bigint[]
    language sql immutable strict as $$
        select array_agg({_WORKSPACE_BITS} | span) from unnest(spans_to(at)) as span
    $$
    """,
)

# A pattern that is true for at least the texts of the given one, and that has fewer trigrams: runs
# of letters are cut into threes, so that each letter is in one trigram.
_INDEX_PATTERN = r"""
    create function index_pattern(pattern text) returns text
    language sql immutable strict parallel safe as $$
        select regexp_replace(pattern, '(\w{3})(?=\w{3})', '\1%', 'g')
    $$
"""


def upgrade() -> None:
    for kind, value in _POINT_VALUES.items():
        _execute(_POINT.format(kind=kind, value=value))
    for function in (*_SPANS, _INDEX_PATTERN):
        _execute(function)
    for table, (order, columns, texts, ranges, where) in _LISTS.items():
        filtered = (*columns, *_patterns(texts))
        op.drop_index(f"ix_{table}_search", table)
        _gin_index(table, "search", (f"list_spans(workspace_id, {order})", *filtered), where, 512)
        sampled = f"{_SAMPLE} = 0"
        in_sample = sampled if where is None else f"{where} and {sampled}"
        _gin_index(table, "sample", ("workspace_id", *filtered), in_sample)
        for column in ranges:
            _execute(
                f"create index ix_{table}_{column}_range on {table}"
                f" using gist (list_point(workspace_id, {order}, {column}))"
            )
        if ranges:
            _execute(
                f"create index ix_{table}_sample_list on {table} (workspace_id, {order}, id)"
                f" where {sampled}"
            )

    for function in ("spans", "spans_from", "spans_to"):
        _execute(f"drop function {function}({_AMOUNT})")
    _external_id_index("number")
    for table, columns in _STATISTICS.items():
        _execute(f"create statistics st_{table}_filters (mcv) on {', '.join(columns)} from {table}")


def downgrade() -> None:
    for table in _STATISTICS:
        _execute(f"drop statistics st_{table}_filters")
    _external_id_index()
    former = importlib.import_module("migrations.versions.0003_the_revenue_record")
    for function in former._spans(_AMOUNT, former._NUMBERS[_AMOUNT]):
        _execute(function)
    for table, (order, columns, texts, ranges, where) in _LISTS.items():
        for column in ranges:
            op.drop_index(f"ix_{table}_{column}_range", table)
        if ranges:
            op.drop_index(f"ix_{table}_sample_list", table)
        op.drop_index(f"ix_{table}_sample", table)
        op.drop_index(f"ix_{table}_search", table)
        spans = [f"spans({column})" for column in (order, *ranges)]
        elements = ("workspace_id", "(hashtext(id::text) & 31)", *spans, *columns)
        _gin_index(table, "search", (*elements, *_patterns(texts)), where, 512)
    _execute("drop function index_pattern(text)")
    for function in ("list_spans", "list_spans_from", "list_spans_to"):
        _execute(f"drop function {function}(uuid, timestamptz)")
    for kind in _POINT_VALUES:
        _execute(f"drop function list_point(uuid, timestamptz, {kind})")


def _external_id_index(*order: str) -> None:
    op.drop_index("ix_signals_external_id", "signals")
    op.create_index(
        "ix_signals_external_id",
        "signals",
        ["workspace_id", sa.text('"left"(external_id, 200)'), *order],
        postgresql_where=sa.text("external_id is not null"),
    )


def _patterns(texts: Sequence[str]) -> list[str]:
    if not texts:
        return []
    pairs = f"cjk_pairs(variadic array[{', '.join(texts)}])"
    return [pairs, *(f"nfc({column}) gin_trgm_ops" for column in texts)]


def _gin_index(
    table: str,
    name: str,
    elements: Sequence[str],
    where: str | None,
    pending_list_limit: int | None = None,
) -> None:
    limit = pending_list_limit
    options = "" if limit is None else f" with (gin_pending_list_limit = {limit})"
    condition = "" if where is None else f" where {where}"
    _execute(
        f"create index ix_{table}_{name} on {table} using gin ({', '.join(elements)})"
        f"{options}{condition}"
    )


def _execute(statement: str) -> None:
    op.execute(sa.text(statement.replace(":", "\\:")))
