"""Handlers of insights."""

from typing import Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from domains.discovery import insights
from domains.discovery.insights import Evidence, Insight
from domains.kernel.db import Read
from domains.kernel.keys import Caller
from domains.kernel.paging import OffsetPage
from gateway.surface import operation, paged, query


@get(
    "/insights",
    opt=operation("listInsights", "insights:read", "List insights", query=OffsetPage),
)
async def list_insights(
    request: Request[Any, Any, Any], caller: NamedDependency[Caller], read: NamedDependency[Read]
) -> Response[list[Insight]]:
    wanted = query(request, OffsetPage)
    page = await insights.page(read, caller.workspace, wanted)
    return paged(page, wanted.size, wanted.offset)


@get(
    "/insights/{id:str}",
    opt=operation("getInsight", "insights:read", "Get an insight", errors=(404,)),
)
async def get_insight(
    id: FromPath[str],  # noqa: A002 - the documented name
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
) -> Insight:
    return await insights.get(read, caller.workspace, id)


@get(
    "/insights/{id:str}/evidence",
    opt=operation(
        "listInsightEvidence",
        "insights:read",
        "The quotes behind an insight",
        errors=(404,),
        addition=True,
    ),
)
async def list_evidence(
    id: FromPath[str],  # noqa: A002
    caller: NamedDependency[Caller],
    read: NamedDependency[Read],
) -> list[Evidence]:
    return await insights.list_evidence(read, caller.workspace, id)


HANDLERS: Final = (list_insights, get_insight, list_evidence)
