"""What the examples of the OpenAPI document say: one story, in which the ids of records agree.

Acme's customers wait for exports. A survey's answer (a signal) shows it, an insight says it, an
opportunity weighs it, an idea would help; all of it about the product Atlas.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET

REQUEST_ID: Final = "0199c2f4-7b1e-7c0d-9f55-3a1e6c2b8d10"
WORKSPACE: Final = "0199c2f0-1c22-7b64-b0f5-9e8d7c6b5a40"
KEY: Final = "0199c2f0-2d33-7c75-81a6-0f1e2d3c4b5a"
PRODUCT: Final = "0199c2f1-3e44-7d86-92b7-1a2b3c4d5e6f"
SIGNAL: Final = "0199c2f4-6f0a-7d3c-8a41-5b0c9d7e2f11"
JOB: Final = "0199c2f4-6f0b-7a55-93c2-1f2e3d4c5b6a"
INSIGHT: Final = "0199c2f4-8d42-7e10-a3b7-4c5d6e7f8091"
OPPORTUNITY: Final = "0199c2f7-0a1b-7c2d-8e3f-4a5b6c7d8e9f"
IDEA: Final = "0199c2f9-5b6c-7d7e-8f90-a1b2c3d4e5f6"
_ACCOUNT: Final = "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002"
_CALL: Final = "0199c2fb-6c7d-7e8f-90a1-b2c3d4e5f607"
# Of findings that are stored nowhere.
_FOUND: Final = ("0199c2fd-1122-7334-8455-66778899aabb", "0199c2fd-1122-7334-8455-66778899aabc")

_UPLOADED: Final = "2026-03-11T14:30:00.087112Z"
_ANALYSED: Final = "2026-03-11T14:30:01.204355Z"
_WEIGHED: Final = "2026-03-11T15:02:44.310078Z"
_THOUGHT_OF: Final = "2026-03-11T15:05:09.771402Z"
_CHANGED: Final = "2026-03-12T09:15:30.402218Z"

_TRANSCRIPT: Final = (
    "[00:12] Ana: Exports take minutes, and yesterday one failed halfway through.\n"
    "[00:21] Ben: We moved the team to Atlas in May.\n"
    "[00:27] Ana: I would love a CSV button on the report page."
)

# Values by field or by `Struct.field`; UNSET leaves an optional field out. A field that has neither
# an entry here nor `examples` in its Meta gets a value of its type.
FIELDS: Final[Mapping[str, Any]] = {
    "workspaceId": WORKSPACE,
    "org_id": WORKSPACE,
    "productId": PRODUCT,
    "jobId": JOB,
    "lastJobId": JOB,
    "signalType": "review",
    "scopes": ["signals:read", "signals:write", "insights:read"],
    "Signal.id": SIGNAL,
    "Signal.publicId": "SIGNAL-42",
    "Signal.name": "Survey, question 7",
    "Signal.status": "processed",
    "Signal.context": "feature_feedback",
    "Signal.externalId": None,
    "Signal.data": {
        "s3Key": f"signals/manual-text/{WORKSPACE}/{SIGNAL}.txt",
        "productIds": [PRODUCT],
        "uploadedAt": _UPLOADED,
    },
    "Signal.insightIds": [INSIGHT],
    "Signal.createdAt": _UPLOADED,
    "Signal.updatedAt": _ANALYSED,
    "Signal.jobId": UNSET,
    "SignalProcessing.startedAt": _UPLOADED,
    "SignalProcessing.processedAt": _ANALYSED,
    "SignalProcessing.failedAt": None,
    "SignalProcessing.lastError": None,
    "SignalSource.type": "manual-text",
    "SignalSource.external_data": {"signalType": "review", "analysisProfile": "survey_response"},
    "SignalTextCreate.text": "Exports are hard to find and take minutes. I want a CSV button.",
    "SignalTextCreate.name": "Survey, question 7",
    "SignalTextCreate.productIds": [PRODUCT],
    "SignalRawCreate.name": "Ticket 12345",
    "SignalRawCreate.source": {
        "type": "support-ticket",
        "external_data": {"provider": "zendesk"},
    },
    "SignalRawCreate.data": {
        "subject": "Users cannot reset their password",
        "thread": [{"body": "The reset link is broken and we are locked out."}],
    },
    "SignalRawCreate.externalId": "12345",
    "SignalUpdate.context": "For the team that owns exports",
    "Insight.id": INSIGHT,
    "Insight.name": "Exports are hard to find and take minutes",
    "Insight.description": "A respondent describes a problem: Exports are hard to find and take "
    "minutes.",
    "Insight.status": "draft",
    "Insight.type": "feedback",
    "Insight.opportunityIds": [OPPORTUNITY],
    "Insight.ideaIds": [IDEA],
    "Insight.tagIds": ["exports"],
    "Insight.createdAt": _ANALYSED,
    "Insight.updatedAt": _CHANGED,
    "Insight.suggestions": UNSET,
    "Insight.externalLinks": UNSET,
    "InsightCreate.description": "Customers look for the export in three menus, then wait minutes.",
    "InsightCreate.name": "Exports are hard to find and slow",
    "InsightCreate.type": "user-interview",
    "InsightCreate.productId": PRODUCT,
    "InsightCreate.opportunityIds": [OPPORTUNITY],
    "InsightCreate.ideaIds": [IDEA],
    "InsightCreate.tagIds": ["exports", "enterprise"],
    "InsightCreate.suggestions": {"ask": ["How often do they export?"]},
    "InsightCreate.externalLinks": [
        {"type": "jira", "url": "https://acme.atlassian.net/browse/EXP-7", "name": "EXP-7"}
    ],
    "InsightUpdate.status": "published",
    "InsightUpdate.opportunityIds": [OPPORTUNITY],
    "InsightUpdate.tagIds": ["exports", "q2"],
    "ProcessTranscriptRequest.transcript": _TRANSCRIPT,
    "ProcessTranscriptRequest.productId": PRODUCT,
    "ProcessTranscriptRequest.createInsights": False,
    "Evidence.quote": "Exports take minutes, and yesterday one failed halfway through.",
    "Evidence.signalId": _CALL,
    "Evidence.signalPublicId": "SIGNAL-43",
    "Evidence.start": 13,
    "Evidence.end": 76,
    "Evidence.accountId": _ACCOUNT,
    "Evidence.speaker": "Ana",
    "Evidence.startTime": 12.0,
    "Evidence.endTime": 21.0,
    "Opportunity.id": OPPORTUNITY,
    "Opportunity.name": "Exports that finish in seconds",
    "Opportunity.description": "Teams wait minutes for exports that they need every day.",
    "Opportunity.score": 85,
    "Opportunity.status": "discovery",
    "Opportunity.insightIds": [INSIGHT],
    "Opportunity.ideaIds": [IDEA],
    "Opportunity.createdAt": _WEIGHED,
    "Opportunity.updatedAt": _WEIGHED,
    "OpportunityCreate.name": "Exports that finish in seconds",
    "OpportunityCreate.description": "Teams wait minutes for exports that they need every day.",
    "OpportunityCreate.score": 85,
    "OpportunityCreate.productId": PRODUCT,
    "OpportunityCreate.insightIds": [INSIGHT],
    "OpportunityUpdate.score": 92.5,
    "OpportunityUpdate.status": "validated",
    "Idea.id": IDEA,
    "Idea.name": "CSV button",
    "Idea.description": "A button on every report that exports its table as CSV.",
    "Idea.status": "evaluating",
    "Idea.opportunityIds": [OPPORTUNITY],
    "Idea.insightIds": [INSIGHT],
    "Idea.createdAt": _THOUGHT_OF,
    "Idea.updatedAt": _THOUGHT_OF,
    "IdeaCreate.name": "CSV button",
    "IdeaCreate.description": "A button on every report that exports its table as CSV.",
    "IdeaCreate.productId": PRODUCT,
    "IdeaCreate.opportunityIds": [OPPORTUNITY],
    "IdeaCreate.insightIds": [INSIGHT],
    "IdeaUpdate.status": "backlog",
    "Product.id": PRODUCT,
    "Product.name": "Atlas",
    "Product.createdAt": "2026-03-11T14:05:17.640031Z",
    "Product.updatedAt": "2026-03-11T14:05:17.640031Z",
    "ProductCreate.name": "Atlas",
    "ProductCreate.id": PRODUCT,
    "Deleted.message": "Deleted",
    "AuthWorkspace.id": WORKSPACE,
    "AuthWorkspace.name": "Acme",
    "AuthCredential.id": KEY,
    "Alive.status": "ok",
    "HealthResponse.status": "ok",
    "Health.status": "ok",
    "Health.parts": {
        "database": {"status": "ok"},
        "schema": {"status": "ok"},
        "workers": {"status": "ok"},
        "redis": {"status": "ok"},
        "blobs": {"status": "ok"},
    },
    "Health.queues": {"analysis": {"depth": 2, "oldestSeconds": 0.041}},
}

# Where an operation's answer is not the usual one of its struct: what differs, for a list in each
# of its items.
ANSWERS: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "createSignal": [
        {
            "status": "processing",
            "context": None,
            "insightIds": [],
            "updatedAt": _UPLOADED,
            "jobId": JOB,
            "processing": {
                "lastJobId": JOB,
                "startedAt": _UPLOADED,
                "processedAt": None,
                "failedAt": None,
                "lastError": None,
            },
        }
    ],
    "updateSignal": [{"context": "For the team that owns exports", "updatedAt": _CHANGED}],
    "createInsight": [
        {
            "id": "0199c2fa-3c4d-7e5f-8061-728394a5b6c7",
            "name": "Exports are hard to find and slow",
            "description": "Customers look for the export in three menus, then wait minutes.",
            "type": "user-interview",
            "tagIds": ["exports", "enterprise"],
            "createdAt": "2026-03-11T16:20:00.118204Z",
            "updatedAt": "2026-03-11T16:20:00.118204Z",
            "suggestions": {"ask": ["How often do they export?"]},
            "externalLinks": [
                {"type": "jira", "url": "https://acme.atlassian.net/browse/EXP-7", "name": "EXP-7"}
            ],
        }
    ],
    "updateInsight": [{"status": "published", "tagIds": ["exports", "q2"]}],
    "processTranscript": [
        {
            "id": _FOUND[0],
            "name": "Exports take minutes, and yesterday one failed halfway through",
            "description": "Ana describes a problem: Exports take minutes, and yesterday one "
            "failed halfway through.",
            "type": "user-interview",
            "opportunityIds": [],
            "ideaIds": [],
            "tagIds": [],
            "createdAt": _CHANGED,
            "updatedAt": _CHANGED,
        },
        {
            "id": _FOUND[1],
            "name": "Users want a CSV button on the report page",
            "description": "Ana asks for a change: Users would love a CSV button on the report "
            "page.",
            "type": "user-interview",
            "opportunityIds": [],
            "ideaIds": [],
            "tagIds": [],
            "createdAt": _CHANGED,
            "updatedAt": _CHANGED,
        },
    ],
    "createOpportunity": [{"ideaIds": []}],
    "updateOpportunity": [{"score": 92.5, "status": "validated", "updatedAt": _CHANGED}],
    "updateIdea": [{"status": "backlog", "updatedAt": _CHANGED}],
}
