"""Responses shared by the discovery resources."""

from typing import Annotated, Final, TypeVar

import msgspec
from litestar import Response

from domains.kernel.core.field_docs import doc
from domains.kernel.pagination.offset import OffsetPage, OffsetQuery

T = TypeVar("T")


class Deleted(msgspec.Struct):
    """The response to a DELETE."""

    message: Annotated[str, doc("Always `Deleted`", "Deleted")]


DELETED: Final = Deleted("Deleted")


def paged(page: OffsetPage[T], query: OffsetQuery) -> Response[list[T]]:
    """Respond with a page as a bare array, with the pagination headers."""
    headers = {
        "X-Total-Count": str(page.total),
        "X-Limit": str(query.size),
        "X-Offset": str(query.offset),
    }
    if page.capped:
        headers["X-Total-Count-Capped"] = "true"
    return Response(page.items, headers=headers)
