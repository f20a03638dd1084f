"""The scenario with openapi-generator's python."""

import os
from typing import Any
from uuid import UUID

import openapi_client as api
from openapi_client.exceptions import ApiException
from scenario import CONTENT, MESSAGE_TIMES, OLD_TEXT, PROMISE, TEXT, UNKNOWN_ID, at, eventually

client = api.ApiClient(
    api.Configuration(host=os.environ["API_URL"], access_token=os.environ["API_KEY"])
)


def refusal(call: Any, *arguments: Any, **named: Any) -> tuple[int, Any]:
    """The status and the decoded body of an error response."""
    try:
        call(*arguments, **named)
    except ApiException as error:
        return error.status, error.data
    raise AssertionError("the request was accepted")


def discovery() -> None:
    """Signals, insights with evidence, and opportunities."""
    signals = api.SignalsApi(client)
    insights = api.InsightsApi(client)
    opportunities = api.OpportunitiesApi(client)

    def push(external_id: str, text: str, status: int) -> Any:
        body = api.SignalTextCreate(
            text=text, signal_type="review", source_key="app", external_id=external_id
        )
        response = signals.create_signal_with_http_info(api.CreateSignalRequest(body))
        assert response.status_code == status
        return response.data

    old = push("1", OLD_TEXT, 201)
    signal = push("1", TEXT, 200)
    assert signal.public_id == old.public_id
    created = [signal.id, push("2", TEXT, 201).id, push("3", TEXT, 201).id]
    listed = [
        each.id
        for offset in (0, 2)
        for each in signals.list_signals(limit=2, offset=offset, order=api.Order.ASC)
    ]
    assert listed == created

    assert signals.process_signal(signal.public_id).job_id
    eventually(lambda: signals.get_signal(str(signal.id)).status == "processed")
    found = insights.list_insights(signal_id=str(signal.id))
    assert found
    for insight in found:
        evidence = insights.list_insight_evidence(str(insight.id))
        assert evidence
        assert all(each.quote == TEXT[each.start : each.end] for each in evidence)

    opportunity = opportunities.create_opportunity(
        api.OpportunityCreate(name="Faster exports", description="Exports take minutes.", score=50)
    )
    assert opportunity.score == 50
    patched = opportunities.update_opportunity(
        str(opportunity.id), api.OpportunityUpdate(score=None)
    )
    assert (patched.score, patched.name) == (None, "Faster exports")

    status, problem = refusal(signals.get_signal, UNKNOWN_ID)
    assert status == 404
    assert isinstance(problem, api.ProblemDetails)
    assert problem.type == "urn:gateway:problem:not-found"
    # The client refuses an empty text itself, so another wrong request is sent.
    status, problem = refusal(
        signals.update_signal, str(signal.id), api.SignalUpdate(insight_ids=[UNKNOWN_ID])
    )
    assert status == 400
    assert problem.errors[0].var_field == "insightIds"


def revenue() -> None:
    """A source with rows, messages, a conversation and a document."""
    sources = api.SourcesApi(client)
    documents = api.DocumentsApi(client)
    billing = api.CreateSourceRequest(name="billing", display_name="Billing")
    source = sources.create_source(billing).id
    rows_of(source)
    messages_of(source)
    conversation_of(source)

    created = documents.create_document(
        api.DocumentRequest(id="doc-1", source_id=source, filename="note.txt", content=CONTENT)
    )

    def processed() -> Any:
        found = documents.get_document(created.record_id)
        return found if found.processing.status == "processed" else None

    document = eventually(processed)
    assert document.normalized_url
    assert document.display_name == "note.txt"

    status, error = refusal(documents.get_document, UUID(UNKNOWN_ID))
    assert status == 404
    assert isinstance(error, api.ReadError)
    assert "document" in error.detail
    status, conflict = refusal(sources.create_source, billing)
    assert status == 409
    assert isinstance(conflict, api.WriteError)
    assert conflict.detail.error == "conflict"


def rows_of(source: UUID) -> None:
    rows = api.RowsApi(client)
    object_type = api.ObjectTypesApi(client).create_object_type(
        api.CreateObjectTypeRequest(
            source_id=source,
            name="subscription",
            display_name="Subscription",
            field_definitions=[
                api.FieldDefinitionRequest(name="plan", field_type="string"),
                api.FieldDefinitionRequest(name="seats", field_type="int", required=True),
            ],
        )
    )
    body = api.RowRequest(
        id="row-1",
        source_id=source,
        object_type_id=object_type.id,
        name="ACME",
        fields={
            "plan": api.RowFieldValue(value="team", field_type="string"),
            "seats": api.RowFieldValue(value=12, field_type="int"),
        },
    )
    row = rows.create_row(body)
    assert row.status == "created"
    again = rows.create_row(body)
    assert (again.status, again.record_id) == ("updated", row.record_id)
    rows.update_row(
        source_id=source,
        remote_id="row-1",
        update_row_request=api.UpdateRowRequest(fields={"plan": None}),
    )
    read = rows.get_row(row.record_id)
    assert list(read.fields) == ["seats"]
    assert read.fields["seats"].value == 12


def messages_of(source: UUID) -> None:
    messages = api.MessagesApi(client)
    for number, created_at in enumerate(MESSAGE_TIMES):
        messages.create_message(
            api.MessageRequest(
                id=f"message-{number}",
                source_id=source,
                created_at=api.Timestamp(created_at),
                body="Hello",
                sender=api.Person(email="ana@acme.com"),
                recipients=[api.Person(email="rick@example.com")],
            )
        )
    page = messages.list_messages(limit=2)
    listed = page.messages
    while page.pagination.next_cursor:
        page = messages.list_messages(limit=2, cursor=page.pagination.next_cursor)
        listed = listed + page.messages
    assert [each.remote_id for each in listed] == ["message-2", "message-1", "message-0"]


def conversation_of(source: UUID) -> None:
    conversations = api.ConversationsApi(client)
    created = conversations.create_conversation(
        api.ConversationRequest(
            id="call-1",
            source_id=source,
            created_at=api.Timestamp(at(0)),
            started_at=api.Timestamp(at(0)),
            ended_at=api.Timestamp(at(30)),
            participants=[
                api.Person(id="ana", name="Ana", email="ana@acme.com"),
                api.Person(id="rick", name="Rick", email="rick@example.com"),
            ],
            transcript=[
                api.TranscriptSentence(
                    text=text, speaker_id=speaker, timestamp=api.Timestamp(at(minute))
                )
                for minute, speaker, text in ((1, "ana", TEXT), (2, "rick", PROMISE))
            ],
        )
    )

    def summarised() -> bool:
        found = conversations.get_conversation(created.record_id)
        return found.processing.status == "processed" and found.summary is not None

    eventually(summarised)
    evidence = conversations.list_conversation_evidence(created.record_id)
    quotes = [each.quote for section in evidence.values() for each in section]
    assert quotes
    assert all(quotes)


discovery()
revenue()
