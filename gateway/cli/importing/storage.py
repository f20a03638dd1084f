"""Store batches of records in a workspace."""

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import WriteConflict
from domains.kernel.db.database import Database
from domains.revenue.imports.kinds import Outcome, PreparedRecord
from gateway.cli.importing.batches import KINDS, Batch, Record, Refused

# Concurrent transactions that store a batch: most of the work is the database's.
_CONNECTIONS: Final = 2

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
        self.counts: Final = Counts(dry_run=dry_run)

    async def store(self, batch: Batch) -> list[Refused]:
        """Store a batch. Returns its refusals in the order of the files.

        If `strict`, nothing is stored from the first refused record on.
        """
        records, refused = batch.records, batch.refused
        if self._strict:
            pushed = _pushed(records, await self._preview(records))
            if pushed:
                records = records[: pushed[0]]
                refused = [_refusal(batch.records[pushed[0]])]
        outcomes = await (self._preview if self.counts.dry_run else self._store_all)(records)
        pushed = _pushed(records, outcomes)
        changed = sum(len(outcome.changed) for outcome in outcomes.values())
        refused = sorted([*refused, *(_refusal(records[number]) for number in pushed)])
        self.counts.stored += changed
        self.counts.unchanged += len(records) - len(pushed) - changed
        self.counts.refused += len(refused)
        self.counts.skipped += sum(note.skipped for _, note in batch.notes)
        return refused

    async def _preview(self, records: Sequence[Record]) -> dict[str, Outcome]:
        """Return the outcome of storing, without storing anything."""
        read = self._database.read
        return {
            name: await KINDS[name].preview(read, self._workspace, batch)
            for name, batch in _by_kind(records).items()
        }

    async def _store_all(self, records: Sequence[Record]) -> dict[str, Outcome]:
        """Store on several connections. Records with the same id use the same one, in order."""
        shares: list[list[Record]] = [[] for _ in range(_CONNECTIONS)]
        for record in records:
            shares[hash(record.prepared.id) % _CONNECTIONS].append(record)
        stored = await asyncio.gather(*map(self._store_share, shares))
        return {
            name: Outcome(*map(list, map(itertools.chain.from_iterable, zip(*parts, strict=True))))
            for name in KINDS
            if (parts := [outcomes[name] for outcomes in stored if name in outcomes])
        }

    async def _store_share(self, records: Sequence[Record]) -> dict[str, Outcome]:
        """Store in one transaction. Retries on conflicts with other writers."""
        for attempt in range(_ATTEMPTS):
            try:
                async with self._database.transaction() as tx:
                    return {
                        name: await KINDS[name].store(tx, self._workspace, batch)
                        for name, batch in _by_kind(records).items()
                    }
            except WriteConflict:
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.1 * 2**attempt * (0.5 + random.random()))  # noqa: S311
        raise AssertionError  # pragma: no cover


def _by_kind(records: Sequence[Record]) -> dict[str, list[PreparedRecord]]:
    """Group records by kind, in the order in which kinds are stored."""
    grouped = {
        name: [record.prepared for record in records if record.kind == name] for name in KINDS
    }
    return {name: batch for name, batch in grouped.items() if batch}


def _pushed(records: Sequence[Record], outcomes: Mapping[str, Outcome]) -> list[int]:
    """Indexes of the records whose ids belong to pushed records."""
    ids = {(name, refused) for name, outcome in outcomes.items() for refused in outcome.refused}
    if not ids:
        return []
    return [
        number for number, record in enumerate(records) if (record.kind, record.prepared.id) in ids
    ]


def _refusal(record: Record) -> Refused:
    field = KINDS[record.kind].id_field
    column = record.columns.get(field, field)
    reason = f"{column}: is the id of a record that was pushed"
    return Refused(record.location, reason, record.cells)
