"""The contract of the revenue record, in the published document and in what the API answers."""

import re
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from domains.kernel.db.database import Database
from domains.kernel.tenancy.api_keys import RateLimitOverrides
from tests.conftest import MakeTenant
from tests.revenue.push_records import Source, create_source
from tests.stack import Tenant
from tests.surfaces.published import COUNTED, OF_REVENUE, Checker, Json, errors, operations

# Each of these refusals must be documented; a 503 may come on top.
KEYED = {401, 429, 500}
READ = KEYED | {400, 403, 404}
DELETED = READ | {409}
WRITTEN = DELETED | {411, 413}
REFUSALS = {"get": READ, "post": WRITTEN, "patch": WRITTEN, "delete": DELETED}
# Operation, method, path below /v1, body and answer. GET needs the scope `read`, what writes
# `ingest`, health any key; POST answers 201.
CONTRACT: list[tuple[str, str, str, str | None, str]] = [
    ("health", "get", "/health", None, "HealthResponse"),
    ("listConversations", "get", "/conversations", None, "ListConversationsResponse"),
    ("getConversation", "get", "/conversations/{conversationId}", None, "ConversationDetail"),
    ("createConversation", "post", "/conversations", "ConversationRequest", "RecordResponse"),
    ("deleteConversation", "delete", "/conversations", None, "DeletedRecordResponse"),
    ("listDeals", "get", "/deals", None, "ListDealsResponse"),
    ("getDeal", "get", "/deals/{dealId}", None, "DealDetail"),
    ("listAccounts", "get", "/accounts", None, "ListAccountsResponse"),
    ("getAccount", "get", "/accounts/{accountId}", None, "AccountDetail"),
    ("listMessages", "get", "/messages", None, "ListMessagesResponse"),
    ("getMessage", "get", "/messages/{messageId}", None, "MessageDetail"),
    ("createMessage", "post", "/messages", "MessageRequest", "RecordResponse"),
    ("deleteMessage", "delete", "/messages", None, "DeletedRecordResponse"),
    ("listRows", "get", "/rows", None, "ListRowsResponse"),
    ("getRow", "get", "/rows/{rowId}", None, "RowDetail"),
    ("createRow", "post", "/rows", "RowRequest", "RecordResponse"),
    ("updateRow", "patch", "/rows", "UpdateRowRequest", "RecordResponse"),
    ("deleteRow", "delete", "/rows", None, "DeletedRecordResponse"),
    ("listDocuments", "get", "/documents", None, "ListDocumentsResponse"),
    ("getDocument", "get", "/documents/{documentId}", None, "DocumentDetail"),
    ("createDocument", "post", "/documents", "DocumentRequest", "RecordResponse"),
    ("updateDocument", "patch", "/documents", "UpdateDocumentRequest", "RecordResponse"),
    ("deleteDocument", "delete", "/documents", None, "DeletedRecordResponse"),
    ("createSource", "post", "/sources", "CreateSourceRequest", "SourceResponse"),
    ("listSources", "get", "/sources", None, "ListSourcesResponse"),
    ("getSource", "get", "/sources/{sourceId}", None, "SourceResponse"),
    ("updateSource", "patch", "/sources/{sourceId}", "UpdateSourceRequest", "SourceResponse"),
    ("deleteSource", "delete", "/sources/{sourceId}", None, "DeletedSourceResponse"),
    ("createObjectType", "post", "/object-types", "CreateObjectTypeRequest", "ObjectTypeResponse"),
    ("listObjectTypes", "get", "/object-types", None, "ListObjectTypesResponse"),
    ("getObjectType", "get", "/object-types/{objectTypeId}", None, "ObjectTypeResponse"),
    (
        "updateObjectType",
        "patch",
        "/object-types/{objectTypeId}",
        "UpdateObjectTypeRequest",
        "ObjectTypeResponse",
    ),
    (
        "deleteObjectType",
        "delete",
        "/object-types/{objectTypeId}",
        None,
        "DeletedObjectTypeResponse",
    ),
]

# Models of the operations that are additions of ours.
ADDED = {"SummaryEvidence"}

TEXT: Json = {"type": "string"}
LABEL: Json = TEXT | {"minLength": 1, "maxLength": 255}
UUID: Json = {"type": "string", "format": "uuid"}
TIME: Json = {"type": "string", "format": "date-time"}
ANY_TIME: Json = {"anyOf": [TEXT, {"type": "integer"}, {"type": "number"}]}
FLAG: Json = {"type": "boolean"}
WHOLE: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}
OBJECT: Json = {"type": "object"}
VERSION: Json = {"type": "integer", "enum": [1], "default": 1}
FIELD_TYPE: Json = TEXT | {
    "enum": ["textarea", "string", "boolean", "int", "double", "datetime", "date", "list"]
}
MEETING_TYPE: Json = TEXT | {"enum": ["INTERNAL", "EXTERNAL"]}
CRM_TYPE: Json = TEXT | {
    "enum": ["contact", "account", "opportunity", "lead", "owner", "activity", "task"]
}
RECORD_STATUS: Json = TEXT | {"enum": ["created", "updated"]}
CATEGORY: Json = TEXT | {
    "enum": [
        *("prospect_discovery", "prospect_demo", "prospect_trial", "prospect_negotiation"),
        *("closed_lost", "closed_won"),
        *("customer_onboarding", "customer_support", "customer_checkin", "customer_commercials"),
        *("interview", "user_research", "vendor_call", "investor_call", "advisor_call"),
        *("one_on_one", "sales_team", "customer_team", "marketing_team", "product_team"),
        *("engineering_team", "hr_team", "operations_team", "finance_team", "investment_team"),
        *("company_wide", "other"),
    ]
}


def _of(model: str) -> Json:
    return {"$ref": f"#/components/schemas/{model}"}


