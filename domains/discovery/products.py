"""Products: the names that the analysis matches, under ids that the caller may give."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.discovery.records import NonEmpty, Records
from domains.discovery.tables import products
from domains.kernel.db import REFUSALS, Tx
from domains.kernel.keys import WorkspaceId
from domains.kernel.problems import Conflict


class Product(msgspec.Struct, rename="camel"):
    """A product as it is answered."""

    id: Annotated[UUID, Meta(description="The product's uuid")]
    name: Annotated[str, Meta(description="As customers call it")]
    workspace_id: Annotated[UUID, Meta(description="The workspace that it belongs to")]
    created_at: Annotated[datetime, Meta(description="When it was made")]
    updated_at: Annotated[datetime, Meta(description="When it changed last")]


class ProductCreate(msgspec.Struct, rename="camel", kw_only=True):
    """A new product."""

    name: Annotated[NonEmpty, Meta(description="As customers call it; matched in their words")]
    id: Annotated[UUID | UnsetType, Meta(description="The id to give it; made if left out")] = UNSET


_c = products.c

PRODUCTS: Final = Records(
    products,
    "PRODUCT",
    (_c.id, _c.name, _c.workspace_id, _c.created_at, _c.updated_at),
    Product,
    creates=ProductCreate,
)

REFUSALS["pk_products"] = lambda: Conflict("There is a product with this id already.")


async def create(tx: Tx, workspace: WorkspaceId, new: ProductCreate) -> Product:
    """Store a product under its own id or a new one; Conflict if the workspace has that one."""
    return await PRODUCTS.create(tx, workspace, new, id=None if new.id is UNSET else new.id)
