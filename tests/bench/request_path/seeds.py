"""Records of each kind, inserted by SQL as the product would have stored them."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from tests.bench.request_path.documents import FIELD_TYPES, Documents, encoded
from tests.stack import Stack, Tenant

_TIMEOUT: Final = 3_600

# Documents of each kind; records share them in turn.
_VARIANTS: Final = 211

# The newest record has the number `:all` and was created a minute ago.
_CREATED: Final = "now() - make_interval(mins => (:all - n + 1)::int)"
# Version 7, as the product generates them: the time in ms, then bits that look random.
_ID: Final = """(lpad(to_hex((extract(epoch from created) * 1000)::bigint), 12, '0') || '7'
    || left(md5(n::text), 3) || 'a' || right(md5(n::text), 15))::uuid"""
# A document of the parameter. Arrays begin at 1.
_VARIANT: Final = "1 + n % array_length({}, 1)"


def _document(parameter: str) -> str:
    return f"({parameter})[{_VARIANT.format(parameter)}]"


# Plain INSERTs: counters that the schema keeps by triggers count these records, too.
_ROWS: Final = f"""
    insert into rows (workspace_id, id, source_id, remote_id, object_type_id, name, display_name,
        fields, public, owner_emails, created_at, updated_at)
    select $1, {_ID}, $2::uuid::text, 'TKT-' || n, $3::uuid, 'TKT ' || n, {_document("$4::text[]")},
        {_document("$5::text[]")}::json, true, '{{rosa@acme.example}}', created,
        case when n % 3 > 0 then created + interval '90 minutes' end
    from generate_series(1, :all) n, lateral (select {_CREATED} as created) c
"""
_INSIGHTS: Final = f"""
    insert into insights (id, workspace_id, number, name, description, status, type, kind,
        product_id, tag_ids, engine, confidence, suggestions, external_links, created_at,
        updated_at)
    select {_ID}, $1, n, {_document("$2::text[]")}, {_document("$3::text[]")},
        (array['draft', 'draft', 'published', 'archived'])[1 + n % 4],
        (array['feedback', 'user-interview', 'support-ticket', 'other'])[1 + n / 7 % 4],
        (array['pain', 'request', 'praise', null])[1 + n / 3 % 4],
        case when n % 3 = 0 then md5((n % 9)::text)::uuid end,
        (array['{{}}', '{{exports}}', '{{exports,q2 2026,größe}}'])[1 + n % 3]::text[],
        'heads', 0.5 + n % 50 / 100.0,
        case when n % 40 = 0 then '{{"note":"seen before"}}'::json end,
        case when n % 25 = 0
            then '[{{"type":"jira","url":"https://jira.example/E-7","name":"E-7"}}]'::json end,
        created, created
    from generate_series(1, :all) n, lateral (select {_CREATED} as created) c
"""
# The number of the workspace's last insight. A request that creates one takes the next.
_LAST_INSIGHT: Final = """
    insert into public_ids (workspace_id, kind, last)
    select workspace_id, 'INSIGHT', max(number) from insights where workspace_id = $1 group by 1
    on conflict (workspace_id, kind) do update set last = excluded.last
"""
_CONVERSATIONS: Final = f"""
    insert into conversations (workspace_id, id, source_id, remote_id, native, public, title,
        started_at, ended_at, type, participants, names, emails, domains, outside, outside_domains,
        crm_id, crm_name, crm_type, transcript, found_category, found_language, found_engine, state,
        created_at)
    select $1, {_ID}, 'gong', null, true, true, {_document("$2::text[]")}, created,
        created + interval '40 minutes', case when n % 4 = 0 then 'INTERNAL' else 'EXTERNAL' end,
        people, (select string_agg(each ->> 'name', e'\\n') from json_array_elements(people) each),
        emails, domains, emails, domains,
        case when n % 3 > 0 then '006' || n % 5000 end,
        case when n % 3 > 0 then 'Halden rollout ' || n % 5000 end,
        case when n % 3 > 0 then 'opportunity' end,
        {_document("$4::text[]")}::json, 'customer_checkin',
        (array['en', 'en', 'de', 'ja'])[1 + n % 4], 'heads', 'processed', created
    from generate_series(1, :all) n, lateral (select {_CREATED} as created) c,
        lateral (select {_document("$3::text[]")}::json as people) p,
        lateral (select array_agg(each ->> 'email') as emails,
            array_agg(distinct split_part(each ->> 'email', '@', 2)) as domains
            from json_array_elements(people) each) e
