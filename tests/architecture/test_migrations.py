"""Upgrades and downgrades of the schema keep the data."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

from domains.kernel.db.database import Database
from domains.revenue.crm.relinking import LinkCrm
from tests.stack import Stack

ROOT = Path(__file__).parents[2]

UUIDS_OF_ACCOUNTS = [
    ("w1", "a", "3f92b5ed-0c0b-84da-bece-49da340a49a0"),
    ("w1", "ü", "8e42f118-5ed6-8109-8f51-2b4a233a9d46"),
    ("w2", "a", "f7296954-73cf-83c9-b1df-f0d9ae2b93d9"),
]


@pytest.fixture
async def empty_database(stack: Stack, database: Database) -> AsyncIterator[str]:
    """URL of an empty database on the stack's server."""
    name = f"m_{secrets.token_hex(6)}"
    async with database.connection() as connection:
        await connection.execute(f"create database {name}")
    yield urlunsplit(urlsplit(stack.database_url)._replace(path=f"/{name}"))
    async with database.connection() as connection:
        await connection.execute(f"drop database {name} with (force)")


async def _migrate(url: str, revision: str, *, back: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = url
    await asyncio.to_thread(command.downgrade if back else command.upgrade, config, revision)


async def test_records_of_the_first_schema_get_public_ids_and_a_search_index(
    empty_database: str,
) -> None:
    await _migrate(empty_database, "0001")
    connection = await asyncpg.connect(empty_database)
    await connection.execute(
        """
        insert into workspaces (id, name) select gen_random_uuid(), 'w' || n
            from generate_series(1, 2) n;
        insert into insights (id, workspace_id, name, description, suggestions)
            select ('00000000-0000-7000-8000-00000000000' || n)::uuid, id, 'Exports ' || n,
                'slow', '{"a": 1}'
            from workspaces, generate_series(1, 3) n where name = 'w1';
        insert into products (id, workspace_id, name) select gen_random_uuid(), id, 'Atlas'
            from workspaces;
        """
    )
    await _migrate(empty_database, "0002")
    insights = await connection.fetch("select number, name from insights order by id")
    assert [tuple(row) for row in insights] == [
        (1, "Exports 1"),
        (2, "Exports 2"),
        (3, "Exports 3"),
    ]
    counters = await connection.fetch("select kind, last from public_ids order by kind, last")
    assert [tuple(row) for row in counters] == [("INSIGHT", 3), ("PRODUCT", 1), ("PRODUCT", 1)]
    matching = "select count(*) from insights where search @@ to_tsquery('english', 'export')"
    assert await connection.fetchval(matching) == 3
    # Products of two workspaces may have the same id.
    await connection.execute(
        "insert into products (id, workspace_id, number, name) select p.id, w.id, 2, 'x'"
        " from products p join workspaces w on w.id <> p.workspace_id limit 1"
    )
    with pytest.raises(DBAPIError, match="two workspaces call a product by the same id"):
        await _migrate(empty_database, "0001", back=True)
    await connection.execute("delete from products where name = 'x'")
    await connection.close()
    await _migrate(empty_database, "0001", back=True)
    await _migrate(empty_database, "head")


async def test_links_and_texts_stored_before_follow_the_present_rules(empty_database: str) -> None:
    await _migrate(empty_database, "0005")
    connection = await asyncpg.connect(empty_database)
    await connection.execute(
        """
        insert into workspaces (id, name) select gen_random_uuid(), 'w';
        insert into accounts (workspace_id, id, domain, contact_emails)
            select workspaces.id, domain, domain, array['ana+crm@acme.com', 'bo@acme.com']
            from workspaces, unnest(array['gmail.com', 'müller.example', 'acme.com']) as domain;
        insert into conversations (workspace_id, id, source_id, started_at, ended_at, state, type,
                participants, names, owner_emails, emails, outside, outside_domains)
            select w.id, gen_random_uuid(), 'x', now(), now(), 'processed', 'INTERNAL', people,
                v.names, v.owners, v.outside, v.outside, v.domains
            from workspaces w, (values
                ('[]'::json, normalize('Café', NFD), '{}'::text[],
                    '{bo+x@acme.com}'::text[], '{acme.com}'::text[]),
                ('[]', 'idn', '{}', '{bo@müller.example}', '{müller.example}'),
                ('[{"email": "Me@gmail.com"}, {"email": "cy@gmail.com"}, {"name": "No"}]',
                    'owner', '{me@gmail.com}', '{}', '{}')
            ) as v (people, names, owners, outside, domains);
        insert into messages (workspace_id, id, source_id, remote_id, sender, recipients, body,
                body_preview, attachments, owner_emails, created_at)
            select id, gen_random_uuid(), 'x', 'm', '{"email": "me@gmail.com"}',
                '[{"email": "cy@gmail.com"}]', 'x', 'x', '[]', '{me@gmail.com}', now()
            from workspaces;
        insert into insights (id, workspace_id, number, name, description)
            select gen_random_uuid(), id, 1, '导出功能很慢', normalize('Café', NFD) from workspaces;
        """
    )
    await _migrate(empty_database, "head")
    accounts = await connection.fetch("select id, domain, contact_emails from accounts order by id")
    emails = ["ana+crm@acme.com", "bo@acme.com", "ana@acme.com"]
    assert [tuple(row) for row in accounts] == [
        ("acme.com", "acme.com", emails),
        ("gmail.com", None, emails),
        ("müller.example", "xn--mller-kva.example", emails),
    ]
    calls = await connection.fetch(
        "select names, type, emails, outside, outside_domains from conversations order by names"
    )
    bo = ["bo@xn--mller-kva.example"]
    assert [tuple(row) for row in calls] == [
        ("Café", "INTERNAL", ["bo+x@acme.com"], ["bo+x@acme.com", "bo@acme.com"], ["acme.com"]),
        ("idn", "INTERNAL", bo, [*bo, "bo@müller.example"], ["xn--mller-kva.example"]),
        ("owner", "EXTERNAL", [], ["cy@gmail.com"], []),
    ]
    assert await connection.fetchval("select outside from messages") == ["cy@gmail.com"]
    assert await connection.fetchval("select count(*) from crm_changes") == 7
    (job,) = await connection.fetch("select kind, subject, queue, payload from jobs")
    expected = LinkCrm()
    assert (job["kind"], job["subject"]) == (expected.__struct_config__.tag, expected.subject)
    assert job["queue"] == expected.queue
    assert json.loads(job["payload"]) == msgspec.to_builtins(expected)
    found = "select count(*) from insights where search @@ phraseto_tsquery('english', $1)"
    assert await connection.fetchval(found, "功能 能很") == 1
    assert await connection.fetchval(found, "Café") == 1
    await connection.close()


async def test_kinds_of_insights_are_renamed(empty_database: str) -> None:
    await _migrate(empty_database, "0010")
    connection = await asyncpg.connect(empty_database)
    await connection.execute(
        """
        insert into workspaces (id, name) select gen_random_uuid(), 'w';
        insert into insights (id, workspace_id, number, name, description, kind)
            select gen_random_uuid(), id, number, 'Exports', 'slow', kind
            from workspaces, unnest(array['pain_point', 'praise', null]) with ordinality
                as v (kind, number);
        """
    )
    kinds = "select array_agg(kind order by number) from insights"
    await _migrate(empty_database, "0011")
    assert await connection.fetchval(kinds) == ["pain", "praise", None]
    await _migrate(empty_database, "0010", back=True)
    assert await connection.fetchval(kinds) == ["pain_point", "praise", None]
    await connection.close()


async def test_records_that_exist_before_are_counted(empty_database: str) -> None:
    await _migrate(empty_database, "0012")
    connection = await asyncpg.connect(empty_database)
    await connection.execute(
        """
        insert into workspaces (id, name) select gen_random_uuid(), 'w' || n
            from generate_series(1, 2) n;
        insert into ideas (id, workspace_id, number, name, description)
            select gen_random_uuid(), id, n, 'Sync', 'fast' from workspaces, generate_series(1, 3) n
            where workspaces.name = 'w1' or n = 1;
        """
    )
    await _migrate(empty_database, "0013")
    counts = (
        "select workspaces.name, kind, count from record_counts"
        " join workspaces on workspaces.id = workspace_id order by 1"
    )
    assert await connection.fetch(counts) == [("w1", "ideas", 3), ("w2", "ideas", 1)]
    await connection.execute("delete from workspaces where name = 'w1'")
    assert await connection.fetch(counts) == [("w2", "ideas", 1)]
    await connection.close()


async def test_accounts_that_exist_before_get_uuids_and_are_counted(empty_database: str) -> None:
    await _migrate(empty_database, "0015")
    connection = await asyncpg.connect(empty_database)
    await connection.execute(
        """
        insert into workspaces (id, name)
            select ('00000000-0000-7000-8000-00000000000' || n)::uuid, 'w' || n
            from generate_series(1, 2) n;
        insert into accounts (workspace_id, id) select id, account
            from workspaces, unnest(array['a', 'ü']) as account
            where name = 'w1' or account = 'a';
        """
    )
    await _migrate(empty_database, "0017")
    # Other values would give every account another id.
    uuids = (
        "select workspaces.name, accounts.id, account_uuid(workspace_id, accounts.id)::text"
        " from accounts join workspaces on workspaces.id = workspace_id order by 1, 2"
    )
    assert [tuple(row) for row in await connection.fetch(uuids)] == UUIDS_OF_ACCOUNTS
    counts = "select count from record_counts where kind = 'accounts' order by 1"
    assert [row["count"] for row in await connection.fetch(counts)] == [1, 2]
    await connection.execute("delete from workspaces where name = 'w1'")
    assert [row["count"] for row in await connection.fetch(counts)] == [1]
    await connection.close()


async def test_all_migrations_can_be_reversed(empty_database: str) -> None:
    await _migrate(empty_database, "head")
    await _migrate(empty_database, "base", back=True)
    connection = await asyncpg.connect(empty_database)
    left = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
    await connection.close()
    assert [row["tablename"] for row in left] == ["alembic_version"]
    await _migrate(empty_database, "head")
