"""Handlers of insights."""

from typing import Final

from litestar import Response, delete, get, patch, post
from litestar.params import RawBody
from msgspec import UNSET

from domains.discovery import insights, transcripts
from domains.discovery.insights import (
    INSIGHTS,
    Evidence,
    Insight,
    InsightCreate,
    InsightQuery,
    InsightUpdate,
)
from domains.discovery.transcripts import ProcessTranscriptRequest
from gateway import etags
from gateway.discovery.responses import DELETED, Deleted, paged
from gateway.operations import (
    AnyRequest,
    BaseUrlDep,
    BlobsDep,
    CallerDep,
    IdInPath,
    IfMatchDep,
    ProcessPoolDep,
    ReadDep,
    TxDep,
    operation,
)
from gateway.requests import decode_body, parse_query


@get(
    "/insights", opt=operation("listInsights", "insights:read", "List insights", query=InsightQuery)
)
async def list_insights(
    request: AnyRequest, caller: CallerDep, read: ReadDep, base_url: BaseUrlDep
) -> Response[list[Insight]]:
    query = parse_query(request, InsightQuery)
    return paged(await insights.page(read, caller.workspace, query), query, request, base_url)


@get(
    "/insights/{id:str}",
    opt=operation(
        "getInsight", "insights:read", "Get an insight", errors=(404,), version_of=etags.whole
    ),
)
async def get_insight(id: IdInPath, caller: CallerDep, read: ReadDep) -> Insight:
    return await INSIGHTS.get(read, caller.workspace, id)


@post(
    "/insights",
    opt=operation(
        "createInsight",
        "insights:write",
        "Create an insight",
        request=InsightCreate,
        errors=(409,),
        example={"kind": None},
        version_of=etags.whole,
    ),
)
async def create_insight(body: RawBody, caller: CallerDep, tx: TxDep) -> Insight:
    new = await decode_body(body, InsightCreate)
    return await insights.create(tx, caller.workspace, new)


@patch(
    "/insights/{id:str}",
    opt=operation(
        "updateInsight",
        "insights:write",
        "Change an insight",
        request=InsightUpdate,
        errors=(404,),
        version_of=etags.whole,
    ),
)
async def update_insight(
    id: IdInPath, body: RawBody, caller: CallerDep, tx: TxDep, if_match: IfMatchDep
) -> Insight:
    changes = await decode_body(body, InsightUpdate)
    return await INSIGHTS.change(tx, caller.workspace, id, changes, if_match)


@delete(
    "/insights/{id:str}",
    status_code=200,
    opt=operation(
        "deleteInsight",
        "insights:delete",
        "Delete an insight",
        errors=(404,),
        version_of=etags.whole,
    ),
)
async def delete_insight(
    id: IdInPath, caller: CallerDep, tx: TxDep, if_match: IfMatchDep
) -> Deleted:
    await INSIGHTS.remove(tx, caller.workspace, id, if_match)
    return DELETED


@post(
    "/insights/process-transcript/insights",
    status_code=200,
    opt=operation(
        "processTranscript",
        "insights:write",
        "Find insights in a transcript",
        request=ProcessTranscriptRequest,
        errors=(409,),
        example={"opportunityIds": [], "ideaIds": [], "tagIds": [], "externalLinks": UNSET},
    ),
)
async def process_transcript(
    body: RawBody,
    caller: CallerDep,
    read: ReadDep,
    tx: TxDep,
    blobs: BlobsDep,
    process_pool: ProcessPoolDep,
) -> list[Insight]:
    """Returns the insights found. Stores nothing unless `createInsights` is true."""
    content = await decode_body(body, ProcessTranscriptRequest)
    return await transcripts.process(read, tx, blobs, process_pool, caller.workspace, content)


@get(
    "/insights/{id:str}/evidence",
    opt=operation(
        "listInsightEvidence",
        "insights:read",
        "List the quotes of an insight",
        errors=(404,),
        addition=True,
    ),
)
async def list_evidence(id: IdInPath, caller: CallerDep, read: ReadDep) -> list[Evidence]:
    return await insights.list_evidence(read, caller.workspace, id)


HANDLERS: Final = (
    list_insights,
    get_insight,
    create_insight,
    update_insight,
    delete_insight,
    process_transcript,
    list_evidence,
)
