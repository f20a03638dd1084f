"""Store batches of records in a workspace."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.normal_form import nfc
from domains.kernel.core.problems import WriteConflict
from domains.kernel.db.database import Database
from domains.kernel.db.statistics import update_statistics
from domains.revenue.imports.prepared import Outcome, PreparedRecord
from gateway.cli.importing.batches import KINDS, Batch, Record, Refused

# Concurrent transactions that store a batch: most of the work is the database's.
_CONNECTIONS: Final = 2

# Stored records of a kind after which the statistics of its table are updated once. Until then
# PostgreSQL may take the table for empty, and link records by scanning all of them. Autovacuum may
# update the statistics only a minute later.
_STATISTICS_AFTER: Final = 10_000
# Tables of the records that wait to be linked, and of the jobs.
_QUEUES: Final = ("crm_changes", "jobs")

# Attempts to store records when other writers are in conflict.
_ATTEMPTS: Final = 6


class Counts(msgspec.Struct, rename="camel"):
    """Numbers of records by result. A dry run counts the results that an import would have.

    A record replaced by a later one of the same id, in the same batch, counts as unchanged.
    `skipped`: rows of tables that are no records to import, such as deleted ones.
    """

    stored: int = 0
    unchanged: int = 0
    refused: int = 0
    skipped: int = 0
    dry_run: bool = False


class Importer:
    """An import into a workspace. A dry run checks everything and stores nothing."""

    def __init__(
        self, database: Database, workspace: WorkspaceId, *, strict: bool, dry_run: bool
    ) -> None:
        self._database = database
        self._workspace = workspace
        self._strict = strict
        # Ids of the accounts that a preview saw, also by name: None if several have the name.
        self._account_ids: set[str] = set()
        self._account_by_name: dict[str, str | None] = {}
        # Connections store the shares of their batches in the order of the batches.
        self._turns: Final = [asyncio.Lock() for _ in range(_CONNECTIONS)]
        self._stored: Final[Counter[str]] = Counter()
        self.counts: Final = Counts(dry_run=dry_run)

    def may_overlap(self, batch: Batch) -> bool:
        """Return True if the next batch may be stored while this one is.

        Contacts must not find accounts of later batches, and previews depend on earlier ones.
        """
        if self._strict or self.counts.dry_run:
            return False
        return all(record.kind != "contacts" for record in batch.records)

    async def store(self, batch: Batch) -> list[Refused]:
        """Store a batch. Returns its refusals in the order of the files.

        If `strict`, nothing is stored from the first refused record on.
        """
        records, refused = batch.records, batch.refused
        if self._strict:
            refusals = _refusals(records, await self._preview(records))
            if refusals:
                number, refusal = min(refusals.items())
                records, refused = records[:number], [refusal]
        outcomes = await (self._preview if self.counts.dry_run else self._store_all)(records)
        refusals = _refusals(records, outcomes)
        changed = sum(len(outcome.changed) for outcome in outcomes.values())
        refused = sorted([*refused, *refusals.values()], key=lambda each: each.location)
        self.counts.stored += changed
        self.counts.unchanged += len(records) - len(refusals) - changed
        self.counts.refused += len(refused)
        self.counts.skipped += sum(note.skipped for _, note in batch.notes)
        if not self.counts.dry_run:
            await self._update_statistics(outcomes)
        return refused

    async def _update_statistics(self, outcomes: Mapping[str, Outcome]) -> None:
        """Update the statistics of each kind of which enough records are stored now."""
        for name, outcome in outcomes.items():
            before = self._stored[name]
            self._stored[name] += len(outcome.changed)
            if before < _STATISTICS_AFTER <= self._stored[name]:
                await update_statistics(self._database.read, (name, *_QUEUES))

    async def _preview(self, records: Sequence[Record]) -> dict[str, Outcome]:
        """Return the outcome of storing, without storing anything."""
        read = self._database.read
        batches = _by_kind(records)
        outcomes = {
            name: await KINDS[name].preview(read, self._workspace, batch)
            for name, batch in batches.items()
        }
        # Contacts may belong to accounts that would be stored before them.
        for account, values in batches.get("accounts", ()):
            name = nfc(values["name"] or "").lower()
            former = self._account_by_name.setdefault(name, account)
            self._account_by_name[name] = account if former == account else None
            self._account_ids.add(account)
        if "contacts" in outcomes:
            outcomes["contacts"] = self._with_accounts(batches["contacts"], outcomes["contacts"])
        return outcomes

    def _with_accounts(self, batch: Sequence[PreparedRecord], outcome: Outcome) -> Outcome:
        """Correct the outcome of contacts whose account was seen in this run."""
        known = {
            contact
            for contact, values in batch
            if contact in outcome.refused and self._is_seen(values)
        }
        refused = {each: why for each, why in outcome.refused.items() if each not in known}
        return Outcome([*outcome.changed, *known], refused)

    def _is_seen(self, contact: Mapping[str, Any]) -> bool:
        if contact["account_id"] is not None:
            return contact["account_id"] in self._account_ids
        return self._account_by_name.get(nfc(contact["account_name"]).lower()) is not None

    async def _store_all(self, records: Sequence[Record]) -> dict[str, Outcome]:
        """Store on several connections. Records with the same id use the same one, in order."""
        contacts = [record for record in records if record.kind == "contacts"]
        others = (
            [record for record in records if record.kind != "contacts"] if contacts else records
        )
        # Contacts need their accounts, which another connection may store.
        return await self._store_together(others) | await self._store_together(contacts)

    async def _store_together(self, records: Sequence[Record]) -> dict[str, Outcome]:
        if not records:
            return {}
        shares: list[list[Record]] = [[] for _ in range(_CONNECTIONS)]
        for record in records:
            shares[hash(record.prepared.id) % _CONNECTIONS].append(record)
        stored = await asyncio.gather(*map(self._store_share, shares, self._turns))
        return {
            name: Outcome(
                [record_id for part in parts for record_id in part.changed],
                {record_id: why for part in parts for record_id, why in part.refused.items()},
            )
            for name in KINDS
            if (parts := [outcomes[name] for outcomes in stored if name in outcomes])
        }

    async def _store_share(
        self, records: Sequence[Record], turn: asyncio.Lock
    ) -> dict[str, Outcome]:
        """Store in one transaction, after the earlier shares of the same connection."""
        async with turn:
            return await self._store_with_retries(_by_kind(records))

    async def _store_with_retries(
        self, batches: Mapping[str, Sequence[PreparedRecord]]
    ) -> dict[str, Outcome]:
        """Store in one transaction. Retries on conflicts with other writers."""
        for attempt in range(_ATTEMPTS):
            try:
                async with self._database.transaction() as tx:
                    return {
                        name: await KINDS[name].store(tx, self._workspace, batch)
                        for name, batch in batches.items()
                    }
            except WriteConflict:
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.1 * 2**attempt * (0.5 + random.random()))  # noqa: S311
        raise AssertionError  # pragma: no cover


def _by_kind(records: Sequence[Record]) -> dict[str, list[PreparedRecord]]:
    """Group records by kind, in the order in which kinds are stored."""
    grouped: dict[str, list[PreparedRecord]] = {name: [] for name in KINDS}
    for record in records:
        grouped[record.entry.kind].append(record.prepared)
    return {name: batch for name, batch in grouped.items() if batch}


def _refusals(records: Sequence[Record], outcomes: Mapping[str, Outcome]) -> dict[int, Refused]:
    """Refusals by the index of the record."""
    if not any(outcome.refused for outcome in outcomes.values()):
        return {}
    return {
        number: Refused(
            record.location,
            f"{record.entry.columns.get(error.field, error.field)}: {error.message}",
            record.entry.cells,
            record.entry,
        )
        for number, record in enumerate(records)
        if record.kind in outcomes
        and (error := outcomes[record.kind].refused.get(record.prepared.id)) is not None
    }