def _list(items: Json, **limits: int) -> Json:
    return {"type": "array", "items": items, **limits}


# The fields of each model and what their schemas hold; `!` marks one that must be there, `?` one
# that may be null.
RECORD: dict[str, Json] = {
    "version": VERSION,
    "id!": TEXT,
    "sourceId!": UUID,
    "displayName": TEXT | {"default": ""},
    "updatedAt?": ANY_TIME,
    "public": FLAG | {"default": False},
    "ownerEmails": _list(TEXT),
}
REQUESTS: dict[str, dict[str, Json]] = {
    "Attachment": {
        "version": VERSION,
        "name!": TEXT,
        "url!": TEXT,
        "mimeType?": TEXT,
        "sizeBytes?": WHOLE,
    },
    "ConversationRequest": {
        **RECORD,
        "createdAt!": ANY_TIME,
        "transcript": _list(_of("TranscriptSentence"), maxItems=10000),
        "recordingUrl?": TEXT,
        "recordingMimeType?": TEXT,
        "startedAt!": ANY_TIME,
        "endedAt?": ANY_TIME,
        "participants!": _list(_of("Person"), minItems=1, maxItems=1000),
    },
    "CreateObjectTypeRequest": {
        "version": VERSION,
        "sourceId!": UUID,
        "name!": LABEL,
        "displayName!": LABEL,
        "fieldDefinitions!": _list(_of("FieldDefinitionRequest"), minItems=1, maxItems=50),
    },
    "CreateSourceRequest": {"version": VERSION, "name!": LABEL, "displayName!": LABEL},
    "DocumentRequest": {
        **RECORD,
        "createdAt?": ANY_TIME,
        "url?": TEXT,
        "content?": TEXT,
        "filename?": TEXT,
        "contentType": TEXT | {"default": "text/plain"},
        "author?": _of("Person"),
    },
    "FieldDefinitionRequest": {
        "version": VERSION,
        "name!": LABEL,
        "fieldType!": FIELD_TYPE,
        "label?": TEXT,
        "required": FLAG | {"default": False},
    },
    "MessageRequest": {
        **RECORD,
        "createdAt!": ANY_TIME,
        "body!": TEXT | {"maxLength": 100000},
        "sender!": _of("Person"),
        "recipients!": _list(_of("Person"), minItems=1, maxItems=1000),
        "attachments": _list(_of("Attachment")),
        "threadId?": TEXT,
    },
    "Person": {"version": VERSION, "id?": TEXT, "name?": TEXT, "email?": TEXT},
    "RowFieldValue": {"version": VERSION, "value!": {}, "fieldType!": FIELD_TYPE, "label?": TEXT},
    "RowRequest": {
        **RECORD,
        "createdAt?": ANY_TIME,
        "objectTypeId!": UUID,
        "name!": TEXT | {"minLength": 1, "maxLength": 1000},
        "fields!": {
            "type": "object",
            "additionalProperties": _of("RowFieldValue"),
            "minProperties": 1,
            "maxProperties": 50,
        },
    },
    "TranscriptSentence": {
        "version": VERSION,
        "speakerId?": TEXT,
        "speakerName?": TEXT,
        "text!": TEXT,
        "timestamp!": ANY_TIME,
    },
    "UpdateDocumentRequest": {
        "version": VERSION,
        "displayName?": TEXT,
        "public?": FLAG,
        "ownerEmails?": _list(TEXT),
        "updatedAt?": ANY_TIME,
        "url?": TEXT,
        "content?": TEXT,
        "filename?": TEXT,
        "contentType?": TEXT,
    },
    "UpdateObjectTypeRequest": {
        "version": VERSION,
        "displayName?": LABEL,
        "fieldDefinitions?": _list(_of("FieldDefinitionRequest"), minItems=1, maxItems=50),
    },
    "UpdateRowRequest": {
        "version": VERSION,
        "displayName?": TEXT,
        "name?": TEXT | {"minLength": 1, "maxLength": 1000},
        "public?": FLAG,
        "ownerEmails?": _list(TEXT),
        "updatedAt?": ANY_TIME,
        "fields?": {
            "type": "object",
            "additionalProperties": {"anyOf": [_of("RowFieldValue"), {"type": "null"}]},
        },
    },
    "UpdateSourceRequest": {"version": VERSION, "displayName!": LABEL},
}
ACCOUNT: dict[str, Json] = {
    "accountId!": TEXT,
    "name?": TEXT,
    "website?": TEXT,
    "owner?": _of("AccountOwner"),
    "createdDate?": TIME,
    "lastActivityDate?": TIME,
    "latestDeal?": _of("LatestDeal"),
}
CONVERSATION: dict[str, Json] = {
    "conversationId!": UUID,
    "sourceId?": TEXT,
    "title?": TEXT,
    "startTime!": TIME,
    "endTime!": TIME,
    "type!": MEETING_TYPE,
    "participants!": _list(_of("Participant")),
    "crm?": _of("CRMInfo"),
}
DEAL: dict[str, Json] = {
    "dealId!": TEXT,
    "name?": TEXT,
    "accountName?": TEXT,
    "stage?": TEXT,
    "pipeline?": TEXT,
    "amount?": NUMBER,
    "closeDate?": TIME,
    "closed?": FLAG,
    "createdDate?": TIME,
    "lastActivityDate?": TIME,
    "owner?": _of("DealOwner"),
}
DOCUMENT: dict[str, Json] = {
    "id!": TEXT,
    "displayName!": TEXT,
    "sourceId!": TEXT,
    "remoteId!": TEXT,
    "url!": TEXT,
    "contentType!": TEXT,
    "createdAt?": TEXT,
    "updatedAt?": TEXT,
}
MESSAGE: dict[str, Json] = {
    "messageId!": UUID,
    "sourceId!": TEXT,
    "remoteId!?": TEXT,
    "threadId!?": TEXT,
    "subject?": TEXT,
    "sender!?": _of("MessageParty"),
    "recipients!": _list(_of("MessageParty")),
    "bodyPreview!": TEXT,
    "createdAt!": TIME,
}
ROW: dict[str, Json] = {
    "rowId!": UUID,
    "sourceId!": TEXT,
    "objectTypeId!": UUID,
    "objectTypeName!": TEXT,
    "remoteId!": TEXT,
    "name!": TEXT,
    "displayName!": TEXT,
    "fields": {"type": "object", "additionalProperties": _of("FieldValueResponse")},
    "createdAt?": TIME,
    "updatedAt?": TIME,
}
# In answers every field is there, so that more of them are required than the contract says.
ANSWERS: dict[str, dict[str, Json]] = {
    "AccountContact": {"name?": TEXT, "email?": TEXT, "title?": TEXT, "phone?": TEXT},
    "AccountDetail": ACCOUNT
    | {"contacts": _list(_of("AccountContact")), "syncedCrmFields?": OBJECT},
    "AccountListItem": ACCOUNT,
    "AccountOwner": {"name?": TEXT, "email?": TEXT},
    "CRMInfo": {"id?": TEXT, "name?": TEXT, "type?": CRM_TYPE},
    "ConversationDetail": CONVERSATION
    | {
        "category?": CATEGORY,
        "summary?": OBJECT,
        "transcript?": _list(_of("TranscriptEntry")),
        "recordings?": _of("Recordings"),
    },
    "ConversationListItem": CONVERSATION,
    "DealContact": {"name?": TEXT, "email?": TEXT, "title?": TEXT, "phone?": TEXT},
    "DealDetail": DEAL
    | {"summary?": OBJECT, "crmAutofill?": OBJECT, "contacts": _list(_of("DealContact"))},
    "DealListItem": DEAL,
    "DealOwner": {"name?": TEXT, "email?": TEXT},
    "DeletedObjectTypeResponse": {"status!": TEXT, "id!": TEXT},
    "DeletedRecordResponse": {
        "status!": TEXT,
        "recordId!": TEXT,
        "id!": TEXT,
        "sourceId!": TEXT,
        "deletedAt!": TEXT,
    },
    "DeletedSourceResponse": {"status!": TEXT, "id!": TEXT},
    "DocumentDetail": DOCUMENT | {"normalizedUrl?": TEXT, "normalizedContentType?": TEXT},
    "DocumentListItem": DOCUMENT,
    "FieldDefinitionResponse": {
        "name!": TEXT,
        "fieldType!": TEXT,
        "label?": TEXT,
        "required!": FLAG,
    },
    "FieldValueResponse": {"value!": {}, "fieldType!": TEXT, "label?": TEXT},
    "LatestDeal": {
        "dealId!": TEXT,
        "name?": TEXT,
        "stage?": TEXT,
        "amount?": NUMBER,
        "closeDate?": TIME,
    },
    "ListAccountsResponse": {
        "accounts!": _list(_of("AccountListItem")),
        "pagination!": _of("PaginationInfo"),
    },
    "ListConversationsResponse": {
        "conversations!": _list(_of("ConversationListItem")),
        "pagination!": _of("PaginationInfo"),
    },
    "ListDealsResponse": {
        "deals!": _list(_of("DealListItem")),
        "pagination!": _of("PaginationInfo"),
    },
    "ListDocumentsResponse": {
        "documents!": _list(_of("DocumentListItem")),
        "pagination!": _of("PaginationInfo"),
    },
    "ListMessagesResponse": {
        "messages!": _list(_of("MessageListItem")),
        "pagination!": _of("PaginationInfo"),
    },
    "ListObjectTypesResponse": {"objectTypes!": _list(_of("ObjectTypeResponse"))},
    "ListRowsResponse": {"rows!": _list(_of("RowListItem")), "pagination!": _of("PaginationInfo")},
    "ListSourcesResponse": {"sources!": _list(_of("SourceResponse"))},
    "MessageAttachmentInfo": {"id!": UUID, "filename?": TEXT, "contentType?": TEXT, "size?": WHOLE},
    "MessageDetail": MESSAGE | {"body!": TEXT, "attachments": _list(_of("MessageAttachmentInfo"))},
    "MessageListItem": MESSAGE,
    "MessageParty": {"name?": TEXT, "email?": TEXT},
    "ObjectTypeResponse": {
        "id!": TEXT,
        "sourceId!": TEXT,
        "name!": TEXT,
        "displayName!": TEXT,
        "fieldDefinitions!": _list(_of("FieldDefinitionResponse")),
        "createdAt!": TEXT,
        "updatedAt!": TEXT,
    },
    "PaginationInfo": {"nextCursor?": TEXT, "hasMore": FLAG},
    "Participant": {"name?": TEXT, "email?": TEXT, "attended": FLAG},
    "RecordResponse": {"status!": RECORD_STATUS, "recordId!": TEXT, "id!": TEXT, "sourceId!": TEXT},
    "Recordings": {"videoUrl?": TEXT, "audioUrl?": TEXT},
    "RowDetail": ROW,
    "RowListItem": ROW,
    "SourceResponse": {
        "id!": TEXT,
        "name!": TEXT,
        "displayName!": TEXT,
        "createdAt!": TEXT,
        "updatedAt!": TEXT,
    },
    "TranscriptEntry": {"speaker!": TEXT, "text!": TEXT, "startTime!": NUMBER, "endTime!": NUMBER},
    "HealthResponse": {"status!": TEXT, "org_id!": UUID, "scopes!": _list(TEXT)},
    "ReadError": {"detail!": TEXT},
    "WriteFault": {"error!": TEXT, "message!": TEXT, "field!?": TEXT, "request_id!": TEXT},
    "WriteError": {"detail!": _of("WriteFault")},
}

