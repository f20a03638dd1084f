"""Write deals and accounts as an import writes them."""

import json
from typing import Any
from uuid import UUID

from domains.kernel.core.ids import WorkspaceId
from domains.kernel.db.database import Database
from domains.revenue.crm import relinking
from tests.stack import Tenant, eventually


class CrmRecords:
    """Deals and accounts of a workspace."""

    def __init__(self, tenant: Tenant, database: Database) -> None:
        self._tenant = tenant
        self._database = database

    async def put(self, table: str, id: str, **columns: Any) -> None:
        """Insert or replace a record, and mark it as changed."""
        if "contact_emails" in columns:
            columns["contacts"] = json.dumps(
                [{"email": email} for email in columns["contact_emails"]]
            ).encode()
        workspace = WorkspaceId(UUID(self._tenant.workspace))
        columns = {"workspace_id": workspace, "id": id, **columns}
        names = list(columns)
        places = [f"${number}" for number in range(1, len(names) + 1)]
        async with self._database.connection() as connection:
            await connection.execute(
                f"insert into {table} ({', '.join(names)}) values ({', '.join(places)})"
                " on conflict (workspace_id, id) do update set "
                + ", ".join(f"{name} = excluded.{name}" for name in names),
                *columns.values(),
            )
        async with self._database.transaction() as tx:
            await relinking.mark_changed(tx, workspace, table, [id])

    async def wait_until_relinked(self) -> None:
        """Wait until no marked change is left."""

        async def done() -> bool:
            async with self._database.connection() as connection:
                marked = await connection.fetchval(
                    "select count(*) from crm_changes where workspace_id = $1",
                    self._tenant.workspace,
                )
                live = await connection.fetchval(
                    "select count(*) from jobs where workspace_id = $1"
                    " and kind = 'revenue.link_crm' and state <> 'done'",
                    self._tenant.workspace,
                )
            return bool(marked + live == 0)

        await eventually(done)

    async def put_all(self, *records: tuple[str, str, dict[str, Any]]) -> None:
        """Put records, and wait until all are relinked."""
        for table, record_id, columns in records:
            await self.put(table, record_id, **columns)
        await self.wait_until_relinked()
