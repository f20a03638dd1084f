"""Records and jobs that a scenario sends, and the check that each was processed exactly once."""

import asyncio
import base64
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
import httpx
import msgspec

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document
from domains.kernel.core.ids import new_id
from tests.chaos.results import Outcome
from tests.revenue.push_records import Source
from tests.stack import Tenant, eventually

TEXT: Final = "The export fails every morning. Search is very slow. We want a dark mode in the app."
# Its analysis takes long enough to be interrupted by a fault.
LONG_TEXT: Final = "\n".join(f"Customer {n}: {TEXT} It crashed {n} times." for n in range(600))
TRANSCRIPT: Final = [
    {"text": text, "speakerName": "Ana Ruiz", "timestamp": f"2026-03-11T14:00:{at:02}Z"}
    for at, text in enumerate(TEXT.split(". "))
]

Kind = Literal["signals", "conversations", "documents"]
KINDS: Final[tuple[Kind, ...]] = ("signals", "conversations", "documents")


class Item(msgspec.Struct):
    """A record that was sent, perhaps several times, and its expected state."""

    kind: Kind
    name: str
    expected: Literal["processed", "failed"] = "processed"
    accepted: bool = False
    text: str = TEXT
    body: dict[str, Any] = {}


class Tally(msgspec.Struct):
    """Number of accepted records and jobs, and what happened to them."""

    accepted: int
    outcomes: Counter[Outcome]
    unfinished: int
    wrong: list[str]


