"""Workspaces, which are the tenants of a deployment, and their settings."""

import re
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import bindparam, func, insert, select, update

from domains.kernel.core.ids import WorkspaceId, new_id, parse_id
from domains.kernel.core.problems import Conflict, Invalid, NotFound
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.errors import CONSTRAINT_PROBLEMS
from domains.kernel.db.statements import WORKSPACE, statement
from domains.kernel.db.tables import workspaces
from domains.kernel.tenancy import audit
from domains.kernel.tenancy.api_keys import KEYS_CHANNEL
from domains.kernel.tenancy.audit import Actor

_DOMAIN: Final = re.compile(r"[^@\s.,:/]+(\.[^@\s.,:/]+)+")

CONSTRAINT_PROBLEMS["uq_workspaces_name"] = lambda: Conflict(
    "A workspace of that name exists already."
)


class Workspace(msgspec.Struct, frozen=True, rename="camel"):
    id: WorkspaceId
    name: str
    created_at: datetime
    domains: list[str]
    hides_private: bool


_CROSS_TENANT: Final = "operators administer every workspace"
_WORKSPACE: Final = tuple(workspaces.c[name] for name in Workspace.__struct_fields__)
_ADD_WORKSPACE = statement(
    insert(workspaces).values(id=bindparam("id"), name=bindparam("name")).returning(*_WORKSPACE),
    Workspace,
)
_ALL_WORKSPACES = statement(
    select(*_WORKSPACE).order_by(workspaces.c.id), Workspace, cross_tenant_reason=_CROSS_TENANT
)
_SET_WORKSPACE = statement(
    update(workspaces)
    .where(workspaces.c.id == WORKSPACE)
    .values(
        domains=func.coalesce(
            bindparam("domains", type_=workspaces.c.domains.type), workspaces.c.domains
        ),
        hides_private=func.coalesce(
            bindparam("hides_private", type_=workspaces.c.hides_private.type),
            workspaces.c.hides_private,
        ),
    )
    .returning(*_WORKSPACE),
    Workspace,
)


async def create_workspace(tx: Tx, name: str, actor: Actor) -> Workspace:
    """Create a workspace. Raises Conflict if the name is taken, Invalid if it is malformed."""
    name = name.strip()
    if not 0 < len(name) <= 200 or not name.isprintable():
        raise Invalid("A workspace's name has 1 to 200 printable characters.")
    created = await tx.one(_ADD_WORKSPACE, id=new_id(), name=name)
    await audit.record(tx, created.id, actor, "workspace.create", "workspace", created.id)
    return created


async def set_workspace(
    tx: Tx,
    workspace: WorkspaceId,
    domains: list[str] | None,
    hides_private: bool | None,
    actor: Actor,
) -> Workspace:
    """Change the settings that are not None, in all processes at once.

    Raises Invalid for a malformed e-mail domain.
    """
    for domain in domains or ():
        if not _DOMAIN.fullmatch(domain):
            raise Invalid(f"{domain!r} is not an e-mail domain such as acme.com.")
    changed = await tx.one(
        _SET_WORKSPACE,
        workspace=workspace,
        domains=None if domains is None else sorted({domain.lower() for domain in domains}),
        hides_private=hides_private,
    )
    given = {"domains": domains, "hidesPrivate": hides_private}
    fields = [name for name, value in given.items() if value is not None]
    await audit.record(
        *(tx, workspace, actor, "workspace.change", "workspace", workspace), fields=fields
    )
    # The cache of API keys holds these settings.
    await tx.notify(KEYS_CHANNEL, str(workspace))
    return changed


async def list_workspaces(read: Read) -> list[Workspace]:
    """Return all workspaces, oldest first."""
    return await read.all(_ALL_WORKSPACES)


async def find_workspace(read: Read, id_or_name: str) -> Workspace:
    """Get a workspace by id or name; an id takes precedence. Raises NotFound."""
    workspace_id = parse_id(id_or_name)
    by_name = None
    for workspace in await list_workspaces(read):
        if workspace.id == workspace_id:
            return workspace
        if workspace.name == id_or_name:
            by_name = workspace
    if by_name is None:
        raise NotFound(f"There is no workspace {id_or_name!r}.")
    return by_name