# What our schemas of requests say beyond the contract, and why.
_ID: Json = {"minLength": 1, "maxLength": 512}
_ADDRESS: Json = {"maxLength": 8192}
_EMAILS: Json = {"items": TEXT | {"maxLength": 512}, "maxItems": 1000}
OURS: dict[str, Json] = {
    # Longer ones fit into no index.
    "ConversationRequest.id": _ID,
    "DocumentRequest.id": _ID,
    "MessageRequest.id": _ID,
    "RowRequest.id": _ID,
    "MessageRequest.threadId": {"maxLength": 512},
    "Person.email": {"maxLength": 512},
    # Indexed for searches of their parts.
    "ConversationRequest.displayName": {"maxLength": 10_000},
    "DocumentRequest.displayName": {"maxLength": 10_000},
    "MessageRequest.displayName": {"maxLength": 10_000},
    "RowRequest.displayName": {"maxLength": 10_000},
    "UpdateDocumentRequest.displayName": {"maxLength": 10_000},
    "UpdateRowRequest.displayName": {"maxLength": 10_000},
    "Person.name": {"maxLength": 1000},
    # In links to the bytes, and in the headers of what they lead to.
    "DocumentRequest.contentType": {"maxLength": 255},
    "DocumentRequest.filename": {"maxLength": 1000},
    "UpdateDocumentRequest.contentType": {"maxLength": 255},
    "UpdateDocumentRequest.filename": {"maxLength": 1000},
    # Fetched: servers take no longer addresses.
    "ConversationRequest.recordingUrl": _ADDRESS,
    "DocumentRequest.url": _ADDRESS,
    "UpdateDocumentRequest.url": _ADDRESS,
    # What 64 bits hold.
    "Attachment.sizeBytes": {"minimum": -(2**63), "maximum": 2**63 - 1},
    # What an absent list means, and that a list has an end: writing one takes its time.
    "ConversationRequest.ownerEmails": _EMAILS | {"default": []},
    "DocumentRequest.ownerEmails": _EMAILS | {"default": []},
    "MessageRequest.ownerEmails": _EMAILS | {"default": []},
    "RowRequest.ownerEmails": _EMAILS | {"default": []},
    "UpdateDocumentRequest.ownerEmails": _EMAILS,
    "UpdateRowRequest.ownerEmails": _EMAILS,
    "ConversationRequest.transcript": {"default": []},
    "MessageRequest.attachments": {"maxItems": 1000, "default": []},
}

