"""Iterators over lists of any length."""

from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from evidence_gateway_client.connection import ok
from evidence_gateway_client.models import PaginationInfo, ProblemDetails, ReadError

T = TypeVar("T")
P = ParamSpec("P")

_LIMIT = 100
"""Largest page of the discovery API."""


class CursorPage(Protocol):
    """A page of a list of the revenue record API."""

    pagination: PaginationInfo


PageT = TypeVar("PageT", bound=CursorPage)


def records(
    operation: Callable[P, list[T] | ProblemDetails | None], *args: P.args, **kwargs: P.kwargs
) -> Iterator[T]:
    """Iterate over a list of the discovery API: `records(list_signals.sync, client=client)`.

    Pass `order=Order.ASC` if records may be created meanwhile: none is then repeated.
    """
    fetch = cast("Callable[..., Any]", operation)
    query: dict[str, Any] = {"limit": _LIMIT, "offset": 0, **kwargs}
    while True:
        found: list[T] = ok(fetch(*args, **query))
        yield from found
        if len(found) < min(query["limit"], _LIMIT):
            return
        query["offset"] += len(found)


def pages(
    operation: Callable[P, PageT | ReadError | None], *args: P.args, **kwargs: P.kwargs
) -> Iterator[PageT]:
    """Iterate over the pages of a list of the revenue record API.

    `for page in pages(list_deals.sync, client=client)` has the records in `page.deals`.
    """
    fetch = cast("Callable[..., Any]", operation)
    query: dict[str, Any] = dict(kwargs)
    while True:
        page: PageT = ok(fetch(*args, **query))
        yield page
        if page.pagination.next_cursor is None:
            return
        query["cursor"] = page.pagination.next_cursor
