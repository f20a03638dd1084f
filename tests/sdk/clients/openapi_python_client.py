"""The scenario with openapi-python-client."""

import os
from uuid import UUID

from generated import models
from generated.api.conversations import (
    create_conversation,
    get_conversation,
    list_conversation_evidence,
)
from generated.api.documents import create_document, get_document
from generated.api.insights import list_insight_evidence, list_insights
from generated.api.messages import create_message, list_messages
from generated.api.object_types import create_object_type
from generated.api.opportunities import create_opportunity, update_opportunity
from generated.api.rows import create_row, get_row, update_row
from generated.api.signals import create_signal, get_signal, list_signals, process_signal
from generated.api.sources import create_source
from generated.client import AuthenticatedClient
from generated.types import UNSET, Unset
from scenario import CONTENT, MESSAGE_TIMES, OLD_TEXT, PROMISE, TEXT, UNKNOWN_ID, at, eventually

client = AuthenticatedClient(os.environ["API_URL"], os.environ["API_KEY"])


def discovery() -> None:
    """Signals, insights with evidence, and opportunities."""

    def push(external_id: str, text: str, status: int) -> models.Signal:
        body = models.SignalTextCreate(
            text, models.SignalType.REVIEW, source_key="app", external_id=external_id
        )
        response = create_signal.sync_detailed(client=client, body=body)
        assert response.status_code == status
        assert isinstance(response.parsed, models.Signal)
        return response.parsed

    old = push("1", OLD_TEXT, 201)
    signal = push("1", TEXT, 200)
    assert signal.public_id == old.public_id
    created = [signal.id, push("2", TEXT, 201).id, push("3", TEXT, 201).id]

    listed: list[UUID] = []
    for offset in (0, 2):
        page = list_signals.sync(client=client, limit=2, offset=offset, order=models.Order.ASC)
        assert isinstance(page, list)
        listed += [each.id for each in page]
    assert listed == created

    job = process_signal.sync(signal.public_id, client=client)
    assert isinstance(job, models.JobRef)

    def processed() -> bool:
        found = get_signal.sync(str(signal.id), client=client)
        assert isinstance(found, models.Signal)
        return found.status == models.SignalStatus.PROCESSED

    eventually(processed)
    insights = list_insights.sync(client=client, signal_id=str(signal.id))
    assert isinstance(insights, list)
    assert insights
    for insight in insights:
        evidence = list_insight_evidence.sync(str(insight.id), client=client)
        assert isinstance(evidence, list)
        assert evidence
        assert all(each.quote == TEXT[each.start : each.end] for each in evidence)

    opportunity = create_opportunity.sync(
        client=client,
        body=models.OpportunityCreate("Faster exports", "Exports take minutes.", score=50),
    )
    assert isinstance(opportunity, models.Opportunity)
    assert opportunity.score == 50
    patched = update_opportunity.sync(
        str(opportunity.id), client=client, body=models.OpportunityUpdate(score=None)
    )
    assert isinstance(patched, models.Opportunity)
    assert (patched.score, patched.name) == (None, "Faster exports")

    missing = get_signal.sync_detailed(UNKNOWN_ID, client=client)
    assert missing.status_code == 404
    assert isinstance(missing.parsed, models.ProblemDetails)
    assert missing.parsed.type_ == "urn:gateway:problem:not-found"
    refused = create_signal.sync(
        client=client,
        body=models.SignalTextCreate(text="", signal_type=models.SignalType.REVIEW),
    )
    assert isinstance(refused, models.ProblemDetails)
    assert refused.errors
    assert refused.errors[0].field == "text"


def revenue() -> None:
    """A source with rows, messages, a conversation and a document."""
    billing = models.CreateSourceRequest("billing", display_name="Billing")
    source = create_source.sync(client=client, body=billing)
    assert isinstance(source, models.SourceResponse)
    rows_of(source)
    messages_of(source)
    conversation_of(source)
    document_of(source)

    missing = get_document.sync(UUID(UNKNOWN_ID), client=client)
    assert isinstance(missing, models.ReadError)
    assert "document" in missing.detail
    conflict = create_source.sync(client=client, body=billing)
    assert isinstance(conflict, models.WriteError)
    assert conflict.detail.error == "conflict"