# The parameters of each list besides `limit`, whose default stands first. A cursor of ours has 512
# characters at most.
CURSOR: Json = TEXT | {"maxLength": 512}
LISTS: dict[str, tuple[int, Json]] = {
    "/conversations": (
        20,
        {
            "startedAfter": TIME,
            "startedBefore": TIME,
            "type": MEETING_TYPE,
            "title": TEXT,
            "attendees": TEXT,
            # A phrase of many words is a long search.
            "crmName": TEXT | {"maxLength": 1000},
            "sourceId": TEXT,
            "cursor": CURSOR,
        },
    ),
    "/deals": (
        20,
        {
            "name": TEXT,
            "stage": TEXT,
            "closed": FLAG,
            "owner": TEXT,
            "closeDateAfter": TIME,
            "closeDateBefore": TIME,
            "amountMin": NUMBER,
            "amountMax": NUMBER,
            "lastActivityAfter": TIME,
            "lastActivityBefore": TIME,
            "cursor": CURSOR,
        },
    ),
    "/accounts": (
        20,
        {
            "name": TEXT,
            "website": TEXT,
            "owner": TEXT,
            "createdAfter": TIME,
            "createdBefore": TIME,
            "lastActivityAfter": TIME,
            "lastActivityBefore": TIME,
            "cursor": CURSOR,
        },
    ),
    "/messages": (
        50,
        {
            "sourceId": TEXT | {"maxLength": 255},
            "remoteId": TEXT | {"maxLength": 512},
            "threadId": TEXT | {"maxLength": 512},
            "participantEmail": TEXT | {"maxLength": 255},
            "createdAfter": TIME | {"maxLength": 64},
            "createdBefore": TIME | {"maxLength": 64},
            "cursor": CURSOR,
        },
    ),
    "/rows": (
        50,
        {
            "sourceId": UUID,
            "objectTypeId": UUID,
            "remoteId": TEXT,
            "name": TEXT | {"maxLength": 1000},
            "createdAfter": TIME,
            "createdBefore": TIME,
            "cursor": CURSOR,
        },
    ),
    "/documents": (
        50,
        {"sourceId": TEXT, "name": TEXT | {"maxLength": 255}, "cursor": CURSOR},
    ),
}
# Of the lists without pages.
FILTERS: dict[str, Json] = {
    "/sources": {"name": TEXT | {"maxLength": 255}},
    "/object-types": {"sourceId": UUID},
}
PUSHED = ("/conversations", "/messages", "/rows", "/documents")
# The query of a change or a deletion.
ADDRESS = {"remoteId": TEXT | _ID, "sourceId": UUID}

IDS_IN_PATHS = {
    "conversationId": ("The uuid of the conversation.", UUID),
    "messageId": ("The uuid of the message.", UUID),
    "rowId": ("The uuid of the row.", UUID),
    "documentId": ("The uuid of the document.", UUID),
    "sourceId": ("The uuid of the source.", UUID),
    "objectTypeId": ("The uuid of the object type.", UUID),
    "dealId": ("The id that the CRM gave to the deal.", TEXT | {"minLength": 1}),
    "accountId": ("The id that the CRM gave to the account.", TEXT | {"minLength": 1}),
}

