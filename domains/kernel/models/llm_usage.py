"""Persistent totals of LLM usage, and the switch that lets a workspace use the provider."""

from decimal import Decimal
from typing import Final, Literal

import msgspec
from sqlalchemy import BigInteger, Numeric, Text, bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import WORKSPACE, Statement, row, scalar, statement
from domains.kernel.db.tables import provider_usage, workspaces
from domains.kernel.models.llm_types import ErrorReason, TokenUsage
from domains.kernel.tenancy import audit
from domains.kernel.tenancy.audit import Actor

Outcome = Literal["answered", "unusable"] | ErrorReason
"""`unusable`: the model responded, but the response did not fit the request."""


class UsageTotal(msgspec.Struct, frozen=True):
    """Sum of all requests with the same task, model and outcome."""

    task: str
    model: str
    outcome: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal


_c = provider_usage.c
_SUMS: Final = ("calls", "prompt_tokens", "completion_tokens", "cost")


def _add_call() -> Statement[tuple[object, ...]]:
    inserted = insert(provider_usage).values(
        workspace_id=WORKSPACE,
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
        inserted.on_conflict_do_update(
            index_elements=list(provider_usage.primary_key),
            set_={name: _c[name] + inserted.excluded[name] for name in _SUMS},
        ),
        row,
    )


_ADD_CALL = _add_call()
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
    UsageTotal,
    cross_tenant_reason="operators administer every workspace",
)
_SELECT_SWITCH = statement(
    select(workspaces.c.uses_provider).where(workspaces.c.id == WORKSPACE), scalar
)
_UPDATE_SWITCH = statement(
    update(workspaces)
    .where(workspaces.c.id == WORKSPACE)
    .values(uses_provider=bindparam("uses", type_=workspaces.c.uses_provider.type))
    .returning(workspaces.c.uses_provider),
    scalar,
)


async def record(
    read: Read, workspace: WorkspaceId, task: str, outcome: Outcome, usage: TokenUsage
) -> None:
    """Add a request, successful or not, to the workspace's totals of today.

    `read` commits at once, because the tokens are used even if the job fails.
    """
    await read.first(
        _ADD_CALL,
        workspace=workspace,
        task=task,
        outcome=outcome,
        **msgspec.structs.asdict(usage),
    )


async def totals(read: Read) -> list[UsageTotal]:
    """Return the totals since the first call, across all workspaces."""
    return await read.all(_TOTALS)


async def uses_provider(read: Read, workspace: WorkspaceId) -> bool:
    """Return True if the workspace allows its texts to be sent to the provider. Default False.

    False for a workspace that does not exist.
    """
    return bool(await read.first(_SELECT_SWITCH, workspace=workspace))


async def set_provider(tx: Tx, workspace: WorkspaceId, uses: bool, actor: Actor) -> None:
    """Allow or forbid sending the workspace's texts to the provider."""
    await tx.one(_UPDATE_SWITCH, workspace=workspace, uses=uses)
    await audit.record(
        *(tx, workspace, actor, "workspace.provider", "workspace", workspace), allowed=uses
    )
