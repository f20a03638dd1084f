"""Responses shared by the discovery resources."""

import functools
import re
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Response
from litestar.types import HTTPScope

from domains.kernel.core.field_docs import doc
from domains.kernel.pagination.offset import OffsetPage, OffsetQuery, neighbours
from gateway.operations import AnyRequest

T = TypeVar("T")


class Deleted(msgspec.Struct):
    """The response to a DELETE."""

    message: Annotated[str, doc("Always `Deleted`", "Deleted")]


# Bytes. Proxies refuse responses whose headers take more than 4 or 8 KB.
_MAX_LINKS: Final = 3072
_PAGE_PARAMETERS: Final = ("limit", "offset")
_ONLY_PAGES: Final = re.compile(r"((limit|offset)=[0-9]*(&|$))*")

DELETED: Final = Deleted("Deleted")


def paged(
    page: OffsetPage[T], query: OffsetQuery, request: AnyRequest, base_url: str
) -> Response[list[T]]:
    """Respond with a page as a bare array, with the pagination headers."""
    headers = {
        "X-Total-Count": str(page.total),
        "X-Limit": str(query.size),
        "X-Offset": str(query.offset),
    }
    if links := _links(page, query, request.scope, base_url):
        headers["Link"] = links
    if page.capped:
        headers["X-Total-Count-Capped"] = "true"
    return Response(page.items, headers=headers)


def _links(page: OffsetPage[Any], query: OffsetQuery, scope: HTTPScope, base_url: str) -> str:
    """The Link header of RFC 8288: the pages around this one, with the same filters.

    Of a long query only the first link fits, which is the next page if there is one. Returns an
    empty string if that is too long.
    """
    query_string = scope["query_string"].decode("latin-1")
    # Most lists have no filters, and parsing takes longer than all the rest.
    filters = "" if _ONLY_PAGES.fullmatch(query_string) else _filters(query_string, type(query))
    start = f"<{base_url.rstrip('/')}{scope['path']}?{filters}limit={query.size}&offset="
    links = [
        f'{start}{offset}>; rel="{relation}"'
        for relation, offset in neighbours(page, query).items()
    ]
    for fitting in (links, links[:1]):
        header = ", ".join(fitting)
        if len(header) <= _MAX_LINKS:
            return header
    return ""


def _filters(query_string: str, query_type: type[OffsetQuery]) -> str:
    """The filters of the list, encoded anew, so that none can end the URL."""
    names = _filter_names(query_type)
    kept = urlencode([pair for pair in parse_qsl(query_string) if pair[0] in names])
    return f"{kept}&" if kept else ""


@functools.cache
def _filter_names(query_type: type[OffsetQuery]) -> frozenset[str]:
    """Names of the parameters besides those of the page."""
    names = {field.encode_name for field in msgspec.structs.fields(query_type)}
    return frozenset(names.difference(_PAGE_PARAMETERS))