_BY_ADDRESS = {"remoteId": "$response.body#/id", "sourceId": "$response.body#/sourceId"}
# What each creation leads to, and where the parameters come from.
LINKS: dict[str, dict[str, Json]] = {
    "createConversation": {
        "getConversation": {"conversationId": "$response.body#/recordId"},
        "listConversationEvidence": {"conversationId": "$response.body#/recordId"},
        "deleteConversation": _BY_ADDRESS,
    },
    "createMessage": {
        "getMessage": {"messageId": "$response.body#/recordId"},
        "deleteMessage": _BY_ADDRESS,
    },
    "createRow": {
        "getRow": {"rowId": "$response.body#/recordId"},
        "updateRow": _BY_ADDRESS,
        "deleteRow": _BY_ADDRESS,
    },
    "createDocument": {
        "getDocument": {"documentId": "$response.body#/recordId"},
        "updateDocument": _BY_ADDRESS,
        "deleteDocument": _BY_ADDRESS,
    },
    "createSource": {
        f"{verb}Source": {"sourceId": "$response.body#/id"} for verb in ("get", "update", "delete")
    },
    "createObjectType": {
        f"{verb}ObjectType": {"objectTypeId": "$response.body#/id"}
        for verb in ("get", "update", "delete")
    },
}


@pytest.fixture(scope="session")
def document(documents: dict[str, Json]) -> Json:
    return documents[OF_REVENUE]


# --- the document -----------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "method", "path", "body", "answer"), CONTRACT)
def test_the_contract_s_operations_are_documented(
    document: Json, name: str, method: str, path: str, body: str | None, answer: str
) -> None:
    described = document["paths"][f"/v1{path}"][method]
    assert described["operationId"] == name
    assert described["summary"]
    assert described["description"]
    assert "x-addition" not in described
    assert described["security"] == [{"apiKey": []}]
    scope = "read" if method == "get" else "ingest"
    assert described["x-required-scopes"] == ([] if name == "health" else [scope])
    assert described.get("requestBody", {}).get("required", False) == (body is not None)
    if body is not None:
        taken = described["requestBody"]["content"]["application/json"]["schema"]
        assert taken == _of(body)
    success = 201 if method == "post" else 200
    refusals = KEYED if name == "health" else REFUSALS[method]
    responses = {int(status): each for status, each in described["responses"].items()}
    assert refusals | {success} <= set(responses) <= refusals | {success, 503}
    for status, each in responses.items():
        error = "ReadError" if method == "get" else "WriteError"
        expected = _of(answer if status == success else error)
        assert each["content"]["application/json"]["schema"] == expected


def test_it_has_the_operations_of_the_contract_and_marked_additions(document: Json) -> None:
    found = {
        (described["operationId"], method, path.removeprefix("/v1"))
        for path, method, described in operations(document)
        if not described.get("x-addition")
    }
    assert len(CONTRACT) == 33
    assert found == {(name, method, path) for name, method, path, *_ in CONTRACT}


def test_each_resource_has_a_tag(document: Json) -> None:
    for path, _, described in operations(document):
        assert described["tags"] == [path.split("/")[2].replace("-", " ").capitalize()]
    assert [tag["name"] for tag in document["tags"]] == [
        *("Health", "Sources", "Object types", "Rows", "Conversations", "Messages", "Documents"),
        *("Deals", "Accounts"),
    ]


@pytest.mark.parametrize(("name", "method", "path"), [each[:3] for each in CONTRACT])
def test_parameters_are_as_documented(document: Json, name: str, method: str, path: str) -> None:
    found = {
        (each["in"], each["name"]): each
        for each in document["paths"][f"/v1{path}"][method]["parameters"]
    }
    expected: dict[tuple[str, str], tuple[bool, Json]] = {}
    for parameter in re.findall(r"\{(\w+)\}", path):
        text, schema = IDS_IN_PATHS[parameter]
        expected["path", parameter] = (True, schema)
        assert found["path", parameter]["description"] == text
    if name.startswith("list"):
        filters = FILTERS.get(path, {})
        if path in LISTS:
            default, filters = LISTS[path]
            limit = WHOLE | {"minimum": 1, "maximum": 50, "default": default}
            expected["query", "limit"] = (False, limit)
        expected |= {("query", each): (False, schema) for each, schema in filters.items()}
    elif method in ("patch", "delete") and path in PUSHED:
        expected |= {("query", each): (True, schema) for each, schema in ADDRESS.items()}
    assert all(each["description"] for each in found.values())
    key = found.pop(("header", "Idempotency-Key"), None)
    assert (key is not None) == (method == "post")
    assert {at: (each["required"], each["schema"]) for at, each in found.items()} == expected
    assert not any("x-addition" in each for each in found.values())


def _parts(described: Json) -> tuple[Json, bool]:
    """What a field's schema says besides its description, and whether null is allowed.

    Null as the default says no more than that the field may be left out.
    """
    facts = {name: value for name, value in described.items() if name != "description"}
    null = {"type": "null"} in facts.get("anyOf", ())
    if null:
        if facts.get("default", 0) is None:
            del facts["default"]
        kinds = [each for each in facts.pop("anyOf") if each != {"type": "null"}]
        facts |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return facts, null


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_have_the_documented_fields(document: Json, name: str) -> None:
    schema = document["components"]["schemas"][name]
    fields = {each.rstrip("!?"): (each, facts) for each, facts in REQUESTS[name].items()}
    assert set(schema["properties"]) == set(fields)
    assert set(schema.get("required", ())) == {
        field for field, (each, _) in fields.items() if "!" in each
    }
    for field, (each, facts) in fields.items():
        expected = (facts | OURS.get(f"{name}.{field}", {}), "?" in each)
        assert _parts(schema["properties"][field]) == expected, field


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_have_the_documented_fields(document: Json, name: str) -> None:
    schema = document["components"]["schemas"][name]
    fields = {each.rstrip("!?"): (each, facts) for each, facts in ANSWERS[name].items()}
    assert set(schema["properties"]) == set(fields)
    assert set(schema.get("required", ())) >= {
        field for field, (each, _) in fields.items() if "!" in each
    }
    for field, (each, facts) in fields.items():
        found, null = _parts(schema["properties"][field])
        assert (null, facts.items() <= found.items()) == ("?" in each, True), field


