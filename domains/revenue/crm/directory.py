"""Accounts as the discovery API shows them, by UUID.

The UUID of an account is computed from its workspace and its id in the CRM (SQL function
`account_uuid`). So it stays the same when the account is deleted and imported again.
"""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Text, Uuid, and_, bindparam, func, literal_column, select

from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import WorkspaceId, parse_id
from domains.kernel.core.problems import NotFound
from domains.kernel.db.database import Read
from domains.kernel.db.statements import WORKSPACE, statement
from domains.kernel.pagination.offset import OffsetList, OffsetPage, OffsetQuery
from domains.revenue import example_ids
from domains.revenue.addresses.email_domains import domain_of_website
from domains.revenue.crm.matching import same_name
from domains.revenue.tables import accounts


class Account(msgspec.Struct, rename="camel"):
    """An account of the CRM, as it was imported."""

    id: Annotated[
        UUID,
        doc(
            "UUID of the account, which never changes. Valid as `accountId` of signals and insights"
        ),
    ]
    external_id: Annotated[str, doc("Id in the CRM", example_ids.ACCOUNT)]
    name: Annotated[str | None, doc("Name in the CRM", "Halden")]
    website: Annotated[str | None, doc("Website in the CRM", "https://halden.example")]
    domain: Annotated[
        str | None,
        doc(
            "E-mail domain, in lower case and Punycode; null if unknown or shared by many",
            "halden.example",
        ),
    ]
    workspace_id: Annotated[UUID, doc("UUID of the workspace that it belongs to")]
    created_at: Annotated[
        datetime, doc("Creation time in the CRM; if unknown, time of the first import")
    ]
    updated_at: Annotated[datetime, doc("Time of the last import that changed it")]


class AccountLookup(OffsetQuery, frozen=True, kw_only=True, rename="camel"):
    """The query of the list of accounts."""

    name: Annotated[
        str | UnsetType, doc("Only accounts with exactly this name, in any letter case")
    ] = UNSET
    domain: Annotated[
        str | UnsetType, doc("Only accounts with this e-mail domain, or that of this website")
    ] = UNSET
    external_id: Annotated[str | UnsetType, doc("Only the account with this id in the CRM")] = UNSET

    @property
    def email_domain(self) -> str | UnsetType:
        """The domain in the form in which accounts have it. Empty for a domain of nobody."""
        return UNSET if self.domain is UNSET else domain_of_website(self.domain)


_c = accounts.c

_uuid = func.account_uuid(_c.workspace_id, _c.id, type_=Uuid)
_columns = (
    *(_uuid, _c.id, _c.name, _c.website, _c.domain, _c.workspace_id),
    func.coalesce(_c.created_at, _c.stored_at),
    func.coalesce(_c.changed_at, _c.stored_at),
)
_LIST: Final = OffsetList(
    table=accounts,
    columns=_columns,
    # Imports give accounts no number. Those of one transaction have the same time.
    order_by=(_c.stored_at, _c.id),
    row_factory=Account,
    query_type=AccountLookup,
    filters={
        "name": same_name(_c.name, bindparam("name", type_=Text)),
        "email_domain": and_(
            _c.domain == bindparam("email_domain", type_=Text),
            # For the index, which contains only these.
            _c.domain != literal_column("''"),
        ),
        "external_id": _c.id == bindparam("external_id", type_=Text),
    },
)
_GET = statement(
    select(*_columns).where(_c.workspace_id == WORKSPACE, _uuid == bindparam("uuid", type_=Uuid)),
    Account,
    reuses_plan=True,
)


async def page(read: Read, workspace: WorkspaceId, query: AccountLookup) -> OffsetPage[Account]:
    """Get a page of accounts, those imported last first."""
    return await _LIST.page(read, workspace, query)


async def get(read: Read, workspace: WorkspaceId, reference: str) -> Account:
    """Get an account by UUID. Raises NotFound."""
    uuid = parse_id(reference)
    account = None
    if uuid is not None:
        account = await read.first(_GET, workspace=workspace, uuid=uuid)
    if account is None:
        raise NotFound(f"There is no account {reference[:64]!r} in this workspace.")
    return account
