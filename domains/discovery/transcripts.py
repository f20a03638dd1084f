"""Insights from a transcript while the caller waits."""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import func, select

from domains.discovery import example_ids, signals
from domains.discovery.analysis import (
    PROFILES,
    Origin,
    SignalType,
    insight_type,
    product_of,
    products_named,
    store,
)
from domains.discovery.insights import INSIGHTS, Insight
from domains.discovery.records import NonEmpty
from domains.discovery.signals import SignalTextCreate
from domains.intelligence.engine import analyse as find
from domains.intelligence.findings import Document, Findings
from domains.kernel.core.ids import new_id
from domains.kernel.core.problems import invalid
from domains.kernel.core.workspace_id import WorkspaceId
from domains.kernel.db.database import Read, Tx
from domains.kernel.db.statements import scalar, statement
from domains.kernel.jobs.process_pool import ProcessPool, ComputationTimeout
from domains.kernel.storage.blobs import Blobs

_TYPE: Final[SignalType] = "transcript"

_NOW = statement(select(func.now()), scalar)


class ProcessTranscriptRequest(msgspec.Struct, rename="camel", kw_only=True):
    """A transcript to find insights in."""

    transcript: Annotated[
        NonEmpty,
        Meta(
            description="The whole text of a meeting or of feedback",
            examples=["[00:12] Ana: Exports take minutes, and one failed."],
        ),
    ]
    product_id: Annotated[
        UUID | UnsetType,
        Meta(
            description="The product it is about; its insights carry it",
            examples=[example_ids.PRODUCT],
        ),
    ] = UNSET
    create_insights: Annotated[
        bool,
        Meta(
            description=(
                "Whether to keep what is found: the transcript as a signal and the insights as "
                "drafts with their evidence. Else nothing is stored, and the ids lead nowhere"
            )
        ),
    ] = False


async def get_ready(compute: ProcessPool) -> None:
    """Load what the analysis needs, so that the first transcript takes no longer than others."""
    await compute.warm(find, Document(text="", profile=PROFILES[_TYPE]))


async def process(
    read: Read,
    tx: Tx,
    blobs: Blobs,
    compute: ProcessPool,
    workspace: WorkspaceId,
    asked: ProcessTranscriptRequest,
) -> list[Insight]:
    """What is found in the transcript, stored if that is asked for.

    The analysis runs in another process and with no transaction open, about 0.3 s for 10,000 words.
    Invalid if it takes longer than one analysis may take, Unavailable if too many wait.
    """
    product_ids = [] if asked.product_id is UNSET else [asked.product_id]
    origin = Origin(_TYPE, product_ids, account_id=None)
    document = Document(
        text=asked.transcript,
        profile=PROFILES[_TYPE],
        products=await products_named(read, workspace, product_ids),
    )
    try:
        findings = await compute.run_one_per_key(workspace, find, document)
    except ComputationTimeout:
        raise invalid(
            "transcript", "is too long to be analysed while you wait; create a signal with it"
        ) from None
    if asked.create_insights and findings.insights:
        return await _keep(tx, blobs, workspace, asked, origin, findings)
    now = await read.one(_NOW)
    return [
        Insight(
            id=new_id(),
            name=found.name,
            description=found.description,
            status="draft",
            type=insight_type(origin),
            product_id=product_of(origin, found),
            opportunity_ids=[],
            idea_ids=[],
            tag_ids=[],
            created_at=now,
            updated_at=now,
        )
        for found in findings.insights
    ]


async def _keep(
    tx: Tx,
    blobs: Blobs,
    workspace: WorkspaceId,
    asked: ProcessTranscriptRequest,
    origin: Origin,
    findings: Findings,
) -> list[Insight]:
    """The quotes need a text that they can be found in, so the transcript becomes a signal."""
    signal = await signals.create_analysed(
        tx,
        blobs,
        workspace,
        SignalTextCreate(
            text=asked.transcript, signal_type=_TYPE, product_ids=origin.product_ids or UNSET
        ),
        findings,
    )
    made = await store(tx, workspace, signal.id, origin, findings.engine, findings.insights)
    return await INSIGHTS.several(tx, workspace, made)