def test_every_model_is_in_the_contract(document: Json) -> None:
    assert set(document["components"]["schemas"]) == set(REQUESTS) | set(ANSWERS) | ADDED
    fields = {f"{model}.{field.rstrip('!?')}" for model, each in REQUESTS.items() for field in each}
    assert set(OURS) <= fields


def test_models_and_their_fields_are_described(document: Json) -> None:
    for schema in document["components"]["schemas"].values():
        assert schema["description"]
        assert "\n " not in schema["description"]
        for described in schema["properties"].values():
            assert described["description"]


def test_creates_link_to_what_can_be_done_with_the_record(document: Json) -> None:
    links = {
        described["operationId"]: {
            name: link["parameters"]
            for name, link in answer["links"].items()
            if name == link["operationId"]
        }
        for _, _, described in operations(document)
        for answer in described["responses"].values()
        if "links" in answer
    }
    assert links == LINKS


# --- its examples -----------------------------------------------------------------------------


def _examples(document: Json) -> dict[str, tuple[Json, Json]]:
    """The request and the answer of each operation."""
    found = {}
    for _, _, described in operations(document):
        body = described.get("requestBody", {}).get("content", {}).get("application/json", {})
        given: Json = next(iter(body.get("examples", {}).values()), {"value": {}})["value"]
        (answer,) = [each for status, each in described["responses"].items() if status < "300"]
        found[described["operationId"]] = (given, answer["content"]["application/json"]["example"])
    return found


def _agree(given: Any, shown: Any) -> bool:
    """Whether everything that a request says is in what is shown."""
    if isinstance(given, dict):
        return all(_agree(each, shown.get(name)) for name, each in given.items())
    if isinstance(given, list):
        return all(map(_agree, given, shown)) and len(given) == len(shown)
    return bool(given == shown)


def test_examples_tell_one_story(document: Json) -> None:
    shown = _examples(document)
    for kind, name in {
        "Source": "sources",
        "ObjectType": "objectTypes",
        "Row": "rows",
        "Conversation": "conversations",
        "Message": "messages",
        "Document": "documents",
        "Deal": "deals",
        "Account": "accounts",
    }.items():
        one = shown[f"get{kind}"][1]
        (listed,) = shown[f"list{kind}s"][1][name]
        assert listed == {field: one[field] for field in listed}
    source, object_type = shown["getSource"][1], shown["getObjectType"][1]
    assert _agree(shown["createSource"][0], source)
    assert _agree(shown["createObjectType"][0], object_type)
    for verb in ("update", "delete"):
        assert shown[f"{verb}Source"][1]["id"] == source["id"]
        assert shown[f"{verb}ObjectType"][1]["id"] == object_type["id"]
    assert object_type["sourceId"] == source["id"]
    assert shown["getRow"][1]["objectTypeId"] == object_type["id"]
    for kind, ours, fields in (
        ("Row", "rowId", {"name": "name", "displayName": "displayName", "fields": "fields"}),
        ("Conversation", "conversationId", {"displayName": "title", "startedAt": "startTime"}),
        ("Message", "messageId", {"displayName": "subject", "body": "body", "sender": "sender"}),
        ("Document", "id", {"displayName": "displayName", "url": "url"}),
    ):
        given, made = shown[f"create{kind}"]
        one = shown[f"get{kind}"][1]
        assert made == {
            "status": "created",
            "recordId": one[ours],
            "id": given["id"],
            "sourceId": source["id"],
        }
        assert one["sourceId"] == source["id"]
        assert one.get("remoteId", given["id"]) == given["id"]
        assert all(_agree(given[field], one[name]) for field, name in fields.items())
        gone = shown[f"delete{kind}"][1]
        assert gone == made | {"status": "deleted", "deletedAt": gone["deletedAt"]}
        if f"update{kind}" in shown:
            assert shown[f"update{kind}"][1] == made | {"status": "updated"}
    deal, account = shown["getDeal"][1], shown["getAccount"][1]
    assert shown["getConversation"][1]["crm"] == {
        "id": deal["dealId"],
        "name": deal["name"],
        "type": "opportunity",
    }
    assert _agree(account["latestDeal"], deal)
    assert account["name"] == deal["accountName"]


async def test_the_examples_of_requests_are_accepted(document: Json, acme: Tenant) -> None:
    shown = _examples(document)
    source = (await acme.http.post("/v1/sources", json=shown["createSource"][0])).json()["id"]
    body = shown["createObjectType"][0] | {"sourceId": source}
    object_type = (await acme.http.post("/v1/object-types", json=body)).json()["id"]
    paths = {"Row": "rows", "Conversation": "conversations", "Message": "messages"}
    for kind, path in (paths | {"Document": "documents"}).items():
        body = shown[f"create{kind}"][0] | {"sourceId": source}
        if kind == "Row":
            body["objectTypeId"] = object_type
        made = await acme.http.post(f"/v1/{path}", json=body)
        assert made.status_code == 201, made.text
        read = (await acme.http.get(f"/v1/{path}/{made.json()['recordId']}")).json()
        expected = shown[f"get{kind}"][1]
        # What was processed, what is ours and what a later change brought differ.
        same = set(expected) - {
            *("rowId", "conversationId", "messageId", "id", "sourceId", "objectTypeId"),
            *("crm", "category", "summary", "recordings", "attachments", "updatedAt"),
            *("normalizedUrl", "normalizedContentType"),
        }
        assert {name: read[name] for name in same} == {name: expected[name] for name in same}
        if f"update{kind}" in shown:
            params = {"remoteId": body["id"], "sourceId": source}
            url = f"/v1/{path}"
            changed = await acme.http.patch(url, params=params, json=shown[f"update{kind}"][0])
            assert changed.status_code == 200, changed.text
    urls = {"Source": f"sources/{source}", "ObjectType": f"object-types/{object_type}"}
    for kind, url in urls.items():
        changed = await acme.http.patch(f"/v1/{url}", json=shown[f"update{kind}"][0])
        assert changed.status_code == 200, changed.text


