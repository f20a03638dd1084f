"""Responses shared by the discovery resources."""

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
_MAX_LINKS: Final = 2048
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
        "Link": _links(page, query, request.scope, base_url),
    }
    if page.capped:
        headers["X-Total-Count-Capped"] = "true"
    return Response(page.items, headers=headers)


def _links(page: OffsetPage[Any], query: OffsetQuery, scope: HTTPScope, base_url: str) -> str:
    """The Link header of RFC 8288: the pages around this one, with the same filters."""
    query_string = scope["query_string"].decode("latin-1")
    # Most lists have no filters, and parsing takes longer than all the rest.
    filters = "" if _ONLY_PAGES.fullmatch(query_string) else _filters(query_string)
    start = f"<{base_url.rstrip('/')}{scope['path']}?{filters}limit={query.size}&offset="
    links = [
        f'{start}{offset}>; rel="{relation}"'
        for relation, offset in neighbours(page, query).items()
    ]
    # With a very long query, the next page is the one that clients need.
    return ", ".join(links if len(links) * len(links[0]) <= _MAX_LINKS else links[:1])


def _filters(query_string: str) -> str:
    """The parameters besides those of the page, encoded anew, so that none can end the URL."""
    pairs = parse_qsl(query_string, keep_blank_values=True)
    kept = urlencode([pair for pair in pairs if pair[0] not in _PAGE_PARAMETERS])
    return f"{kept}&" if kept else ""
