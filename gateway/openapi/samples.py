"""What the examples of the OpenAPI document say: one story, in which the ids of records agree.

Acme's customers wait for exports. A survey's answer (a signal) shows it, an insight says it, an
opportunity weighs it, an idea would help; all of it about the product Atlas.

In the revenue record Acme's helpdesk has a ticket about the same exports, from Halden Freight. A
call, a message and a document belong to Halden's deal and account in the CRM.
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
SOURCE: Final = "0199c301-2a3b-7c4d-8e5f-60718293a4b5"
OBJECT_TYPE: Final = "0199c302-3b4c-7d5e-8f60-718293a4b5c6"
ROW: Final = "0199c303-4c5d-7e6f-9071-8293a4b5c6d7"
CONVERSATION: Final = "0199c304-5d6e-7f70-8182-93a4b5c6d7e8"
MESSAGE: Final = "0199c305-6e7f-7081-9293-a4b5c6d7e8f9"
DOCUMENT: Final = "0199c306-7f80-7192-83a4-b5c6d7e8f90a"
DEAL: Final = "0065g00000HALDEN"
ACCOUNT: Final = "0015g00000HALDEN"
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

_DAY: Final = "2026-03-16"
_SAID: Final = (
    ("Ana Berg", "Our monthly export takes twenty minutes, and half of the time it fails.", 4.0),
    ("Rosa Lind", "From April on it runs in the background and resumes by itself.", 11.5),
    ("Ana Berg", "Then we can sign for all two hundred seats.", 18.0),
)
_ENDS: Final = (11.5, 18.0, 1500.0)
_ANA: Final = {"name": "Ana Berg", "email": "ana@halden.example"}
_ROSA: Final = {"name": "Rosa Lind", "email": "rosa@acme.example"}
_LINK: Final = "http://127.0.0.1:8000/files"
_SIGNED: Final = "expires=1773756000&signature=Qm9yZWFsaXM"

_TICKET_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "priority": {"value": "high", "fieldType": "string"},
    "openedOn": {"value": "2026-03-13", "fieldType": "date"},
    "seats": {"value": 200, "fieldType": "int"},
}
_DEFINITIONS: Final[Sequence[Mapping[str, Any]]] = (
    {"name": "priority", "fieldType": "string", "label": "Priority", "required": True},
    {"name": "openedOn", "fieldType": "date", "label": "Opened on"},
    {"name": "seats", "fieldType": "int"},
)
_ROW: Final = {
    "rowId": ROW,
    "objectTypeName": "ticket",
    "remoteId": "T-1042",
    "name": "T-1042",
    "displayName": "Monthly export fails halfway",
    "fields": {name: {**each, "label": None} for name, each in _TICKET_FIELDS.items()},
    "createdAt": "2026-03-13T07:41:00Z",
    "updatedAt": None,
}
_CALL_ITEM: Final = {
    "conversationId": CONVERSATION,
    "title": "Halden: rollout of Atlas",
    "startTime": f"{_DAY}T13:00:00Z",
    "endTime": f"{_DAY}T13:25:00Z",
    "type": "EXTERNAL",
    "participants": [{**_ANA, "attended": True}, {**_ROSA, "attended": True}],
    "crm": {"id": DEAL, "name": "Halden: Atlas for 200 seats", "type": "opportunity"},
}
_MAIL: Final = {
    "messageId": MESSAGE,
    "remoteId": "mail-5517",
    "threadId": "thread-880",
    "subject": "Exports before we sign",
    "sender": _ANA,
    "recipients": [_ROSA],
    "bodyPreview": "Hi Rosa, the export failed again this morning. Please send the plan.",
    "createdAt": f"{_DAY}T08:12:30Z",
}
_FILE: Final = {
    "id": DOCUMENT,
    "displayName": "Halden rollout plan",
    "remoteId": "plan-31",
    "url": "https://files.acme.example/halden/rollout.pdf",
    "contentType": "application/pdf",
    "createdAt": f"{_DAY}T15:00:00Z",
    "updatedAt": "2026-03-17T09:30:00Z",
}
_DEAL: Final[Mapping[str, Any]] = {
    "dealId": DEAL,
    "name": "Halden: Atlas for 200 seats",
    "accountName": "Halden Freight",
    "stage": "Contract sent",
    "pipeline": "New business",
    "amount": 48000.0,
    "closeDate": "2026-04-30T00:00:00Z",
    "closed": False,
    "createdDate": "2026-01-19T10:05:00Z",
    "lastActivityDate": f"{_DAY}T13:00:00Z",
    "owner": _ROSA,
}
_CUSTOMER: Final = {
    "accountId": ACCOUNT,
    "name": "Halden Freight",
    "website": "https://halden.example",
    "owner": _ROSA,
    "createdDate": "2025-11-03T09:00:00Z",
    "lastActivityDate": f"{_DAY}T13:00:00Z",
    "latestDeal": {
        name: _DEAL[name] for name in ("dealId", "name", "stage", "amount", "closeDate")
    },
}
_CONTACT: Final = {**_ANA, "title": "Head of Operations", "phone": "+47 555 0199"}


def _shown(fields: Mapping[str, Any], *structs: str) -> dict[str, Any]:
    """Fields that several structs show alike."""
    return {f"{struct}.{name}": value for struct in structs for name, value in fields.items()}


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
    "HealthResponse.scopes": ["read", "ingest"],
    "Health.status": "ok",
    "Health.parts": {
        "database": {"status": "ok"},
        "schema": {"status": "ok"},
        "workers": {"status": "ok"},
        "redis": {"status": "ok"},
        "blobs": {"status": "ok"},
        "transcription": {"status": "ok"},
        "provider": {"status": "off"},
        "embeddings": {"status": "ok"},
    },
    "Health.queues": {"analysis": {"depth": 2, "running": 1, "oldestSeconds": 0.041, "failed": 0}},
    "sourceId": SOURCE,
    "objectTypeId": OBJECT_TYPE,
    "PaginationInfo.nextCursor": "k5MUzwAAAZmzBF1uf3CBgpOktcbX6MQA4Q8vXw",
    "PaginationInfo.hasMore": True,
    "RecordResponse.status": "created",
    "DeletedRecordResponse.deletedAt": "2026-03-18T12:00:00.503911Z",
    "CreateSourceRequest.name": "helpdesk",
    "CreateSourceRequest.displayName": "Helpdesk",
    "UpdateSourceRequest.displayName": "Helpdesk (Nordic)",
    "SourceResponse.id": SOURCE,
    "SourceResponse.name": "helpdesk",
    "SourceResponse.displayName": "Helpdesk",
    "SourceResponse.createdAt": "2026-03-12T10:00:00.220417Z",
    "SourceResponse.updatedAt": "2026-03-12T10:00:00.220417Z",
    "DeletedSourceResponse.id": SOURCE,
    "CreateObjectTypeRequest.name": "ticket",
    "CreateObjectTypeRequest.displayName": "Ticket",
    "CreateObjectTypeRequest.fieldDefinitions": [*_DEFINITIONS],
    "UpdateObjectTypeRequest.displayName": "Support ticket",
    "ObjectTypeResponse.id": OBJECT_TYPE,
    "ObjectTypeResponse.name": "ticket",
    "ObjectTypeResponse.displayName": "Ticket",
    "ObjectTypeResponse.fieldDefinitions": [
        {**each, "label": each.get("label"), "required": each.get("required", False)}
        for each in _DEFINITIONS
    ],
    "ObjectTypeResponse.createdAt": "2026-03-12T10:02:11.904526Z",
    "ObjectTypeResponse.updatedAt": "2026-03-12T10:02:11.904526Z",
    "DeletedObjectTypeResponse.id": OBJECT_TYPE,
    "RowRequest.id": "T-1042",
    "RowRequest.name": "T-1042",
    "RowRequest.displayName": "Monthly export fails halfway",
    "RowRequest.createdAt": "2026-03-13T07:41:00Z",
    "RowRequest.fields": _TICKET_FIELDS,
    "UpdateRowRequest.fields": {
        "priority": {"value": "urgent", "fieldType": "string"},
        "seats": None,
    },
    **_shown(_ROW, "RowListItem", "RowDetail"),
    "ConversationRequest.id": "call-77",
    "ConversationRequest.displayName": "Halden: rollout of Atlas",
    "ConversationRequest.createdAt": f"{_DAY}T13:25:40Z",
    "ConversationRequest.startedAt": f"{_DAY}T13:00:00Z",
    "ConversationRequest.endedAt": f"{_DAY}T13:25:00Z",
    "ConversationRequest.participants": [_ANA, _ROSA],
    "ConversationRequest.ownerEmails": [_ROSA["email"]],
    "ConversationRequest.transcript": [
        {"speakerName": speaker, "text": text, "timestamp": f"{_DAY}T13:00:{start:06.3f}Z"}
        for speaker, text, start in _SAID
    ],
    **_shown(_CALL_ITEM, "ConversationListItem", "ConversationDetail"),
    "ConversationDetail.category": "prospect_negotiation",
    "ConversationDetail.summary": {
        "Outcome": "Halden signs for 200 seats once exports are reliable.",
        "Pain Points": ["Monthly exports take twenty minutes and often fail."],
    },
    "ConversationDetail.transcript": [
        {"speaker": speaker, "text": text, "startTime": start, "endTime": end}
        for (speaker, text, start), end in zip(_SAID, _ENDS, strict=True)
    ],
    "ConversationDetail.recordings": {
        "videoUrl": f"{_LINK}/recordings/{CONVERSATION}?type=video%2Fmp4&name=call-77&{_SIGNED}",
        "audioUrl": None,
    },
    "MessageRequest.id": "mail-5517",
    "MessageRequest.displayName": "Exports before we sign",
    "MessageRequest.createdAt": f"{_DAY}T08:12:30Z",
    "MessageRequest.body": "Hi Rosa,\nthe export failed again this morning.\nPlease send the plan.",
    "MessageRequest.sender": _ANA,
    "MessageRequest.recipients": [_ROSA],
    "MessageRequest.attachments": [
        {
            "name": "error.png",
            "url": "https://mail.halden.example/files/error.png",
            "mimeType": "image/png",
            "sizeBytes": 48213,
        }
    ],
    "MessageRequest.threadId": "thread-880",
    **_shown(_MAIL, "MessageListItem", "MessageDetail"),
    "MessageDetail.body": "Hi Rosa,\nthe export failed again this morning.\nPlease send the plan.",
    "MessageDetail.attachments": [
        {
            "id": "0199c305-6e80-7192-83a4-b5c6d7e8f90a",
            "filename": "error.png",
            "contentType": "image/png",
            "size": 48213,
        }
    ],
    "DocumentRequest.id": "plan-31",
    "DocumentRequest.displayName": "Halden rollout plan",
    "DocumentRequest.createdAt": f"{_DAY}T15:00:00Z",
    "DocumentRequest.url": "https://files.acme.example/halden/rollout.pdf",
    "DocumentRequest.contentType": "application/pdf",
    "DocumentRequest.author": _ROSA,
    "UpdateDocumentRequest.updatedAt": "2026-03-17T09:30:00Z",
    "UpdateDocumentRequest.url": "https://files.acme.example/halden/rollout.pdf",
    **_shown(_FILE, "DocumentListItem", "DocumentDetail"),
    "DocumentDetail.normalizedUrl": f"{_LINK}/documents/{DOCUMENT}?type=text%2Fplain"
    f"&name=rollout.pdf.txt&{_SIGNED}",
    "DocumentDetail.normalizedContentType": "text/plain",
    **_shown(_DEAL, "DealListItem", "DealDetail"),
    "DealDetail.summary": {
        "Current Status": "The contract is out; Halden waits for reliable exports.",
        "Pain Points": ["Monthly exports take twenty minutes and often fail."],
    },
    "DealDetail.crmAutofill": {"Next Steps": "Send the rollout plan and the date of the fix."},
    "DealDetail.contacts": [_CONTACT],
    **_shown(_CUSTOMER, "AccountListItem", "AccountDetail"),
    "AccountDetail.contacts": [_CONTACT],
    "AccountDetail.syncedCrmFields": {"Industry": "Logistics", "Employees": 640},
}

_PUSHED: Final[Mapping[str, tuple[str, str]]] = {
    "Row": (ROW, "T-1042"),
    "Conversation": (CONVERSATION, "call-77"),
    "Message": (MESSAGE, "mail-5517"),
    "Document": (DOCUMENT, "plan-31"),
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
    "updateSource": [{"displayName": "Helpdesk (Nordic)", "updatedAt": f"{_DAY}T10:00:00Z"}],
    "updateObjectType": [{"displayName": "Support ticket", "updatedAt": f"{_DAY}T10:00:00Z"}],
    **{
        f"{verb}{noun}": [
            {
                "recordId": record,
                "id": remote,
                **({"status": "updated"} if verb == "update" else {}),
            }
        ]
        for noun, (record, remote) in _PUSHED.items()
        for verb in ("create", "update", "delete")
    },
}