# --- what the API answers ---------------------------------------------------------------------

MOMENT = "2026-03-11T14:00:00Z"
ANA = {"email": "ana@halden.example", "name": "Ana Berg"}
WHOLE_RECORD: dict[str, Json] = {
    "conversations": {
        "displayName": "Rollout",
        "updatedAt": 1773237600,
        "public": True,
        "ownerEmails": ["rosa@acme.example"],
        "transcript": [
            {"speakerName": "Ana Berg", "text": "It fails.", "timestamp": "2026-03-11T14:00:05Z"},
            {"speakerId": "p-2", "text": "Since when?", "timestamp": 1773237610},
        ],
        "recordingMimeType": "video/mp4",
        "endedAt": "2026-03-11T14:10:00Z",
        "participants": [ANA, {"id": "p-2"}],
    },
    "messages": {
        "displayName": "Exports",
        "threadId": "t-1",
        "attachments": [
            {"name": "a.png", "url": "https://example.com/a.png", "sizeBytes": 12},
            {"name": "b", "url": "", "mimeType": None},
        ],
        "sender": ANA,
        "recipients": [{}],
    },
    "rows": {
        "createdAt": MOMENT,
        "fields": {
            "title": {"value": "x", "fieldType": "string", "label": "Title"},
            "score": {"value": 3, "fieldType": "int"},
            "tags": {"value": ["a", 1, True], "fieldType": "list"},
        },
    },
    "documents": {
        "url": None,
        "content": "QSBwbGFuLg==",
        "filename": "plan.txt",
        "author": ANA,
        "createdAt": MOMENT,
        "updatedAt": "1773237600000",
    },
}
CHANGES: dict[str, Json] = {
    "rows": {"displayName": "y", "fields": {"score": None}},
    "documents": {"displayName": "y", "url": "https://example.com/y.pdf"},
}


@pytest.fixture
async def counted(make_tenant: MakeTenant, database: Database) -> Tenant:
    """A workspace with a key that has limits, and with two deals and two accounts."""
    tenant = await make_tenant(limits=COUNTED)
    async with database.connection() as connection:
        await connection.execute(
            "insert into accounts (workspace_id, id, name, website, owner_name, owner_email,"
            " created_at, activity_given_at, contacts, synced_crm_fields) values"
            " ($1, 'a/1', 'Halden', 'https://halden.example', 'Rosa', 'rosa@acme.example',"
            ' now(), now(), \'[{"name": "Ana"}]\', \'{"Employees": 640}\'),'
            " ($1, 'bare', null, null, null, null, null, null, null, null)",
            tenant.workspace,
        )
        await connection.execute(
            "insert into deals (workspace_id, id, name, account_id, account_name, stage, pipeline,"
            " amount, close_date, closed, owner_name, created_at, summary, crm_autofill) values"
            " ($1, 'd/1', 'Atlas', 'a/1', 'Halden', 'Won', 'New', 48000, now(), true, 'Rosa',"
            ' now(), \'{"Pain Points": ["Exports"]}\', \'{"Next Steps": "Call"}\'),'
            " ($1, 'bare', null, null, null, null, null, null, null, null, null, null, null, null)",
            tenant.workspace,
        )
    return tenant


async def test_answers_match_their_schemas(document: Json, counted: Tenant) -> None:
    check = Checker(document)
    http = counted.http
    check("/v1/health", await http.get("/v1/health"))
    source = await create_source(counted)
    await _walk_sources(source, check)
    for kind in WHOLE_RECORD:
        await _walk_records(source, kind, check)
    for kind, name, one in (("deals", "dealId", "d/1"), ("accounts", "accountId", "a/1")):
        page = check(f"/v1/{kind}", await http.get(f"/v1/{kind}", params={"limit": 1}))
        assert page["pagination"]["hasMore"]
        params = {"cursor": page["pagination"]["nextCursor"]}
        rest = check(f"/v1/{kind}", await http.get(f"/v1/{kind}", params=params))
        assert rest["pagination"] == {"nextCursor": None, "hasMore": False}
        ids = {each[name] for each in page[kind] + rest[kind]}
        assert ids == {one, "bare"}
        for each in ids:
            quoted = each.replace("/", "%2F")
            check(f"/v1/{kind}/{{{name}}}", await http.get(f"/v1/{kind}/{quoted}"))
    assert check.seen == {
        (path, method)
        for path, method, described in operations(document)
        if not described.get("x-addition")
    }


async def _walk_sources(source: Source, check: Checker) -> None:
    http = source.http
    body: Json = {"name": "b", "displayName": "B"}
    made = check("/v1/sources", await http.post("/v1/sources", json=body))
    url, template = f"/v1/sources/{made['id']}", "/v1/sources/{sourceId}"
    assert check(template, await http.get(url)) == made
    changed = check(template, await http.patch(url, json={"displayName": "C"}))
    assert changed == made | {"displayName": "C", "updatedAt": changed["updatedAt"]}
    listed = check("/v1/sources", await http.get("/v1/sources", params={"name": "B"}))
    assert listed == {"sources": [changed]}
    every = "/v1/object-types"
    body |= {"sourceId": made["id"], "fieldDefinitions": [{"name": "f", "fieldType": "list"}]}
    object_type = check(every, await http.post(every, json=body))
    assert check(every, await http.get(every))["objectTypes"][0] == object_type
    one, template_of_one = f"{every}/{object_type['id']}", f"{every}/{{objectTypeId}}"
    assert check(template_of_one, await http.get(one)) == object_type
    check(template_of_one, await http.patch(one, json={"displayName": "U"}))
    check(template_of_one, await http.delete(one))
    check(template, await http.delete(url))