"""
_DEALS: Final = f"""
    insert into deals (workspace_id, id, name, owner_name, owner_email, created_at,
        activity_given_at, contacts, contact_emails, account_id, account_name, stage, pipeline,
        amount, close_date, closed, summary)
    select $1, '006' || lpad(n::text, 15, '0'), {_document("$2::text[]")}, 'Rosa Lind',
        'rosa@acme.example', created, case when n % 10 > 0 then created + interval '2 hours' end,
        '[{{"name":"Ana Berg","email":"ana@halden.example"}}]', '{{ana@halden.example}}',
        '001' || n / 2, 'Halden ' || n / 2,
        (array['Discovery', 'Demo', 'Proposal sent', 'Negotiation', 'Closed won'])[1 + n % 5],
        'Sales', n * 977 % 250000 + 0.5, created + interval '90 days', n % 5 = 4 or n % 7 = 0,
        '{{"Pain Points":["Exports fail."]}}'
    from generate_series(1, :all) n, lateral (select {_CREATED} as created) c
"""


class Seeded(NamedTuple):
    """Ids of what the rows refer to."""

    source: str
    object_type: str


async def seed(
    stack: Stack,
    caller: Tenant,
    records: int,
    kinds: tuple[str, ...] = ("rows",),
) -> Seeded:
    """Insert `records` of each kind into the caller's workspace."""
    seeded = await _source(caller)
    connection = await asyncpg.connect(stack.database_url)
    workspace = UUID(caller.workspace)
    try:
        for kind in kinds:
            statement, *parameters = _KINDS[kind](seeded)
            sql = statement.replace(":all", str(records))
            # Created after the records, which is faster.
            indexes = await _drop_indexes(connection, kind)
            await connection.execute(sql, workspace, *parameters, timeout=_TIMEOUT)
            for definition in indexes:
                await connection.execute(definition, timeout=_TIMEOUT)
            if kind == "insights":
                await connection.execute(_LAST_INSIGHT, workspace)
            await connection.execute(f"vacuum analyze {kind}", timeout=_TIMEOUT)
        await connection.execute("checkpoint", timeout=_TIMEOUT)
    finally:
        await connection.close()
    return seeded


async def _drop_indexes(connection: asyncpg.Connection, table: str) -> list[str]:
    """Drop the indexes for lists. Returns the statements that create them again."""
    await connection.execute("set maintenance_work_mem = '512MB'")
    indexes = await connection.fetch(
        "select indexname, indexdef from pg_indexes where tablename = $1 and indexname like 'ix%'",
        table,
    )
    for name, _ in indexes:
        await connection.execute(f"drop index {name}")
    return [definition for _, definition in indexes]


async def _source(caller: Tenant) -> Seeded:
    """Create a source and an object type with the fields of the documents."""

    async def create(path: str, **body: Any) -> str:
        response = await caller.http.post(path, json=body)
        assert response.is_success, response.text
        created: str = response.json()["id"]
        return created

    source = await create("/v1/sources", name="desk", displayName="Desk")
    object_type = await create(
        "/v1/object-types",
        sourceId=source,
        name="ticket",
        displayName="Ticket",
        fieldDefinitions=[
            {"name": name, "fieldType": kind, "label": name.title()}
            for name, kind in FIELD_TYPES.items()
        ],
    )
    return Seeded(source, object_type)


def _rows(seeded: Seeded) -> tuple[Any, ...]:
    documents = Documents()
    fields = [encoded(documents.fields()) for _ in range(_VARIANTS)]
    source, object_type = UUID(seeded.source), UUID(seeded.object_type)
    return _ROWS, source, object_type, _titles(documents), fields


def _insights(_seeded: Seeded) -> tuple[Any, ...]:
    documents = Documents()
    insights = [documents.insight() for _ in range(_VARIANTS)]
    return _INSIGHTS, [name for name, _ in insights], [text for _, text in insights]


def _conversations(_seeded: Seeded) -> tuple[Any, ...]:
    documents = Documents()
    participants = [encoded(documents.participants()) for _ in range(_VARIANTS)]
    transcripts = [encoded(documents.transcript()) for _ in range(_VARIANTS)]
    return _CONVERSATIONS, _titles(documents), participants, transcripts


def _deals(_seeded: Seeded) -> tuple[Any, ...]:
    return _DEALS, _titles(Documents())


def _titles(documents: Documents) -> list[str]:
    return [documents.title() for _ in range(_VARIANTS)]


_KINDS: Final[Mapping[str, Callable[[Seeded], tuple[Any, ...]]]] = {
    "rows": _rows,
    "insights": _insights,
    "conversations": _conversations,
    "deals": _deals,
}
