"""What chat models cost, counted for good, and which workspaces let their texts go to one."""

from decimal import Decimal
from typing import Final, Literal

import msgspec
from sqlalchemy import BigInteger, Numeric, Text, bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import Statement, row, scalar, statement
from domains.kernel.db.tables import provider_usage, workspaces
from domains.kernel.models.llm_types import Reason, Spent

Outcome = Literal["answered", "unusable"] | Reason
"""`unusable`: there was an answer, but not of what was asked."""


class Usage(msgspec.Struct, frozen=True):
    """One question that was asked, whatever came of it."""

    task: str
    outcome: Outcome
    spent: Spent


class Total(msgspec.Struct, frozen=True):
    """All questions of one task to one model with one outcome, since the beginning."""

    task: str
    model: str
    outcome: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal


_c = provider_usage.c
_SUMS: Final = ("calls", "prompt_tokens", "completion_tokens", "cost")


def _count() -> Statement[tuple[object, ...]]:
    adding = insert(provider_usage).values(
        workspace_id=bindparam("workspace"),
        day=func.current_date(),
        task=bindparam("task", type_=Text),
        model=bindparam("model", type_=Text),
        outcome=bindparam("outcome", type_=Text),
        calls=1,
        prompt_tokens=bindparam("prompt_tokens", type_=BigInteger),
        completion_tokens=bindparam("completion_tokens", type_=BigInteger),
        cost=bindparam("cost", type_=Numeric),
    )
    return statement(
        adding.on_conflict_do_update(
            index_elements=list(provider_usage.primary_key),
            set_={name: _c[name] + adding.excluded[name] for name in _SUMS},
        ),
        row,
    )


_COUNT = _count()
_TOTALS = statement(
    select(
        _c.task,
        _c.model,
        _c.outcome,
        *(cast(func.sum(_c[name]), BigInteger) for name in _SUMS[:-1]),
        func.sum(_c.cost),
    )
    .group_by(_c.task, _c.model, _c.outcome)
    .order_by(_c.task, _c.model, _c.outcome),
    Total,
    across="operators administer every workspace",
)
_USES = statement(
    select(workspaces.c.uses_provider).where(workspaces.c.id == bindparam("workspace")), scalar
)
_SET = statement(
    update(workspaces)
    .where(workspaces.c.id == bindparam("workspace"))
    .values(uses_provider=bindparam("uses", type_=workspaces.c.uses_provider.type))
    .returning(workspaces.c.uses_provider),
    scalar,
)


async def count(read: Read, workspace: WorkspaceId, usage: Usage) -> None:
    """Add one question to the workspace's day.

    By a Read it stands at once: what was spent was spent, whatever becomes of the job.
    """
    spent = usage.spent
    await read.first(
        _COUNT,
        workspace=workspace,
        task=usage.task,
        model=spent.model,
        outcome=usage.outcome,
        prompt_tokens=spent.prompt_tokens,
        completion_tokens=spent.completion_tokens,
        cost=spent.cost,
    )


async def totals(read: Read) -> list[Total]:
    """All that was ever counted, of all workspaces together."""
    return await read.all(_TOTALS)


async def uses_provider(read: Read, workspace: WorkspaceId) -> bool:
    """Whether the workspace's texts may be sent to the chat endpoint; not unless somebody said so.

    False for a workspace that is gone.
    """
    return bool(await read.first(_USES, workspace=workspace))


async def set_provider(tx: Tx, workspace: WorkspaceId, uses: bool) -> None:
    """Let the workspace's texts be sent to the chat endpoint, or no longer."""
    await tx.one(_SET, workspace=workspace, uses=uses)
