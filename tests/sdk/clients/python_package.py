"""The scenario with the Python package, installed from its wheel."""

import asyncio
import os

from evidence_gateway_client import (
    BadRequest,
    Conflict,
    NotFound,
    connect,
    models,
    ok,
    pages,
    records,
    wait_until_processed,
)
from evidence_gateway_client.api.conversations import create_conversation, get_conversation
from evidence_gateway_client.api.documents import create_document, get_document
from evidence_gateway_client.api.insights import list_insight_evidence, list_insights
from evidence_gateway_client.api.messages import create_message, list_messages
from evidence_gateway_client.api.opportunities import (
    create_opportunity,
    get_opportunity,
    update_opportunity,
)
from evidence_gateway_client.api.signals import create_signal, get_signal, list_signals
from evidence_gateway_client.api.sources import create_source
from scenario import CONTENT, MESSAGE_TIMES, OLD_TEXT, PROMISE, TEXT, UNKNOWN_ID, at, eventually

client = connect(os.environ["API_URL"], os.environ["API_KEY"])


def discovery() -> None:
    """Signals, insights with evidence, and opportunities."""

    def push(external_id: str, text: str, status: int) -> str:
        body = models.SignalTextCreate(
            text, models.SignalType.REVIEW, source_key="app", external_id=external_id
        )
        response = create_signal.sync_detailed(client=client, body=body)
        assert response.status_code == status
        return ok(response.parsed).public_id

    created = [push(number, OLD_TEXT, 201) for number in ("1", "2", "3", "4")]
    assert push("1", TEXT, 200) == created[0]
    listed = records(list_signals.sync, client=client, limit=3, order=models.Order.ASC)
    assert [each.public_id for each in listed] == created

    signal = wait_until_processed(client, created[0])
    insights = list(records(list_insights.sync, client=client, signal_id=str(signal.id)))
    assert insights
    for insight in insights:
        evidence = ok(list_insight_evidence.sync(str(insight.id), client=client))
        assert evidence
        assert all(each.quote == TEXT[each.start : each.end] for each in evidence)

    opportunity = ok(
        create_opportunity.sync(
            client=client,
            body=models.OpportunityCreate("Faster exports", "Exports take minutes.", score=50),
        )
    )
    patched = ok(
        update_opportunity.sync(
            opportunity.public_id, client=client, body=models.OpportunityUpdate(score=None)
        )
    )
    assert (opportunity.score, patched.score) == (50, None)

    read = get_opportunity.sync_detailed(opportunity.public_id, client=client)
    assert ok(read.parsed) == patched
    unchanged = get_opportunity.sync_detailed(
        opportunity.public_id, client=client, if_none_match=read.headers["ETag"]
    )
    assert unchanged.status_code == 304

    try:
        create_signal.sync(
            client=client,
            body=models.SignalTextCreate(text="", signal_type=models.SignalType.REVIEW),
        )
        raise AssertionError("the request was accepted")
    except BadRequest as error:
        assert isinstance(error.body, models.ProblemDetails)
        assert list(error.fields) == ["text"]
        assert error.request_id == error.body.request_id


def revenue() -> None:
    """A source with messages, a conversation and a document."""
    billing = models.CreateSourceRequest("billing", display_name="Billing")
    source = ok(create_source.sync(client=client, body=billing))
    ana, rick = models.Person(email="ana@acme.com"), models.Person(email="rick@example.com")
    for number, created_at in enumerate(MESSAGE_TIMES):
        message = models.MessageRequest(
            f"message-{number}", source.id, created_at, "Hello", sender=ana, recipients=[rick]
        )
        status = ok(create_message.sync(client=client, body=message)).status
        assert status == models.RecordStatus.CREATED
        status = ok(create_message.sync(client=client, body=message)).status
        assert status == models.RecordStatus.UPDATED
    listed = [
        each.remote_id
        for page in pages(list_messages.sync, client=client, limit=2)
        for each in page.messages
    ]
    assert listed == ["message-2", "message-1", "message-0"]

    call = models.ConversationRequest(
        id="call-1",
        source_id=source.id,
        created_at=at(0),
        started_at=at(0),
        ended_at=at(30),
        participants=[ana, rick],
        transcript=[
            models.TranscriptSentence(TEXT, at(1), speaker_name="Ana"),
            models.TranscriptSentence(PROMISE, at(2), speaker_name="Rick"),
        ],
    )
    conversation = ok(create_conversation.sync(client=client, body=call)).record_id
    note = models.DocumentRequest("doc-1", source.id, filename="note.txt", content=CONTENT)
    document = ok(create_document.sync(client=client, body=note)).record_id
    processed = models.ProcessingStatus.PROCESSED
    eventually(
        lambda: ok(get_document.sync(document, client=client)).processing.status == processed
    )
    eventually(
        lambda: (
            ok(get_conversation.sync(conversation, client=client)).processing.status == processed
        )
    )

    try:
        create_source.sync(client=client, body=billing)
        raise AssertionError("the request was accepted")
    except Conflict as error:
        assert isinstance(error.body, models.WriteError)


async def missing() -> None:
    """Errors of asynchronous calls."""
    try:
        await get_signal.asyncio(UNKNOWN_ID, client=client)
        raise AssertionError("the request was accepted")
    except NotFound as error:
        assert error.status == 404


discovery()
revenue()
asyncio.run(missing())