def rows_of(source: models.SourceResponse) -> None:
    kinds = models.FieldTypes
    object_type = create_object_type.sync(
        client=client,
        body=models.CreateObjectTypeRequest(
            source_id=source.id,
            name="subscription",
            display_name="Subscription",
            field_definitions=[
                models.FieldDefinitionRequest("plan", kinds.STRING),
                models.FieldDefinitionRequest("seats", kinds.INT, required=True),
            ],
        ),
    )
    assert isinstance(object_type, models.ObjectTypeResponse)

    fields = models.RowRequestFields()
    fields["plan"] = models.RowFieldValue("team", models.FieldTypes.STRING)
    fields["seats"] = models.RowFieldValue(12, models.FieldTypes.INT)
    body = models.RowRequest(
        id="row-1", source_id=source.id, object_type_id=object_type.id, name="ACME", fields=fields
    )
    row = create_row.sync(client=client, body=body)
    assert isinstance(row, models.RecordResponse)
    assert row.status == models.RecordStatus.CREATED
    again = create_row.sync(client=client, body=body)
    assert isinstance(again, models.RecordResponse)
    assert again.status == models.RecordStatus.UPDATED
    assert again.record_id == row.record_id

    changes = models.UpdateRowRequestFieldsType0()
    changes["plan"] = None
    patched = update_row.sync(
        client=client,
        source_id=source.id,
        remote_id="row-1",
        body=models.UpdateRowRequest(fields=changes),
    )
    assert isinstance(patched, models.RecordResponse)
    read = get_row.sync(row.record_id, client=client)
    assert isinstance(read, models.RowDetail)
    assert read.fields.additional_keys == ["seats"]
    assert read.fields["seats"].value == 12


def messages_of(source: models.SourceResponse) -> None:
    for number, created_at in enumerate(MESSAGE_TIMES):
        created = create_message.sync(
            client=client,
            body=models.MessageRequest(
                id=f"message-{number}",
                source_id=source.id,
                created_at=created_at,
                body="Hello",
                sender=models.Person(email="ana@acme.com"),
                recipients=[models.Person(email="rick@example.com")],
            ),
        )
        assert isinstance(created, models.RecordResponse)
    listed: list[str | None] = []
    cursor: str | Unset | None = UNSET
    while cursor is not None:
        page = list_messages.sync(client=client, limit=2, cursor=cursor)
        assert isinstance(page, models.ListMessagesResponse)
        listed += [each.remote_id for each in page.messages]
        cursor = page.pagination.next_cursor
    assert listed == ["message-2", "message-1", "message-0"]


def conversation_of(source: models.SourceResponse) -> None:
    created = create_conversation.sync(
        client=client,
        body=models.ConversationRequest(
            id="call-1",
            source_id=source.id,
            created_at=at(0),
            started_at=at(0),
            ended_at=at(30),
            participants=[
                models.Person(id="ana", name="Ana", email="ana@acme.com"),
                models.Person(id="rick", name="Rick", email="rick@example.com"),
            ],
            transcript=[
                models.TranscriptSentence(TEXT, at(1), speaker_id="ana"),
                models.TranscriptSentence(PROMISE, at(2), speaker_id="rick"),
            ],
        ),
    )
    assert isinstance(created, models.RecordResponse)

    def summarised() -> bool:
        found = get_conversation.sync(created.record_id, client=client)
        assert isinstance(found, models.ConversationDetail)
        return found.processing.status == "processed" and found.summary is not None

    eventually(summarised)
    evidence = list_conversation_evidence.sync(created.record_id, client=client)
    assert isinstance(evidence, models.ListConversationEvidenceResponse200)
    quotes = [each.quote for section in evidence.additional_properties.values() for each in section]
    assert quotes
    assert all(quotes)


def document_of(source: models.SourceResponse) -> None:
    created = create_document.sync(
        client=client,
        body=models.DocumentRequest("doc-1", source.id, filename="note.txt", content=CONTENT),
    )
    assert isinstance(created, models.RecordResponse)

    def processed() -> models.DocumentDetail | None:
        found = get_document.sync(created.record_id, client=client)
        assert isinstance(found, models.DocumentDetail)
        return found if found.processing.status == "processed" else None

    document = eventually(processed)
    assert document.normalized_url
    assert document.display_name == "note.txt"


discovery()
revenue()
