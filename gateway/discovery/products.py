"""Handlers of products."""

from typing import Final

from litestar import Response, get, post
from litestar.params import RawBody

from domains.discovery import products
from domains.discovery.products import PRODUCTS, Product, ProductCreate
from domains.kernel.pagination.offset import OffsetQuery
from gateway.discovery.responses import paged
from gateway.operations import AnyRequest, CallerDep, IdInPath, ReadDep, TxDep, operation
from gateway.requests import decode_body, parse_query


@get(
    "/products",
    opt=operation(
        "listProducts", "products:read", "List products", query=OffsetQuery, addition=True
    ),
)
async def list_products(
    request: AnyRequest, caller: CallerDep, read: ReadDep
) -> Response[list[Product]]:
    """List the products of the workspace, newest first.

    A page has 20 products, or `limit` up to 100.
    """
    query = parse_query(request, OffsetQuery)
    return paged(await PRODUCTS.page(read, caller.workspace, query), query)


@get(
    "/products/{id:str}",
    opt=operation("getProduct", "products:read", "Get a product", errors=(404,)),
)
async def get_product(id: IdInPath, caller: CallerDep, read: ReadDep) -> Product:
    """Get a product. 404: the workspace has no product with this id."""
    return await PRODUCTS.get(read, caller.workspace, id)


@post(
    "/products",
    opt=operation(
        "createProduct",
        "products:write",
        "Create a product",
        request=ProductCreate,
        errors=(409,),
        addition=True,
    ),
)
async def create_product(body: RawBody, caller: CallerDep, tx: TxDep) -> Product:
    """Create a product whose name later analyses look for in texts.

    409: the workspace has a product with this id already.
    """
    new = await decode_body(body, ProductCreate)
    return await products.create(tx, caller.workspace, new)


HANDLERS: Final = (list_products, get_product, create_product)