async def _walk_records(source: Source, kind: str, check: Checker) -> None:
    http, path = source.http, f"/v1/{kind}"
    name = next(each for each in IDS_IN_PATHS if each == f"{kind[:-1]}Id")
    headers = {"Idempotency-Key": f"the first of {kind}"}
    body = source.body(kind, "least")
    least = check(path, await http.post(path, json=body, headers=headers))
    again = await http.post(path, json=body, headers=headers)
    assert check(path, again) == least
    assert again.headers["Idempotent-Replayed"] == "true"
    whole = check(path, await source.post(kind, "whole", **WHOLE_RECORD[kind]))
    assert check(path, await source.post(kind, "whole", **WHOLE_RECORD[kind])) == whole | {
        "status": "updated"
    }
    for each in (least, whole):
        shown = await http.get(f"{path}/{each['recordId']}")
        check(f"{path}/{{{name}}}", shown)
    page = check(path, await http.get(path, params={"limit": 1, "sourceId": source.id}))
    assert page["pagination"]["hasMore"]
    check(path, await http.get(path, params={"cursor": page["pagination"]["nextCursor"]}))
    if kind in CHANGES:
        changed = check(path, await source.patch(kind, "whole", **CHANGES[kind]))
        assert changed == whole | {"status": "updated"}
        check(f"{path}/{{{name}}}", await http.get(f"{path}/{whole['recordId']}"))
    check(path, await source.delete(kind, "whole"))


async def test_refusals_match_their_schemas(document: Json, make_tenant: MakeTenant) -> None:
    """Of every operation, each refusal that a request alone can bring about."""
    tenant = await make_tenant(limits=COUNTED)
    outsider = await make_tenant(scopes=["products:read"], limits=COUNTED)
    source = await create_source(tenant)
    check = Checker(document)
    for path, method, described in operations(document):
        nobody = {"Authorization": "Bearer sk_live_nobody"}
        cases: list[tuple[int, str, Tenant, Json]] = [(401, path, tenant, {"headers": nobody})]
        if described["operationId"] != "health":
            cases += [(403, path, outsider, {})]
            cases += [
                (status, at, tenant, request)
                for status, at, request in _refused(path, method, described, source.id)
            ]
        for status, at, who, request in cases:
            answer = await who.http.request(method.upper(), at, **request)
            assert answer.status_code == status, (path, method, answer.text)
            body = check(path, answer)
            if method != "get":
                assert body["detail"]["request_id"] == answer.headers["x-request-id"]
    assert check.seen == {(path, method) for path, method, _ in operations(document)}
    huge = b" " * (10 * 1024 * 1024 + 1)
    for answer in (
        await tenant.http.post("/v1/rows", content=huge),
        await tenant.http.patch("/v1/rows", content=huge),
    ):
        assert answer.status_code == 413
        check("/v1/rows", answer)


def _refused(
    path: str, method: str, described: Json, source: str
) -> Iterator[tuple[int, str, Json]]:
    """Status, path and request of what is wrong in itself."""
    unknown = str(uuid.UUID(int=7))
    at = re.sub(r"\{\w+\}", unknown, path)
    parameters = {each["name"]: each for each in described["parameters"]}
    if method in ("post", "patch"):
        yield 400, at, {"content": b"{"}
        yield 411, at, {"content": _in_pieces()}
    if method == "post":
        yield 400, at, {"headers": {"Idempotency-Key": "k" * 256}}
    if "limit" in parameters:
        for limit in ("0", "51", "x"):
            yield 400, at, {"params": {"limit": limit}}
    for name, each in parameters.items():
        # Empty is no time and no id.
        if each["in"] == "query" and each["schema"].get("format") and not each["required"]:
            yield 400, at, {"params": {name: ""}}
            yield 400, at, {"params": {name: "yesterday"}}
    body: Json = {"json": {"displayName": "x"}} if method == "patch" else {}
    if method != "get" and "remoteId" in parameters:
        for status, given in ((404, source), (403, unknown), (400, "no-uuid")):
            yield status, at, {"params": {"remoteId": "nothing", "sourceId": given}, **body}
    if "{" in path:
        yield 404, at, body
    if re.search(r"\{(?!deal|account)", path):
        yield 400, re.sub(r"\{\w+\}", "no-uuid", path), body


async def _in_pieces() -> AsyncIterator[bytes]:
    yield b"{}"


async def test_conflicts_and_reached_limits_match_their_schemas(
    document: Json, make_tenant: MakeTenant
) -> None:
    tenant = await make_tenant(limits=COUNTED)
    hurried = await make_tenant(limits=RateLimitOverrides(minute=1))
    check = Checker(document)
    source = {"name": "crm", "displayName": "CRM"}
    check("/v1/sources", await tenant.http.post("/v1/sources", json=source))
    again = await tenant.http.post("/v1/sources", json=source)
    await hurried.http.get("/v1/sources")
    late = [await hurried.http.get("/v1/sources"), await hurried.http.post("/v1/sources")]
    assert [each.status_code for each in (again, *late)] == [409, 429, 429]
    for each in (again, *late):
        check("/v1/sources", each)


def test_both_error_bodies_are_described(document: Json) -> None:
    schemas = document["components"]["schemas"]
    assert errors(document, schemas["ReadError"], {"detail": "No."}) == []
    fault = {"error": "conflict", "message": "No.", "field": None, "request_id": "r"}
    assert errors(document, schemas["WriteError"], {"detail": fault}) == []
    for wrong in ({"detail": [fault]}, {"detail": fault | {"more": 1}}, {"detail": {"error": "x"}}):
        assert errors(document, schemas["WriteError"], wrong)
