"""Answers that several resources of discovery share."""

from typing import Annotated, Final, TypeVar

import msgspec
from litestar import Response
from msgspec import Meta

from domains.kernel.pagination.offset import OffsetPage

T = TypeVar("T")


class Deleted(msgspec.Struct):
    """The answer to every DELETE."""

    message: Annotated[str, Meta(description="Always `Deleted`", examples=["Deleted"])]


DELETED: Final = Deleted("Deleted")


def paged(page: OffsetPage[T], limit: int, offset: int) -> Response[list[T]]:
    """A page as a bare array, with the pagination headers."""
    headers = {
        "X-Total-Count": str(page.total),
        "X-Limit": str(limit),
        "X-Offset": str(offset),
    }
    if page.capped:
        headers["X-Total-Count-Capped"] = "true"
    return Response(page.items, headers=headers)
