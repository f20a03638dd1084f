"""Symmetric links between records, listed on both sides and deleted with either record."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Table,
    Uuid,
    and_,
    any_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from domains.discovery.tables import (
    ideas,
    insight_ideas,
    insight_opportunities,
    insights,
    opportunities,
    opportunity_ideas,
    signal_insights,
    signals,
)
from domains.kernel.core.ids import WorkspaceId, parse_id, parse_public_id
from domains.kernel.core.problems import invalid
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.errors import CONSTRAINT_PROBLEMS
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement

_TABLES: Final = {
    "signal": signals,
    "insight": insights,
    "opportunity": opportunities,
    "idea": ideas,
}
# Transactions lock the records whose links they change in this order, to prevent deadlocks.
_LOCK_ORDER: Final = ("signal", "idea", "opportunity", "insight")

_MAX_IDS_IN_ERROR: Final = 10

_IDS: Final = ARRAY(Uuid)
_owner_id = bindparam("owner_id", type_=Uuid)
_ids = bindparam("ids", type_=_IDS)
_locked_ids = bindparam("locked_ids", type_=_IDS)


class Link:
    """One side of a link table: the ids of the `target` records that an `owner` is linked to.

    `name` is the field in our structs (`insight_ids`), `api_name` the field in the API.
    """

    def __init__(self, table: Table, owner: str, target: str) -> None:
        self.name: Final = f"{target}_ids"
        self.api_name: Final = f"{target}Ids"
        self.lock_rank: Final = _LOCK_ORDER.index(target)
        self._table = table
        self._owner_column = table.c[f"{owner}_id"]
        self._target_column = table.c[f"{target}_id"]
        self._owner = _TABLES[owner]
        self._target = _TABLES[target]
        self._locks_targets = self.lock_rank > _LOCK_ORDER.index(owner)
        self._existing = statement(
            select(self._target.c.id).where(
                self._target.c.workspace_id == WORKSPACE, self._target.c.id == any_(_ids)
            ),
            scalar,
        )
        self._kind = target.upper()
        self._numbered = statement(
            select(self._target.c.number, self._target.c.id).where(
                self._target.c.workspace_id == WORKSPACE,
                self._target.c.number == any_(bindparam("numbers", type_=ARRAY(BigInteger))),
            ),
            row,
        )
        self._add = statement(self._insert(), row)
        self._lock = statement(self._lock_targets(), scalar) if self._locks_targets else None
        self._replace = statement(self._delete_and_insert(), row)
        CONSTRAINT_PROBLEMS[f"fk_{table.name}_{target}"] = lambda: invalid(
            self.api_name, "a record of the list was deleted meanwhile"
        )

    def ids_column(self) -> Any:
        """The linked ids, ascending, as a column of the owner's table."""
        return _array(
            select(self._target_column)
            .where(
                self._table.c.workspace_id == self._owner.c.workspace_id,
                self._owner_column == self._owner.c.id,
            )
            .order_by(self._target_column)
            .correlate(self._owner)
        ).label(self.name)

    async def check(
        self, read: Read, workspace: WorkspaceId, references: Iterable[str]
    ) -> list[UUID]:
        """Return the ids of records by UUID or public id, deduplicated and ascending.

        Raises Invalid with the first ten that are not in the workspace.
        """
        parsed = {text: parse_id(text) for text in references}
        numbers = {
            text: number
            for text, record_id in parsed.items()
            if record_id is None and (number := parse_public_id(self._kind, text)) is not None
        }
        existing: set[UUID] = set()
        if numbers:
            found: dict[int, UUID] = dict(
                await read.all(
                    self._numbered, workspace=workspace, numbers=list(set(numbers.values()))
                )
            )
            parsed |= {text: found.get(number) for text, number in numbers.items()}
            existing.update(found.values())
        uuids = {record_id for record_id in parsed.values() if record_id is not None} - existing
        if uuids:
            existing.update(await read.all(self._existing, workspace=workspace, ids=list(uuids)))
        unknown = [text for text, record_id in parsed.items() if record_id not in existing]
        if unknown:
            shown = ", ".join(text[:64] for text in unknown[:_MAX_IDS_IN_ERROR])
            others = len(unknown) - _MAX_IDS_IN_ERROR
            more = f" and {others} more" if others > 0 else ""
            raise invalid(
                self.api_name, f"no such {self._target.name} in this workspace: {shown}{more}"
            )
        return sorted(existing)

    async def add(self, tx: Tx, workspace: WorkspaceId, owner_id: UUID, ids: list[UUID]) -> None:
        """Add links made by an analysis. Existing links are kept."""
        if ids:
            await tx.first(self._add, workspace=workspace, owner_id=owner_id, ids=ids)

    async def replace(
        self, tx: Tx, workspace: WorkspaceId, owner_id: UUID, ids: list[UUID]
    ) -> None:
        """Replace all links of the owner, as requested by a user.

        An insight that gains or loses a link counts as edited: reprocessing its signal keeps it.
        A link that another transaction adds concurrently may remain.
        """
        params: dict[str, Any] = {"workspace": workspace, "owner_id": owner_id, "ids": ids}
        if self._lock is not None:
            # Delete only links that exist at this moment: a link added later is a later change.
            params["locked_ids"] = await tx.all(self._lock, **params)
        await tx.first(self._replace, **params)

    def _insert(self) -> Any:
        columns = ["workspace_id", self._owner_column.name, self._target_column.name]
        return (
            insert(self._table)
            .from_select(columns, select(WORKSPACE, _owner_id, func.unnest(_ids)))
            .on_conflict_do_nothing()
        )

    def _delete_and_insert(self) -> Any:
        deleted = (
            delete(self._table)
            .where(
                self._table.c.workspace_id == WORKSPACE,
                self._owner_column == _owner_id,
                ~(self._target_column == any_(_ids)),
                *([self._target_column == any_(_locked_ids)] if self._locks_targets else []),
            )
            .returning(self._target_column.label("id"))
            .cte("deleted")
        )
        inserted = self._insert().returning(self._target_column.label("id")).cte("inserted")
        changed = select(deleted.c.id).union_all(select(inserted.c.id))
        if self._target is insights:
            edited = insights.c.id == any_(_array(changed))
        elif self._owner is insights:
            edited = and_(insights.c.id == _owner_id, changed.exists())
        else:
            return select(func.count()).select_from(deleted).add_cte(inserted)
        return (
            update(insights)
            .where(insights.c.workspace_id == WORKSPACE, edited)
            .values(edited_at=func.now())
        )

    def _lock_targets(self) -> Any:
        """Lock every record that gains or may lose a link, in order of the ids.

        Every change of a link locks the one of its records that comes later in `_LOCK_ORDER`. All
        transactions lock in the same order, by kind and then by id, so they cannot deadlock.
        """
        linked = select(self._target_column).where(
            self._table.c.workspace_id == WORKSPACE, self._owner_column == _owner_id
        )
        return (
            select(self._target.c.id)
            .where(
                self._target.c.workspace_id == WORKSPACE,
                self._target.c.id == any_(func.array_cat(_ids, _array(linked), type_=_IDS)),
            )
            .order_by(self._target.c.id)
            .with_for_update(key_share=True)
        )


def _array(ids: Any) -> Any:
    # An array instead of IN (select ...): PostgreSQL then always uses the index.
    return func.array(ids.scalar_subquery(), type_=_IDS)


INSIGHTS_OF_SIGNAL: Final = Link(signal_insights, "signal", "insight")
OPPORTUNITIES_OF_INSIGHT: Final = Link(insight_opportunities, "insight", "opportunity")
IDEAS_OF_INSIGHT: Final = Link(insight_ideas, "insight", "idea")
INSIGHTS_OF_OPPORTUNITY: Final = Link(insight_opportunities, "opportunity", "insight")
IDEAS_OF_OPPORTUNITY: Final = Link(opportunity_ideas, "opportunity", "idea")
INSIGHTS_OF_IDEA: Final = Link(insight_ideas, "idea", "insight")
OPPORTUNITIES_OF_IDEA: Final = Link(opportunity_ideas, "idea", "opportunity")
