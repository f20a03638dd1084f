"""Products: the names that the analysis matches, under ids that the caller may give."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import ARRAY, BigInteger, Text, Uuid, any_, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import insert

from domains.discovery import example_ids
from domains.discovery.records import NonEmpty, Records
from domains.discovery.tables import products
from domains.kernel.core.problems import Conflict
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db import sequences
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.errors import CONSTRAINT_PROBLEMS
from domains.kernel.db.statements import row, scalar, statement


class Product(msgspec.Struct, rename="camel"):
    """A product as it is answered."""

    id: Annotated[UUID, Meta(description="The product's uuid", examples=[example_ids.PRODUCT])]
    name: Annotated[str, Meta(description="As customers call it", examples=["Atlas"])]
    workspace_id: Annotated[UUID, Meta(description="The workspace that it belongs to")]
    created_at: Annotated[datetime, Meta(description="When it was made")]
    updated_at: Annotated[datetime, Meta(description="When it changed last")]


class ProductCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A new product."""

    name: Annotated[
        NonEmpty,
        Meta(description="As customers call it; matched in their words", examples=["Atlas"]),
    ]
    id: Annotated[
        UUID | UnsetType,
        Meta(description="The id to give it; made if left out", examples=[example_ids.PRODUCT]),
    ] = UNSET


class ProductImport(msgspec.Struct, rename="camel", kw_only=True):
    """A product as an import brings it."""

    id: UUID
    name: Annotated[NonEmpty, Meta(max_length=1000)]


_c = products.c

PRODUCTS: Final = Records(
    products,
    "PRODUCT",
    (_c.id, _c.name, _c.workspace_id, _c.created_at, _c.updated_at),
    Product,
    creates=ProductCreate,
)

CONSTRAINT_PROBLEMS["pk_products"] = lambda: Conflict("There is a product with this id already.")


async def create(tx: Tx, workspace: WorkspaceId, new: ProductCreate) -> Product:
    """Store a product under its own id or a new one; Conflict if the workspace has that one."""
    return await PRODUCTS.create(tx, workspace, new, id=None if new.id is UNSET else new.id)


# --- imports ----------------------------------------------------------------------------------

_workspace = bindparam("workspace", type_=Uuid)
_ids = bindparam("ids", type_=ARRAY(Uuid))
_NAMES = statement(
    select(_c.id, _c.name).where(_c.workspace_id == _workspace, _c.id == any_(_ids)), row
)
_given = (
    func.unnest(
        _ids,
        bindparam("names", type_=ARRAY(Text)),
        bindparam("numbers", type_=ARRAY(BigInteger)),
    )
    .table_valued(column("id", Uuid), column("name", Text), column("number", BigInteger))
    .render_derived(name="given")
)
_adding = insert(products).from_select(
    ["workspace_id", "id", "name", "number"],
    select(_workspace, _given.c.id, _given.c.name, _given.c.number),
)
_STORE = statement(
    _adding.on_conflict_do_update(
        index_elements=["workspace_id", "id"],
        set_={"name": _adding.excluded.name, "updated_at": func.now()},
        where=_c.name.is_distinct_from(_adding.excluded.name),
    ).returning(_c.id),
    scalar,
)


async def different(read: Read, workspace: WorkspaceId, given: Mapping[UUID, str]) -> list[UUID]:
    """Those of some products, names by id, that the workspace has not, or under another name."""
    found: dict[Any, Any] = dict(await read.all(_NAMES, workspace=workspace, ids=list(given)))
    return [each for each, name in given.items() if found.get(each) != name]


async def store(tx: Tx, workspace: WorkspaceId, given: Mapping[UUID, str]) -> list[UUID]:
    """Make these products, names by id, or name them so; the ids of those that changed."""
    changed = await different(tx, workspace, given)
    # A number that no new product needs stays unused.
    taken = await sequences.take_numbers(tx, workspace, "PRODUCT", len(changed))
    return await tx.all(
        _STORE,
        workspace=workspace,
        ids=changed,
        names=[given[each] for each in changed],
        numbers=list(taken),
    )
