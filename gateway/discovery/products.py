"""Handlers of products."""

from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from domains.discovery import products
from domains.discovery.products import PRODUCTS, Product, ProductCreate
from domains.kernel.db.database import Read, Tx
from domains.kernel.pagination.offset import OffsetQuery
from domains.kernel.tenancy.keyring import Caller
from gateway.discovery.answers import paged
from gateway.operations import operation
from gateway.requests import decode_body, parse_query


@get(
    "/products",
    opt=operation(
        "listProducts", "products:read", "List products", query=OffsetQuery, addition=True
    ),
)
async def list_products(
    request: Request[Any, Any, Any], caller: NamedDependency[Caller], read: NamedDependency[Read]
) -> Response[list[Product]]:
    query = parse_query(request, OffsetQuery)
    return paged(await PRODUCTS.page(read, caller.workspace, query), query)


@get(
    "/products/{id:str}",
    opt=operation("getProduct", "products:read", "Get a product", errors=(404,)),
)
async def get_product(
    id: FromPath[str],  # noqa: A002 - the documented name
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
) -> Product:
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
async def create_product(
    body: RawBody, caller: NamedDependency[Caller], tx: NamedDependency[Tx]
) -> Product:
    new = await decode_body(body, ProductCreate)
    return await products.create(tx, caller.workspace, new)


HANDLERS: Final = (list_products, get_product, create_product)
