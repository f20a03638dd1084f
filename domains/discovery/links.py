"""Symmetric links between records: set on one side, seen on both, gone with either."""

from collections.abc import Iterable
from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import Meta
from sqlalchemy import ARRAY, Table, Uuid, and_, any_, bindparam, delete, func, select, update
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
from domains.kernel.core.ids import parse_id
from domains.kernel.core.problems import invalid
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import REFUSALS, Read, Tx
from domains.kernel.db.statements import row, scalar, statement

_TABLES: Final = {
    "signal": signals,
    "insight": insights,
    "opportunity": opportunities,
    "idea": ideas,
}
# The order in which a transaction locks records whose links it changes.
_ORDER: Final = ("signal", "idea", "opportunity", "insight")

_workspace = bindparam("workspace", type_=Uuid)
_record = bindparam("record", type_=Uuid)
_IDS: Final = ARRAY(Uuid)
_ids = bindparam("ids", type_=_IDS)
_locked = bindparam("locked", type_=_IDS)


# Decoded as texts, so that a refusal can name those that are no uuids.
LinkIds = Annotated[
    list[Annotated[str, Meta(extra_json_schema={"format": "uuid"})]], Meta(max_length=10_000)
]


class Link:
    """One side's view of a link table: the list of the ids that `mine` is linked to.

    `name` is the list's name in our structs (`insight_ids`), `field` its name in the API.
    """

    def __init__(self, table: Table, mine: str, theirs: str) -> None:
        self.name: Final = f"{theirs}_ids"
        self.field: Final = f"{theirs}Ids"
        self._table = table
        self._mine = table.c[f"{mine}_id"]
        self._theirs = table.c[f"{theirs}_id"]
        self._owner = _TABLES[mine]
        self._target = target = _TABLES[theirs]
        self._known = statement(
            select(target.c.id).where(
                target.c.workspace_id == _workspace, target.c.id == any_(_ids)
            ),
            scalar,
        )
        self._add = statement(self._adding(), row)
        self.rank: Final = _ORDER.index(theirs)
        # The records of the list are locked where they come after their owner.
        self._locks = self.rank > _ORDER.index(mine)
        self._lock = statement(self._locking(), scalar) if self._locks else None
        self._replace = statement(self._replacing(), row)
        REFUSALS[f"fk_{table.name}_{theirs}"] = lambda: invalid(
            self.field, "a record of the list was deleted meanwhile"
        )

    def ids(self) -> Any:
        """The list as a column of the owner's table, in the order of the ids."""
        return _array(
            select(self._theirs)
            .where(
                self._table.c.workspace_id == self._owner.c.workspace_id,
                self._mine == self._owner.c.id,
            )
            .order_by(self._theirs)
            .correlate(self._owner)
        ).label(self.name)

    async def known(
        self, read: Read, workspace: WorkspaceId, given: Iterable[str | UUID]
    ) -> list[UUID]:
        """The ids, each once, in order; Invalid names those that the workspace has not."""
        parsed = {str(each): parse_id(str(each)) for each in given}
        wanted = {found for found in parsed.values() if found is not None}
        known = (
            set(await read.all(self._known, workspace=workspace, ids=list(wanted)))
            if wanted
            else set()
        )
        unknown = [text for text, found in parsed.items() if found not in known]
        if unknown:
            shown = ", ".join(text[:64] for text in unknown[:10])
            more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
            raise invalid(
                self.field, f"no such {self._target.name} in this workspace: {shown}{more}"
            )
        return sorted(wanted)

    async def add(self, tx: Tx, workspace: WorkspaceId, record: UUID, others: list[UUID]) -> None:
        """Link to each of the others, as processing does; links that exist already stay."""
        if others:
            await tx.first(self._add, workspace=workspace, record=record, ids=others)

    async def replace(
        self, tx: Tx, workspace: WorkspaceId, record: UUID, others: list[UUID]
    ) -> None:
        """Make these the only links, as a person does.

        An insight that gets or loses a link this way counts as edited: processing its signal
        again keeps it.
        """
        asked: dict[str, Any] = {"workspace": workspace, "record": record, "ids": others}
        if self._lock is not None:
            # A link that somebody else makes meanwhile came after this change, and stays.
            asked["locked"] = await tx.all(self._lock, **asked)
        await tx.first(self._replace, **asked)

    def _adding(self) -> Any:
        columns = ["workspace_id", self._mine.name, self._theirs.name]
        return (
            insert(self._table)
            .from_select(columns, select(_workspace, _record, func.unnest(_ids)))
            .on_conflict_do_nothing()
        )

    def _replacing(self) -> Any:
        gone = (
            delete(self._table)
            .where(
                self._table.c.workspace_id == _workspace,
                self._mine == _record,
                ~(self._theirs == any_(_ids)),
                *([self._theirs == any_(_locked)] if self._locks else []),
            )
            .returning(self._theirs.label("id"))
            .cte("gone")
        )
        new = self._adding().returning(self._theirs.label("id")).cte("new")
        touched = select(gone.c.id).union_all(select(new.c.id))
        if self._target is insights:
            edited = insights.c.id == any_(_array(touched))
        elif self._owner is insights:
            edited = and_(insights.c.id == _record, touched.exists())
        else:
            return select(func.count()).select_from(gone).add_cte(new)
        return (
            update(insights)
            .where(insights.c.workspace_id == _workspace, edited)
            .values(edited_at=func.now())
        )

    def _locking(self) -> Any:
        """Every record whose link may be touched, in the order of the ids.

        With it a link is only changed by who holds the record on its later side. Records are locked
        in one order, kind by kind and id by id, so that changes of links never wait in a ring.
        """
        linked = select(self._theirs).where(
            self._table.c.workspace_id == _workspace, self._mine == _record
        )
        return (
            select(self._target.c.id)
            .where(
                self._target.c.workspace_id == _workspace,
                self._target.c.id == any_(func.array_cat(_ids, _array(linked), type_=_IDS)),
            )
            .order_by(self._target.c.id)
            .with_for_update(key_share=True)
        )


def _array(ids: Any) -> Any:
    # An array, not IN (select ..): the plan is then always by the key, whatever the planner thinks.
    return func.array(ids.scalar_subquery(), type_=_IDS)


INSIGHTS_OF_SIGNAL: Final = Link(signal_insights, "signal", "insight")
OPPORTUNITIES_OF_INSIGHT: Final = Link(insight_opportunities, "insight", "opportunity")
IDEAS_OF_INSIGHT: Final = Link(insight_ideas, "insight", "idea")
INSIGHTS_OF_OPPORTUNITY: Final = Link(insight_opportunities, "opportunity", "insight")
IDEAS_OF_OPPORTUNITY: Final = Link(opportunity_ideas, "opportunity", "idea")
INSIGHTS_OF_IDEA: Final = Link(insight_ideas, "idea", "insight")
OPPORTUNITIES_OF_IDEA: Final = Link(opportunity_ideas, "idea", "opportunity")
