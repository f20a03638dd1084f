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
from gateway.discovery.path_ids import INSIGHT_ID
from gateway.discovery.responses import DELETED, Deleted, paged
from gateway.operations import (
    ActorDep,
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
from gateway.requests import decode_body, decode_new, parse_query


@get(
    "/insights", opt=operation("listInsights", "insights:read", "List insights", query=InsightQuery)
)
async def list_insights(
    request: AnyRequest, caller: CallerDep, read: ReadDep, base_url: BaseUrlDep
) -> Response[list[Insight]]:
    """List the insights of the workspace, newest first.

    A page has 20 insights, or `limit` up to 100. All filters must match; `q` searches names and
    descriptions. 400: a limit, offset or filter that is not valid.
    """
    query = parse_query(request, InsightQuery)
    return paged(await insights.page(read, caller.workspace, query), query, request, base_url)


@get(
    "/insights/{id:str}",
    opt=operation(
        "getInsight",
        "insights:read",
        "Get an insight",
        errors=(404,),
        path_id=INSIGHT_ID,
        version_of=etags.whole,
    ),
)
async def get_insight(id: IdInPath, caller: CallerDep, read: ReadDep) -> Insight:
    """Get an insight. 404: the workspace has no insight with this id."""
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
    """Create an insight that a person wrote.

    Its name is the start of the description if none is given. 400: an empty description, or ids
    of opportunities or ideas that do not exist.
    """
    new = await decode_new(body, InsightCreate)
    return await insights.create(tx, caller.workspace, new)


@patch(
    "/insights/{id:str}",
    opt=operation(
        "updateInsight",
        "insights:write",
        "Change an insight",
        request=InsightUpdate,
        errors=(404,),
        path_id=INSIGHT_ID,
        version_of=etags.whole,
    ),
)
async def update_insight(
    id: IdInPath, body: RawBody, caller: CallerDep, tx: TxDep, if_match: IfMatchDep
) -> Insight:
    """Change an insight. Absent fields stay as they are; lists are replaced as a whole.

    A changed insight is kept when its signal is analysed again. 400: a value that is not valid,
    or ids of linked records that do not exist.
    """
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
        path_id=INSIGHT_ID,
        version_of=etags.whole,
    ),
)
async def delete_insight(
    id: IdInPath, caller: CallerDep, actor: ActorDep, tx: TxDep, if_match: IfMatchDep
) -> Deleted:
    """Delete an insight with its links and quotes. The signals stay."""
    await INSIGHTS.remove(tx, caller.workspace, id, actor, if_match)
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
        example={
            "opportunityIds": [],
            "ideaIds": [],
            "tagIds": [],
            "externalLinks": UNSET,
            "publicId": UNSET,
        },
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
    """Find insights in a transcript and return them at once.

    Stores nothing unless `createInsights` is true: then the transcript becomes a signal, and the
    insights are stored as drafts with quotes. The body has at most 10 MB. 400: an empty
    transcript.
    """
    content = await decode_new(body, ProcessTranscriptRequest)
    return await transcripts.process(read, tx, blobs, process_pool, caller.workspace, content)


@get(
    "/insights/{id:str}/evidence",
    opt=operation(
        "listInsightEvidence",
        "insights:read",
        "List the quotes of an insight",
        errors=(404,),
        path_id=INSIGHT_ID,
        addition=True,
    ),
)
async def list_evidence(id: IdInPath, caller: CallerDep, read: ReadDep) -> list[Evidence]:
    """List the quotes that support an insight, by signal and position.

    The list is complete; it is empty for an insight without quotes. 404: the workspace has no
    insight with this id.
    """
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
