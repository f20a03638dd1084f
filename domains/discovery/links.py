"""Symmetric links between records: set on one side, seen on both, gone with either."""

from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Table, Uuid, any_, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from domains.discovery.tables import insights, signal_insights
from domains.kernel.db import REFUSALS, Read, Tx
from domains.kernel.ids import parse_id
from domains.kernel.keys import WorkspaceId
from domains.kernel.problems import invalid
from domains.kernel.statements import row, scalar, statement


class Link:
    """One side's view of a link table: the list `field` of a record's linked ids."""

    def __init__(self, table: Table, mine: str, theirs: str, target: Table, field: str) -> None:
        self.field = field
        self._target = target.name
        workspace = bindparam("workspace", type_=Uuid)
        ids = bindparam("ids", type_=ARRAY(Uuid))
        self._known = statement(
            select(target.c.id).where(target.c.workspace_id == workspace, target.c.id == any_(ids)),
            scalar,
        )
        self._add = statement(
            insert(table)
            .values(
                {
                    "workspace_id": workspace,
                    mine: bindparam("record", type_=Uuid),
                    theirs: bindparam("other", type_=Uuid),
                }
            )
            .on_conflict_do_nothing(),
            row,
        )
        self._drop_others = statement(
            delete(table).where(
                table.c.workspace_id == workspace,
                table.c[mine] == bindparam("record", type_=Uuid),
                ~(table.c[theirs] == any_(ids)),
            ),
            row,
        )
        REFUSALS[f"fk_{table.name}_{theirs.removesuffix('_id')}"] = lambda: invalid(
            field, "a record of the list was deleted meanwhile"
        )

    async def known(self, read: Read, workspace: WorkspaceId, given: list[str]) -> list[UUID]:
        """The ids, each once, in order; Invalid names those that the workspace has not."""
        if not given:
            return []
        parsed = {text: parse_id(text) for text in given}
        wanted = {found for found in parsed.values() if found is not None}
        known = set(await read.all(self._known, workspace=workspace, ids=list(wanted)))
        unknown = [text for text, found in parsed.items() if found not in known]
        if unknown:
            shown = ", ".join(text[:64] for text in unknown[:10])
            raise invalid(self.field, f"no such {self._target} in this workspace: {shown}")
        return sorted(wanted)

    async def add(self, tx: Tx, workspace: WorkspaceId, record: UUID, others: list[UUID]) -> None:
        """Link to each of the others; links that exist already stay."""
        await tx.many(
            self._add,
            [{"workspace": workspace, "record": record, "other": other} for other in others],
        )

    async def replace(
        self, tx: Tx, workspace: WorkspaceId, record: UUID, others: list[UUID]
    ) -> None:
        """Make these the only links."""
        await tx.first(self._drop_others, workspace=workspace, record=record, ids=others)
        await self.add(tx, workspace, record, others)


INSIGHTS_OF_SIGNAL: Final = Link(signal_insights, "signal_id", "insight_id", insights, "insightIds")
