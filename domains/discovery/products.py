"""Products: names that an analysis looks for in texts. The caller may choose their ids."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import ARRAY, BigInteger, Text, Uuid, any_, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import insert

from domains.discovery import fields
from domains.discovery.fields import CreatedAt, NonEmpty, UpdatedAt, WorkspaceUuid
from domains.discovery.records import Records
from domains.discovery.tables import products
from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import WorkspaceId
from domains.kernel.core.problems import Conflict
from domains.kernel.db import sequences
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.errors import CONSTRAINT_PROBLEMS
from domains.kernel.db.statements import WORKSPACE, row, scalar, statement


class Product(msgspec.Struct, rename="camel"):
    """A product."""

    id: Annotated[UUID, doc("UUID of the product", fields.EXAMPLE_PRODUCT)]
    name: Annotated[str, doc("Name that customers use", "Atlas")]
    workspace_id: WorkspaceUuid
    created_at: CreatedAt
    updated_at: UpdatedAt


class ProductCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A new product."""

    name: Annotated[
        NonEmpty, doc("Name that customers use. Analyses look for it in texts", "Atlas")
    ]
    id: Annotated[
        UUID | UnsetType, doc("UUID of the product. Default: generated", fields.EXAMPLE_PRODUCT)
    ] = UNSET


class ProductImport(msgspec.Struct, rename="camel", kw_only=True):
    """A product in an import file."""

    id: UUID
    name: Annotated[NonEmpty, Meta(max_length=1000)]


_c = products.c

PRODUCTS: Final = Records(
    products,
    "PRODUCT",
    (_c.id, _c.name, _c.workspace_id, _c.created_at, _c.updated_at),
    Product,
    create_struct=ProductCreate,
)

CONSTRAINT_PROBLEMS["pk_products"] = lambda: Conflict("There is a product with this id already.")


async def create(tx: Tx, workspace: WorkspaceId, new: ProductCreate) -> Product:
    """Create a product. Raises Conflict if the workspace has one with its id."""
    return await PRODUCTS.create(tx, workspace, new, id=None if new.id is UNSET else new.id)


# --- imports ----------------------------------------------------------------------------------

_ids = bindparam("ids", type_=ARRAY(Uuid))
_NAMES = statement(
    select(_c.id, _c.name).where(_c.workspace_id == WORKSPACE, _c.id == any_(_ids)), row
)
_imported_rows = (
    func.unnest(
        _ids, bindparam("names", type_=ARRAY(Text)), bindparam("numbers", type_=ARRAY(BigInteger))
    )
    .table_valued(column("id", Uuid), column("name", Text), column("number", BigInteger))
    .render_derived(name="imported")
)
_insert = insert(products).from_select(
    ["workspace_id", "id", "name", "number"],
    select(WORKSPACE, _imported_rows.c.id, _imported_rows.c.name, _imported_rows.c.number),
)
_UPSERT = statement(
    _insert.on_conflict_do_update(
        index_elements=["workspace_id", "id"],
        set_={"name": _insert.excluded.name, "updated_at": func.now()},
        where=_c.name.is_distinct_from(_insert.excluded.name),
    ).returning(_c.id),
    scalar,
)


async def changed_ids(read: Read, workspace: WorkspaceId, names: Mapping[UUID, str]) -> list[UUID]:
    """List the ids in `names` that the workspace lacks or has under another name."""
    stored: dict[Any, Any] = dict(await read.all(_NAMES, workspace=workspace, ids=list(names)))
    return [product_id for product_id, name in names.items() if stored.get(product_id) != name]


async def store(tx: Tx, workspace: WorkspaceId, names: Mapping[UUID, str]) -> list[UUID]:
    """Create or rename products. `names` maps ids to names. Returns the ids that changed."""
    changed = await changed_ids(tx, workspace, names)
    # A renamed product keeps its number, so the number taken for it stays unused.
    numbers = await sequences.take_numbers(tx, workspace, "PRODUCT", len(changed))
    return await tx.all(
        _UPSERT,
        workspace=workspace,
        ids=changed,
        names=[names[product_id] for product_id in changed],
        numbers=list(numbers),
    )
