"""The lists of the revenue record, and SQL that fills them with records."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import msgspec

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.kernel.pagination.cursor import CursorList, CursorQuery
from domains.kernel.tenancy.signing import Signer
from domains.revenue.accounts import ACCOUNTS, AccountQuery
from domains.revenue.conversations import CONVERSATIONS, ConversationQuery
from domains.revenue.deals import DEALS, DealQuery
from domains.revenue.documents import DOCUMENTS, DocumentQuery
from domains.revenue.messages import MESSAGES, MessageQuery
from domains.revenue.rows import ROWS, RowQuery
from tests.revenue.push_records import Json
from tests.stack import Tenant

START_TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCES = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222")


class Kind(NamedTuple):
    """A list, the SQL that inserts records into it, and values to filter it by.

    The parameters of `insert` are the workspace and arrays of ids, times, words and numbers.
    """

    id_field: str
    cursor_list: CursorList[Any]
    query: type[CursorQuery]
    insert: str
    # Parameter name -> values. A record has its word in its texts, and values derived from its
    # number.
    filters: dict[str, Sequence[Any]]
    # True if the time that orders the list may be missing.
    may_lack_time: bool = False


_ROWS = "from unnest($2::text[], $3::timestamptz[], $4::text[], $5::int[]) as g(id, at, word, n)"
_SOURCE = f"(array['{SOURCES[0]}', '{SOURCES[1]}'])[1 + n % 2]"
_STATE = "(array['processed', 'failed', 'processing'])[1 + n % 3]"
# Words of records: the last one is decomposed.
WORDS = ("plan", "risk", "导出カ\u3099")
_WORDS = ("Plan", "plan", "risk", "xyz", "la", "ri", "导出", "导出ガ", "カ\u3099", "出导")
_TIMES = [(START_TIME + timedelta(hours=hours)).isoformat() for hours in (-1, 0, 2, 9)]

KINDS = {
    "conversations": Kind(
        "conversationId",
        CONVERSATIONS,
        ConversationQuery,
        f"""insert into conversations (workspace_id, id, source_id, remote_id, title, started_at,
            ended_at, type, participants, names, emails, domains, crm_name, state)
        select $1, id::uuid, {_SOURCE}, id, word, at, at,
            case when n % 3 = 0 then 'INTERNAL' else 'EXTERNAL' end, '[]', 'Ann ' || word,
            array[word || '@acme.com'], array['acme.com'], word || ' Ltd', {_STATE} {_ROWS}""",
        {
            "title": _WORDS,
            "attendees": (
                "plan@acme.com",
                "@acme.com",
                "no.com",
                "ann",
                "ann risk",
                "出ガ",
                "导出.com",
            ),
            "crmName": ("plan ltd", "ltd", "lt", "导出", "出ガ ltd"),
            "type": ("INTERNAL", "EXTERNAL"),
            "sourceId": (*SOURCES, "gong"),
            "processingStatus": ("failed", "processed", "pending"),
            "startedAfter": _TIMES,
            "startedBefore": _TIMES,
        },
    ),
    "messages": Kind(
        "messageId",
        MESSAGES,
        MessageQuery,
        f"""insert into messages (workspace_id, id, source_id, remote_id, thread_id, subject,
            recipients, body, body_preview, attachments, emails, created_at)
        select $1, id::uuid, {_SOURCE}, id, 't' || n % 3, word, '[]', '', '', '[]',
            array[word || '@acme.com', 'rep@ours.io'], at {_ROWS}""",
        {
            "threadId": ("t0", "t1", "t9"),
            "participantEmail": ("plan@acme.com", "REP@ours.io", "no@no.com"),
            "sourceId": (*SOURCES, "gmail"),
            "createdAfter": _TIMES,
            "createdBefore": _TIMES,
        },
    ),
    "rows": Kind(
        "rowId",
        ROWS,
        RowQuery,
        f"""insert into rows (workspace_id, id, source_id, remote_id, object_type_id, name,
            display_name, fields, created_at)
        select $1, id::uuid, {_SOURCE}, id, {_SOURCE}::uuid, word, '', '{{}}', at {_ROWS}""",
        {
            "name": _WORDS,
            "objectTypeId": SOURCES,
            "sourceId": SOURCES,
            "createdAfter": _TIMES,
            "createdBefore": _TIMES,
        },
    ),
    "documents": Kind(
        "id",
        DOCUMENTS,
        DocumentQuery,
        f"""insert into documents (workspace_id, id, source_id, remote_id, display_name,
            content_type, url, state, created_at)
        select $1, id::uuid, {_SOURCE}, id, word, 'text/plain', 'https://example.com', {_STATE},
            at {_ROWS}""",
        {
            "name": _WORDS,
            "sourceId": SOURCES,
            "processingStatus": ("failed", "processed", "pending"),
        },
    ),
    "deals": Kind(
        "dealId",
        DEALS,
        DealQuery,
        f"""insert into deals (workspace_id, id, name, stage, owner_name, amount, close_date,
            closed, activity_given_at)
        select $1, id, word, 'Stage ' || word, 'Ann ' || word, n * 10000.5,
            timestamptz '{START_TIME}' - n * interval '300 days',
            case when n % 3 > 0 then n % 3 = 1 end, at {_ROWS}""",
        {
            "name": _WORDS,
            "stage": ("stage", "age ri", "none"),
            "owner": ("ann", "nn pl"),
            "closed": ("true", "false"),
            "amountMin": (0, 30000, 60003),
            "amountMax": (-1, 30001.5, 1e12),
            "closeDateAfter": (*_TIMES, "2020-05-05"),
            "closeDateBefore": (*_TIMES, "2020-05-05"),
            "lastActivityAfter": _TIMES,
            "lastActivityBefore": _TIMES,
        },
        may_lack_time=True,
    ),
    "accounts": Kind(
        "accountId",
        ACCOUNTS,
        AccountQuery,
        f"""insert into accounts (workspace_id, id, name, website, owner_name, owner_email,
            created_at, activity_given_at)
        select $1, id, word, 'https://' || word || '.com', 'Ann', word || '@ours.io',
            timestamptz '{START_TIME}' - n * interval '300 days', at {_ROWS}""",
        {
            "name": _WORDS,
            "website": ("plan.com", "https", "none", "导出", "导出ガ.com"),
            "owner": ("ann", "plan@", "ours.io"),
            "createdAfter": (*_TIMES, "2020-05-05"),
            "createdBefore": (*_TIMES, "2020-05-05"),
            "lastActivityAfter": _TIMES,
            "lastActivityBefore": _TIMES,
        },
        may_lack_time=True,
    ),
}


class Record(NamedTuple):
    """A record of any list."""

    id: str
    at: datetime | None
    word: str
    number: int

    @property
    def position(self) -> tuple[datetime, str]:
        """Sort key of the lists, which are in descending order."""
        return self.at or datetime.min.replace(tzinfo=UTC), self.id


def equal_records(count: int, word: str = "plan") -> list[Record]:
    """Records with the same time and word."""
    return [Record(str(uuid4()), START_TIME, word, number) for number in range(count)]


async def insert_records(
    connection: asyncpg.Connection, tenant: Tenant, kind: str, records: Sequence[Record]
) -> None:
    """Insert records of a kind into the tenant's workspace."""
    columns = [list(column) for column in zip(*records, strict=True)] or [[], [], [], []]
    await connection.execute(KINDS[kind].insert, UUID(tenant.workspace), *columns)


def record_ids(kind: str, page: Any) -> list[str]:
    """Ids of the records on a page of a list."""
    return [str(record[KINDS[kind].id_field]) for record in page[kind]]


async def read_page_in_process(
    database: Database, tenant: Tenant, kind: str, filters: Json, limit: int, cursor: str | None
) -> tuple[list[str], str | None]:
    """Read a page without the API's process: the ids on it, and the next cursor."""
    list_kind = KINDS[kind]
    params = filters | {"limit": limit} | ({} if cursor is None else {"cursor": cursor})
    query = msgspec.convert(params, list_kind.query, strict=False)
    signer = Signer()
    await signer.load(database.read)
    workspace = WorkspaceId(UUID(tenant.workspace))
    page = await list_kind.cursor_list.page(database.read, signer, workspace, query)
    items = msgspec.json.decode(msgspec.json.encode(page.items))
    return [str(item[list_kind.id_field]) for item in items], page.pagination.next_cursor
