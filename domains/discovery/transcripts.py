"""Find insights in a transcript within a request."""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import func, select

from domains.discovery import fields
from domains.discovery.analysis import PROFILES, matched_products
from domains.discovery.fields import NonEmpty
from domains.discovery.findings import SignalContext, SignalType, store
from domains.discovery.insights import INSIGHTS, Insight
from domains.discovery.signal_creation import create_from_text
from domains.discovery.signals import SignalTextCreate
from domains.intelligence.child_calls import find_insights
from domains.intelligence.findings import Document
from domains.kernel.core.field_docs import doc
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.problems import Unavailable
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import scalar, statement
from domains.kernel.jobs.process_pool import ComputationTimeout, ProcessPool
from domains.kernel.storage.blobs import Blobs

_TYPE: Final[SignalType] = "transcript"

_NOW = statement(select(func.now()), scalar)


class ProcessTranscriptRequest(msgspec.Struct, rename="camel", kw_only=True):
    """A transcript to analyse."""

    transcript: Annotated[
        NonEmpty,
        doc(
            "Text of a conversation or of feedback",
            "[00:12] Ana: Exports take minutes, and one failed.",
        ),
    ]
    product_id: Annotated[
        UUID | UnsetType,
        doc("The product it is about. Copied to the insights", fields.EXAMPLE_PRODUCT),
    ] = UNSET
    create_insights: Annotated[
        bool,
        doc(
            "True stores the transcript as a signal, and the insights as drafts with "
            "evidence. False stores nothing, and the ids cannot be retrieved"
        ),
    ] = False


async def warm_up(process_pool: ProcessPool) -> None:
    """Load the analysis engine, so that the first transcript takes no longer than others."""
    await process_pool.warm(find_insights, Document(text="", profile=PROFILES[_TYPE]))


async def process(
    read: Read,
    tx: Tx,
    blobs: Blobs,
    process_pool: ProcessPool,
    workspace: WorkspaceId,
    request: ProcessTranscriptRequest,
) -> list[Insight]:
    """Find insights in a transcript. Stores transcript and insights if the request asks for it.

    The analysis runs in another process and without a transaction, about 0.3 s for 10,000 words.
    Raises Unavailable if it exceeds its time limit or if too many analyses wait.
    """
    product_ids = [] if request.product_id is UNSET else [request.product_id]
    context = SignalContext(_TYPE, product_ids, account_id=None)
    document = Document(
        text=request.transcript,
        profile=PROFILES[_TYPE],
        products=await matched_products(read, workspace, product_ids),
    )
    try:
        findings = await process_pool.run_one_per_key(workspace, find_insights, document)
    except ComputationTimeout:
        raise Unavailable(
            "The transcript takes too long to analyse within a request at present. Create a signal "
            "with it, split it, or try again later."
        ) from None
    if request.create_insights and findings.insights:
        # Evidence refers to the text of a signal, so the transcript is stored as one.
        new = SignalTextCreate(
            text=msgspec.Raw(msgspec.json.encode(request.transcript)),
            signal_type=_TYPE,
            product_ids=product_ids or UNSET,
        )
        signal = await create_from_text(tx, blobs, workspace, new, findings)
        ids = await store(tx, workspace, signal.id, context, findings.engine, findings.insights)
        return await INSIGHTS.get_many(tx, workspace, ids)
    now = await read.one(_NOW)
    return [
        Insight(
            id=new_id(),
            name=insight.name,
            description=insight.description,
            status="draft",
            type=context.insight_type,
            kind=insight.kind,
            product_id=context.product_of(insight),
            opportunity_ids=[],
            idea_ids=[],
            tag_ids=[],
            created_at=now,
            updated_at=now,
        )
        for insight in findings.insights
    ]