class Workload:
    """Records and jobs of a scenario, in a workspace of its own."""

    def __init__(self, tenant: Tenant, source: Source) -> None:
        self.tenant = tenant
        self.source = source
        self.items: list[Item] = []
        # Job ids with the expected states.
        self.jobs: dict[UUID, str] = {}
        # Refusals by status.
        self.refused: Counter[int] = Counter()
        self._numbers = itertools.count(1)
        # Details of records that were lost or doubled.
        self._notes: dict[str, str] = {}

    # --- sending ---

    async def send(self, kind: Kind = "signals", patience: float = 20, **changed: Any) -> Item:
        """Create a record: `resend` the request until it is accepted."""
        item = self.prepare(kind, **changed)
        await self.resend(item, patience)
        return item

    def prepare(self, kind: Kind = "signals", **changed: Any) -> Item:
        """A record to send."""
        text = changed.pop("text", TEXT)
        expected = changed.pop("expected", "processed")
        item = Item(kind, f"{kind}-{next(self._numbers)}", expected=expected, text=text)
        item.body = self._body(item) | changed
        self.items.append(item)
        return item

    async def resend(self, item: Item, patience: float) -> None:
        """Repeat the request, with one Idempotency-Key, until it is or may have been accepted."""
        deadline = asyncio.get_running_loop().time() + patience
        while not item.accepted and asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(httpx.TransportError):
                status = (await self.post(item)).status_code
                item.accepted = status == 201
                if item.accepted or status == 409:
                    # 409: an earlier attempt without an answer holds the key for a minute.
                    return
                self.refused[status] += 1
                assert status == 503, f"one of {item.kind} was answered {status}"
            await asyncio.sleep(0.1)

    async def post(self, item: Item, url: str = "", **changed: Any) -> httpx.Response:
        """Send the request once, to another server with `url`."""
        path = "/external/v1/signals" if item.kind == "signals" else f"/v1/{item.kind}"
        body = item.body | changed
        return await self.tenant.http.post(
            url + path,
            json={name: value for name, value in body.items() if value is not None},
            headers={"Idempotency-Key": item.name},
        )

    def _body(self, item: Item) -> dict[str, Any]:
        if item.kind == "signals":
            return {"text": item.text, "name": item.name, "signalType": "support_ticket"}
        if item.kind == "conversations":
            return self.source.body(item.kind, item.name, recordingUrl=None, transcript=TRANSCRIPT)
        content = base64.b64encode(item.text.encode()).decode()
        return self.source.body(item.kind, item.name, url=None, content=content)

    @contextlib.asynccontextmanager
    async def sending_in_background(
        self, kinds: Sequence[Kind] = KINDS, *, senders: int = 4, pause: float = 0.1
    ) -> AsyncIterator[None]:
        """Send records in the background within the block. Requests in progress are completed."""
        leaving = asyncio.Event()

        async def sender(first: int) -> None:
            for kind in itertools.islice(itertools.cycle(kinds), first, None):
                if leaving.is_set():
                    return
                await self.send(kind)
                await asyncio.sleep(pause)

        async with asyncio.TaskGroup() as group:
            for number in range(senders):
                group.create_task(sender(number))
            try:
                yield
            finally:
                leaving.set()

    async def until_accepted(self, count: int) -> None:
        """Wait until `count` more records were accepted."""
        target = self.accepted + count
        await eventually(lambda: self.accepted >= target)

    @property
    def accepted(self) -> int:
        """Number of records that the API accepted."""
        return sum(item.accepted for item in self.items)

    async def enqueue(
        self,
        connection: asyncpg.Connection,
        count: int,
        *,
        seconds: float = 0.0,
        kind: str = "chaos.count",
        expected: str = "done",
    ) -> None:
        """Queue `count` jobs of a kind defined in `worker.py`, in one transaction."""
        ids = [new_id() for _ in range(count)]
        await connection.executemany(
            "insert into jobs (id, workspace_id, kind, queue, payload)"
            " values ($1, $2, $3, 'housekeeping', $4)",
            [
                (
                    job_id,
                    self.tenant.workspace,
                    kind,
                    msgspec.json.encode(
                        {"kind": kind}
                        if kind == "chaos.crash"
                        else {"kind": kind, "effect": job_id, "seconds": seconds}
                    ).decode(),
                )
                for job_id in ids
            ],
        )
        self.jobs |= dict.fromkeys(ids, expected)
        await connection.execute("select pg_notify('jobs', '')")

    async def expire_reservations(self, connection: asyncpg.Connection) -> None:
        """Make the reservations of Idempotency-Keys a minute older, so that they are free.

        Call it when no request is in progress: killed processes have left them.
        """
        await connection.execute(
            "update idempotency set created_at = created_at - interval '61 seconds'"
            " where workspace_id = $1 and status is null",
            self.tenant.workspace,
        )

    # --- results ---

    async def states(self, connection: asyncpg.Connection) -> Counter[str]:
        """Number of jobs by state."""
        rows = await connection.fetch(
            "select state, count(*) as n from jobs where workspace_id = $1 group by 1",
            self.tenant.workspace,
        )
        return Counter({row["state"]: row["n"] for row in rows})

    async def wait_for_jobs(self, connection: asyncpg.Connection, patience: float) -> int:
        """Wait for the jobs. Returns the number of jobs that have not ended after `patience` s."""
        live = 0

        async def ended() -> bool:
            nonlocal live
            states = await self.states(connection)
            live = sum(states[state] for state in ("queued", "sent", "running"))
            return live == 0

        with contextlib.suppress(AssertionError):
            await eventually(ended, patience)
        return live

    async def tally(self, connection: asyncpg.Connection, blobs: Path, patience: float) -> Tally:
        """Wait for the jobs; then count the records and jobs that were lost or doubled."""
        unfinished = await self.wait_for_jobs(connection, patience)
        counts: Counter[Outcome] = Counter()
        wrong: list[str] = []
        outcomes: dict[Kind, dict[str, list[Outcome]]] = {
            "signals": await self._signals(connection),
            "conversations": await self._conversations(connection),
            "documents": await self._documents(connection, blobs),
        }
        for item in self.items:
            copies = outcomes[item.kind].get(item.name, [])
            outcome: Outcome = copies[0] if len(copies) == 1 else "doubled" if copies else "lost"
            # Without an answer, a record may exist or not, but not twice.
            if item.accepted or outcome == "doubled":
                counts[outcome] += 1
                if outcome != "once":
                    wrong.append(f"{item.name} {outcome} ({self._notes.get(item.name, 'missing')})")
        for job, outcome in (await self._effects(connection)).items():
            counts[outcome] += 1
            if outcome != "once":
                wrong.append(f"job {job} {outcome}")
        return Tally(self.accepted + len(self.jobs), counts, unfinished, wrong)

    async def _signals(self, connection: asyncpg.Connection) -> dict[str, list[Outcome]]:
        rows = await connection.fetch(
            """
            select name, status, array(
                select i.name from insights i where i.workspace_id = s.workspace_id
                    and i.made_by_signal_id = s.id order by i.name
            ) as insights
            from signals s where workspace_id = $1
            """,
            self.tenant.workspace,
        )
        items = {item.name: item for item in self.items}
        outcomes: dict[str, list[Outcome]] = {}
        for row in rows:
            item = items[row["name"]]
            expected = insights(item.text) if item.expected == "processed" else []
            outcome: Outcome = "once"
            if Counter(row["insights"]) - Counter(expected):
                outcome = "doubled"
            elif sorted(row["insights"]) != expected or row["status"] != item.expected:
                outcome = "lost"
            if outcome != "once":
                self._notes[item.name] = f"{row['status']}, {len(row['insights'])} insights"
            outcomes.setdefault(item.name, []).append(outcome)
        return outcomes

    async def _conversations(self, connection: asyncpg.Connection) -> dict[str, list[Outcome]]:
        rows = await connection.fetch(
            """
            select remote_id, version, state, error,
                coalesce(summary, found_summary) is not null as made,
                array(
                    select j.kind || j.state from jobs j where j.workspace_id = c.workspace_id
                    and j.payload ->> 'conversation_id' = c.id::text order by 1
            ) as jobs
            from conversations c where workspace_id = $1 and deleted_at is null
            """,
            self.tenant.workspace,
        )
        return self._records(rows)

    async def _documents(
        self, connection: asyncpg.Connection, blobs: Path
    ) -> dict[str, list[Outcome]]:
        rows = await connection.fetch(
            """
            select remote_id, version, state, error, normalized_key,
                normalized_key is not null as made,
                array(
                    select j.kind || j.state from jobs j where j.workspace_id = d.workspace_id
                        and j.payload ->> 'document_id' = d.id::text order by 1
                ) as jobs
            from documents d where workspace_id = $1 and deleted_at is null
            """,
            self.tenant.workspace,
        )
        outcomes = self._records(rows)
        items = {item.name: item for item in self.items}
        for row in rows:
            item = items[row["remote_id"]]
            if row["made"] and (blobs / row["normalized_key"]).read_text().strip() != item.text:
                outcomes[item.name] = ["lost"]
        return outcomes

    def _records(self, rows: Sequence[Any]) -> dict[str, list[Outcome]]:
        """Outcomes by name. Each record must have one version, and one job of each kind."""
        outcomes: dict[str, list[Outcome]] = {}
        items = {item.name: item for item in self.items}
        for row in rows:
            item = items[row["remote_id"]]
            kinds = [job.removesuffix("done").removesuffix("failed") for job in row["jobs"]]
            outcome: Outcome = "once"
            if row["version"] != 1 or len(set(kinds)) < len(kinds):
                outcome = "doubled"
            elif row["state"] != item.expected or row["made"] != (item.expected == "processed"):
                outcome = "lost"
            if outcome != "once":
                self._notes[item.name] = (
                    f"version {row['version']}, {row['state']}, {row['error']}, {row['jobs']}"
                )
            outcomes.setdefault(item.name, []).append(outcome)
        return outcomes

    async def _effects(self, connection: asyncpg.Connection) -> dict[UUID, Outcome]:
        if not self.jobs:
            return {}
        rows = await connection.fetch(
            """
            select j.id, j.state, j.kind, count(e.job) as effects
            from jobs j left join chaos_effects e on e.job = j.id
            where j.workspace_id = $1 and j.kind like 'chaos.%' group by j.id
            """,
            self.tenant.workspace,
        )
        outcomes: dict[UUID, Outcome] = dict.fromkeys(self.jobs, "lost")
        for row in rows:
            expected = 1 if row["kind"] == "chaos.count" else 0
            if row["effects"] > expected:
                outcomes[row["id"]] = "doubled"
            elif row["effects"] == expected and row["state"] == self.jobs[row["id"]]:
                outcomes[row["id"]] = "once"
        return outcomes


@cache
def insights(text: str) -> list[str]:
    """Names of the insights in a text."""
    document = Document(text=text, profile="support_ticket")
    return sorted(insight.name for insight in analyse(document).insights)
