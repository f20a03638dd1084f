"""Conversations: calls and meetings with a transcript, a recording or both."""

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import (
    ARRAY,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
)

from domains.intelligence.language import unsupported_note
from domains.kernel.core.field_docs import ValueMap, doc, named
from domains.kernel.core.ids import WorkspaceId, new_id
from domains.kernel.core.network import FetchAllowlist
from domains.kernel.core.normal_form import nfc
from domains.kernel.core.problems import Invalid, invalid
from domains.kernel.core.timestamps import parse_timestamp
from domains.kernel.db.database import Read, SentOnce, Tx
from domains.kernel.db.full_text import has_no_spaces
from domains.kernel.db.statements import WORKSPACE, row, statement
from domains.kernel.jobs.enqueue import enqueue, enqueue_all
from domains.kernel.jobs.model import Job, Queue
from domains.kernel.pagination.cursor import CursorList, CursorQuery20, PaginationInfo
from domains.kernel.storage import retention
from domains.kernel.storage.signed_urls import SignedUrls, version_of_url
from domains.kernel.tenancy.audit import Actor
from domains.kernel.tenancy.signing import Signer
from domains.kernel.untrusted import raw_json
from domains.revenue import example_ids, records
from domains.revenue.addresses.email_domains import ascii_domain, normalized_email
from domains.revenue.crm import matching
from domains.revenue.crm.matching import CRMInfo
from domains.revenue.filters import (
    PAIRS,
    PROCESSING_STATUS,
    TextFilter,
    TimeFilter,
    conditions,
    contains,
    equals,
    has_element,
    has_trigrams,
    hints,
    index_hint,
    matches,
    matches_unindexed,
    pairs_hint,
    pairs_parameter,
    parse_filters,
    pattern,
    source,
    source_doc,
    time_range,
    unindexed,
    unindexed_text,
)
from domains.revenue.people import (
    EmailAddress,
    FullName,
    MeetingType,
    Person,
    Version,
    participant_columns,
)
from domains.revenue.tables import conversations

NATIVE: Final = frozenset(
    {
        *("sybill", "gong", "chorus", "fathom", "grain", "mindtickle", "avoma", "fireflies"),
        *("zoho_meetings", "uploaded_call", "uploaded_transcript", "sdk_upload", "zoom_phone"),
        *("outreach_dialer", "nooks_dialer", "ringcentral_dialer", "aircall_dialer"),
        "hubspot_dialer",
    }
)

ExternalCategory = Annotated[
    Literal[
        "prospect_discovery",
        "prospect_demo",
        "prospect_trial",
        "prospect_negotiation",
        "closed_lost",
        "closed_won",
        "customer_onboarding",
        "customer_support",
        "customer_checkin",
        "customer_commercials",
        "interview",
        "user_research",
        "vendor_call",
        "investor_call",
        "advisor_call",
        "partner_call",
        "consulting_call",
        "other",
    ],
    named("ExternalCategory", "Category of a conversation with people outside the organization"),
]
InternalCategory = Annotated[
    Literal[
        "one_on_one",
        "sales_team",
        "customer_team",
        "marketing_team",
        "product_team",
        "engineering_team",
        "hr_team",
        "operations_team",
        "finance_team",
        "investment_team",
        "company_wide",
        "customer_service_team",
        "it_team",
        "legal_team",
        "consulting_team",
        "other",
    ],
    named("InternalCategory", "Category of a conversation within the organization"),
]
Category = ExternalCategory | InternalCategory

_MAX_DURATION: Final = timedelta(hours=10)

_TYPE: Final = doc("EXTERNAL: with people outside the organization; INTERNAL: without", "EXTERNAL")

# Longer transcripts, in sentences, are converted in a thread so that other requests can run.
_THREAD_THRESHOLD: Final = 500


class TranscriptSentence(msgspec.Struct, rename="camel", kw_only=True):
    """A sentence of a transcript."""

    version: Version = 1
    speaker_id: Annotated[str | None, doc("The `id` of a participant")] = None
    speaker_name: Annotated[str | None, doc("Name of the speaker", "Ana Berg")] = None
    text: Annotated[
        msgspec.Raw, doc("The sentence", "Our exports fail.", extra_json_schema={"type": "string"})
    ]
    timestamp: Annotated[
        records.Timestamp, doc("Time within the conversation", "2026-03-16T13:00:04Z")
    ]


class ConversationRequest(records.RecordRequest, kw_only=True):
    """A conversation. Replaces the one with the same source and id as a whole.

    It needs a `transcript`, a `recordingUrl`, or both.
    """

    created_at: Annotated[
        records.Timestamp, doc("Creation time in the source system", "2026-03-16T13:00:00Z")
    ]
    transcript: Annotated[
        Annotated[list[TranscriptSentence], Meta(max_length=10_000)],
        doc("The sentences of the transcript"),
    ] = msgspec.field(default_factory=list)
    recording_url: Annotated[records.WebAddress | None, doc("http or https URL")] = None
    recording_mime_type: Annotated[str | None, doc("Media type, such as video/mp4")] = None
    started_at: Annotated[records.Timestamp, doc("Start time", "2026-03-16T13:00:00Z")]
    ended_at: Annotated[
        records.Timestamp | None, doc("At most 10 hours after the start", "2026-03-16T13:25:00Z")
    ] = None
    participants: Annotated[
        Annotated[list[Person], Meta(min_length=1, max_length=1000)],
        doc("The participants; each has an `id` or an `email`"),
    ]

    def __post_init__(self) -> None:
        for sentence in self.transcript:
            raw_json.check_string(sentence.text, "transcript.text")


class ConversationQuery(CursorQuery20, frozen=True, kw_only=True):
    """The query of the list of conversations."""

    started_after: Annotated[TimeFilter, doc("Started at or after this time")] = UNSET
    started_before: Annotated[TimeFilter, doc("Started at or before this time")] = UNSET
    type: Annotated[MeetingType | UnsetType, _TYPE] = UNSET
    title: Annotated[TextFilter, doc("Part of the title, case-insensitive")] = UNSET
    attendees: Annotated[
        TextFilter, doc("An e-mail address, a domain (`@acme.com`, `acme.com`), or part of a name")
    ] = UNSET
    crm_name: Annotated[
        # Longer than any name. The time to match a phrase grows faster than its length.
        Annotated[str, Meta(max_length=1000)] | UnsetType,
        doc("Words in the name of the linked CRM record, case-insensitive"),
    ] = UNSET
    source_id: Annotated[TextFilter, source_doc(NATIVE)] = UNSET
    processing_status: Annotated[records.ProcessingStatus | UnsetType, PROCESSING_STATUS] = UNSET

    def filters(self) -> dict[str, Any]:
        parameters = parse_filters(self, _FILTERS)
        texts = [] if self.title is UNSET else [self.title]
        if self.attendees is not UNSET and (attendee := self.attendees.strip()):
            by_attendee = _attendee_parameters(attendee)
            parameters |= by_attendee
            if not by_attendee.keys() & {"attendee_email", "attendee_domain"}:
                texts.append(attendee)
        if self.crm_name is not UNSET and (words := nfc(self.crm_name).split()):
            parameters["crm_phrase"] = _phrase(words)
            if any(map(has_trigrams, words)):
                # The pattern can use the trigram index, the phrase cannot.
                parameters["crm_name"] = "%".join(map(pattern, words))
            texts += words
        return parameters | pairs_parameter(texts)


def _attendee_parameters(attendee: str) -> dict[str, str]:
    """Interpret the filter as an e-mail address, a domain or part of a name.

    A text with an @ after the first character is an address. A text that begins with an @, or has
    a dot and no space, is a domain. Everything else is part of a name.
    """
    local, at, domain = attendee.rpartition("@")
    if at and local:
        return {"attendee_email": normalized_email(attendee)}
    if at or ("." in attendee and " " not in attendee):
        return {"attendee_domain": ascii_domain(domain)}
    name = "attendee_name" if has_trigrams(attendee) else unindexed("attendee_name")
    return {name: pattern(attendee)}


def _phrase(words: Sequence[str]) -> str:
    """Regular expression for the words in this order, as whole words.

    Characters of scripts without spaces may have others beside them.
    """
    escaped = (
        "".join(letter if letter.isalnum() else f"\\{letter}" for letter in word) for word in words
    )
    before = "" if has_no_spaces(words[0][0]) else r"(?<!\w)"
    after = "" if has_no_spaces(words[-1][-1]) else r"(?!\w)"
    return before + r"\s+".join(escaped) + after


class Participant(msgspec.Struct, rename="camel"):
    """A participant of a conversation."""

    name: FullName = None
    email: EmailAddress = None
    attended: Annotated[bool, doc("False for an invited person who was absent", True)] = True


class TranscriptEntry(msgspec.Struct, rename="camel"):
    """A sentence of a transcript. Times are in seconds from the start of the conversation."""

    speaker: Annotated[str, doc("Name of the speaker", "Ana Berg")]
    text: Annotated[str, doc("The sentence", "Our exports fail.")]
    start_time: Annotated[float, doc("Start of the sentence, in seconds", 4.0)]
    end_time: Annotated[float, doc("End of the sentence, in seconds", 1500.0)]


class _StoredEntry(msgspec.Struct, rename="camel"):
    """A `TranscriptEntry` with its text as it was sent."""

    speaker: str
    text: msgspec.Raw
    start_time: float
    end_time: float


_ADDITION: Final = {"x-addition": True}


class Recordings(msgspec.Struct, rename="camel"):
    """Links to the recordings, valid for 24 hours: to download them, and to play them in a page."""

    video_url: Annotated[
        records.Url | None,
        doc("Video with sound", "https://gateway.example/files/recordings/call.mp4"),
    ] = None
    audio_url: Annotated[records.Url | None, doc("Sound only")] = None
    video_stream_url: Annotated[
        records.Url | None,
        doc(
            "Video with sound, to play",
            "https://gateway.example/files/recordings/call.mp4?disposition=inline",
            extra_json_schema=_ADDITION,
        ),
    ] = None
    audio_stream_url: Annotated[
        records.Url | None, doc("Sound only, to play", extra_json_schema=_ADDITION)
    ] = None


class ConversationListItem(msgspec.Struct, rename="camel"):
    """A conversation."""

    conversation_id: Annotated[UUID, doc("Id of the conversation", example_ids.RECORD)]
    source_id: records.SourceReference | None
    title: Annotated[str | None, doc("Title", "Halden rollout")]
    start_time: Annotated[datetime, doc("Start time")]
    end_time: Annotated[datetime, doc("End time", "2026-03-16T13:25:00Z")]
    type: Annotated[MeetingType, _TYPE]
    participants: Annotated[list[Participant], doc("The participants")]
    crm: Annotated[CRMInfo | None, doc("The linked deal or account")]
    processing: Annotated[
        records.Processing,
        doc("Fetching of the recording, transcription and summary", records.PROCESSED),
    ]
    language: records.Language


class ConversationDetail(ConversationListItem):
    """A conversation with category, summary, transcript and recordings."""

    category: Annotated[Category | None, doc("Null until found", "prospect_negotiation")]
    summary: Annotated[
        ValueMap | None,
        doc("Text or texts by heading; null until it is ready", {"Pain Points": ["Exports fail."]}),
    ]
    transcript: Annotated[list[TranscriptEntry] | None, doc("The sentences of the transcript")]
    recordings: Annotated[Recordings | None, doc("Links to the recordings")]


class ListConversationsResponse(msgspec.Struct, rename="camel"):
    """A page of conversations, newest first."""

    conversations: Annotated[list[ConversationListItem], doc("The conversations of this page")]
    pagination: Annotated[PaginationInfo, doc("Cursor of the next page")]


class ConversationJob(Job, frozen=True):
    """Base of the jobs for one version of a conversation. A newer version has its own jobs."""

    conversation_id: UUID
    version: int

    @property
    def record_id(self) -> UUID:
        return self.conversation_id


class FetchRecording(ConversationJob, frozen=True, tag="revenue.fetch_recording"):
    """Fetch the recording."""

    queue: ClassVar[Queue] = "fetch"


class Transcription(ConversationJob, frozen=True, tag="revenue.transcription"):
    """Transcribe the recording."""

    queue: ClassVar[Queue] = "fetch"


class ProcessConversation(ConversationJob, frozen=True, tag="revenue.process_conversation"):
    """Find the category and the summary with the built-in engine."""

    queue: ClassVar[Queue] = "analysis"


class ProcessConversationWithProvider(ConversationJob, frozen=True, tag="revenue.ask_conversation"):
    """Find the category and the summary with the LLM provider."""

    # The queue for jobs that wait for the network.
    queue: ClassVar[Queue] = "fetch"


# --- statements -------------------------------------------------------------------------------

_c = conversations.c
_errors = func.nullif(
    func.concat_ws(literal_column("' '"), _c.recording_error, _c.error), literal_column("''")
)
_columns = (
    *(_c.id, _c.source_id, _c.title, _c.started_at, _c.ended_at, _c.type, _c.participants),
    *(_c.crm_id, _c.crm_name, _c.crm_type),
    *(_c.state, case((_c.state == literal_column("'failed'"), _errors), else_=null())),
    *(_c.found_language, _c.found_engine),
)


def _item(*columns: Any) -> ConversationListItem:
    crm_id, crm_name, crm_type, state, error, language, engine = columns[7:]
    crm = CRMInfo(crm_id, crm_name, crm_type) if crm_id or crm_name or crm_type else None
    note = unsupported_note(language, engine) if state == "processed" else None
    processing = records.Processing(state, error, note)
    return ConversationListItem(*(*columns[:7], crm, processing, language))


class _StoredConversation(NamedTuple):
    """A conversation, with key, content type and kind of its recording if one is stored."""

    detail: ConversationDetail
    recording: tuple[str | None, str | None, str | None]


def _stored_conversation(*columns: Any) -> _StoredConversation:
    item = _item(*columns[:14])
    detail = ConversationDetail(*msgspec.structs.astuple(item), *columns[14:18])
    return _StoredConversation(detail, columns[18:])


_FILTERS: Final = (
    *time_range("started", _c.started_at),
    equals("type", _c.type),
    contains("title", _c.title),
    source(_c.source_id, NATIVE),
    equals("processing_status", _c.state),
)
CONVERSATIONS: Final = CursorList(
    table=conversations,
    columns=_columns,
    row_factory=_item,
    query_type=ConversationQuery,
    order_by=_c.started_at,
    where=(_c.deleted_at.is_(None),),
    filters=conditions(_FILTERS)
    | {
        "attendee_email": has_element("attendee_email", _c.emails),
        "attendee_domain": has_element("attendee_domain", _c.domains),
        "attendee_name": matches("attendee_name", _c.names),
        unindexed("attendee_name"): matches_unindexed("attendee_name", _c.names),
        # The pattern is a hint only.
        "crm_name": true(),
        "crm_phrase": unindexed_text(_c.crm_name).bool_op("~*")(
            bindparam("crm_phrase", type_=Text)
        ),
        "public": _c.public,
    },
    lower_bound="started_after",
    upper_bound="started_before",
    indexed={"type", "source_id", "processing_status"},
    hints=hints(_FILTERS)
    | {
        "attendee_name": index_hint("attendee_name", _c.names),
        "crm_name": index_hint("crm_name", _c.crm_name),
        PAIRS: pairs_hint(_c.title, _c.names, _c.crm_name),
    },
)
_GET = statement(
    select(
        *_columns,
        # Imported values take precedence over computed ones.
        func.coalesce(_c.category, _c.found_category),
        func.coalesce(_c.summary, _c.found_summary),
        *(_c.transcript, _c.recordings),
        *(_c.recording_key, _c.recording_content_type, _c.recording_kind),
    ).where(*records.is_visible(conversations)),
    _stored_conversation,
    reuses_plan=True,
)


class SummaryEvidence(msgspec.Struct, rename="camel"):
    """The quote behind an item of a summary. Times are in seconds from the start."""

    item: Annotated[str, doc("The item, as worded in the summary")]
    quote: Annotated[str, doc("A sentence that supports it, as in the transcript")]
    speaker: Annotated[str, doc("Name of the speaker")]
    start_time: Annotated[float, doc("Start of the turn, in seconds")]
    end_time: Annotated[float, doc("End of the turn, in seconds")]


EVIDENCE_DECODER: Final = msgspec.json.Decoder(dict[str, list[SummaryEvidence]])

# There is no evidence for an imported summary.
_EVIDENCE = statement(
    select(case((_c.summary.is_(None), _c.found_evidence), else_=null())).where(
        *records.is_visible(conversations)
    ),
    row,
)

_link = matching.link_cte()
_LINKED: Final = ("crm_id", "crm_name", "crm_type", "deal_id", "account_id")
_COMPUTED: Final = (
    *("found_category", "found_summary", "found_evidence", "found_engine", "found_fallback"),
    *("found_language", "recording_error", "error"),
    *("recordings", "recording_key", "recording_content_type", "recording_kind"),
)
_UPSERT = records.upsert_statement(
    conversations,
    (
        *("title", "started_at", "ended_at", "type", "participants"),
        *("names", "emails", "domains", "outside", "outside_domains"),
        *("transcript", "recording_url", "recording_mime_type"),
        *("public", "owner_emails", "created_at", "updated_at"),
    ),
    row,
    computed={
        **{name: _link.c[name] for name in _LINKED},
        # Columns computed from the former version.
        **dict.fromkeys(_COMPUTED, null()),
        "state": literal_column("'pending'"),
    },
    joined=(_link,),
    returning=(
        *(_c.version, _c.deal_id, _c.account_id),
        *(_c.former_deal_id, _c.former_account_id, _c.former_recording_key),
    ),
    keep_former=("deal_id", "account_id", "recording_key"),
    versioned=True,
)
_WITHOUT_SUMMARY = statement(
    select(_c.id, _c.version).where(
        _c.workspace_id == WORKSPACE,
        _c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        _c.transcript.is_not(None),
        or_(_c.summary.is_(None), _c.category.is_(None)),
    ),
    ProcessConversation,
)
_DELETE = records.deletion_statement(conversations, _c.deal_id, _c.account_id, _c.recording_key)


# --- operations -------------------------------------------------------------------------------


async def create(
    tx: Tx,
    allowed: FetchAllowlist,
    workspace: WorkspaceId,
    own_domains: Sequence[str],
    new: ConversationRequest,
) -> records.RecordResponse:
    """Insert or replace a conversation, link it to the CRM and enqueue its processing.

    `allowed` are the internal hosts that may be fetched from. Raises Invalid, and Forbidden if the
    source does not accept the caller's writes.
    """
    if new.recording_url is not None:
        records.fetchable_url(new.recording_url, "recordingUrl", allowed)
    new_record = new_id()
    started_at = parse_timestamp(new.started_at, "startedAt")
    ended_at = records.optional_timestamp(new.ended_at, "endedAt")
    if len(new.transcript) > _THREAD_THRESHOLD:
        timed = await asyncio.to_thread(_timed_transcript, new, started_at, ended_at)
    else:
        timed = _timed_transcript(new, started_at, ended_at)
    transcript, last = timed
    # Release the body.
    new.transcript.clear()
    _check_participants(new.participants)
    columns = participant_columns(new.participants, new.owner_emails, own_domains)
    stored = await tx.first(
        _UPSERT,
        title=new.display_name or None,
        started_at=started_at,
        ended_at=ended_at or last,
        participants=msgspec.json.encode(
            [Participant(person.name or None, person.email or None) for person in new.participants]
        ),
        **columns._asdict(),
        transcript=transcript,
        recording_url=new.recording_url,
        recording_mime_type=new.recording_mime_type,
        created_at=parse_timestamp(new.created_at, "createdAt"),
        **records.upsert_parameters(workspace, new, new_record),
    )
    if stored is None:
        raise records.forbidden("sourceId", "source")
    record, version, deal, account, former_deal, former_account, former_recording = stored
    if record == new_record:
        await matching.record_activity(tx, workspace, deal, account, started_at)
    else:
        await matching.recompute_activity(
            tx, workspace, (deal, former_deal), (account, former_account)
        )
        await retention.discard(tx, workspace, [former_recording])
    if new.recording_url is not None:
        await enqueue(tx, workspace, FetchRecording(record, version))
    if transcript is not None:
        await enqueue(tx, workspace, ProcessConversation(record, version))
    return records.upsert_response(record, new_record, new.id, new.source_id)


async def enqueue_summaries(tx: Tx, workspace: WorkspaceId, ids: Sequence[UUID]) -> None:
    """Enqueue the processing of imported conversations that lack a summary or a category."""
    jobs = await tx.all(_WITHOUT_SUMMARY, workspace=workspace, ids=ids)
    await enqueue_all(tx, workspace, jobs)


async def remove(
    tx: Tx, workspace: WorkspaceId, address: records.RecordAddress, actor: Actor
) -> records.DeletedRecordResponse:
    """Delete a conversation. Its recording is deleted after the retention period.

    Raises Forbidden or NotFound.
    """
    response, (deal, account, recording) = await records.delete_record(
        tx, _DELETE, workspace, address, "conversation", actor
    )
    await matching.recompute_activity(tx, workspace, (deal,), (account,))
    await retention.discard(tx, workspace, [recording])
    return response


async def page(
    read: Read,
    signer: Signer,
    workspace: WorkspaceId,
    query: ConversationQuery,
    visible: frozenset[str],
) -> ListConversationsResponse:
    """Get a page of conversations. `visible` names the filters that hide private records."""
    listed = await CONVERSATIONS.page(read, signer, workspace, query, extra_filters=visible)
    return ListConversationsResponse(listed.items, listed.pagination)


async def get(
    read: Read,
    signed_urls: SignedUrls,
    workspace: WorkspaceId,
    record: UUID,
    *,
    include_private: bool,
) -> ConversationDetail:
    """Get a conversation by its record id. Raises NotFound."""
    detail, (key, content_type, kind) = await records.get_visible(
        read, _GET, workspace, record, "conversation", include_private
    )
    if key is not None:
        name, now = detail.title or "recording", time.time()
        download = await signed_urls.create(key, content_type or "", name, now)
        stream = signed_urls.create_inline(key, content_type or "", name, now)
        detail.recordings = (
            Recordings(video_url=download, video_stream_url=stream)
            if kind == "video"
            else Recordings(audio_url=download, audio_stream_url=stream)
        )
    return detail


def version_of(detail: ConversationDetail) -> ConversationDetail:
    """The conversation with the objects of its links instead of the links."""
    links = detail.recordings
    # Imported recordings have the URLs of the import, which are not signed here.
    if not isinstance(links, Recordings):
        return detail
    now = time.time()
    objects = Recordings(version_of_url(links.video_url, now), version_of_url(links.audio_url, now))
    return msgspec.structs.replace(detail, recordings=objects)


async def list_evidence(
    read: Read, workspace: WorkspaceId, record: UUID, *, include_private: bool
) -> dict[str, list[SummaryEvidence]]:
    """Get the quotes behind a conversation's summary, by heading. Raises NotFound.

    Returns an empty list if there is no summary or if it was imported.
    """
    (evidence,) = await records.get_visible(
        read, _EVIDENCE, workspace, record, "conversation", include_private
    )
    return {} if evidence is None else EVIDENCE_DECODER.decode(evidence)


def _check_participants(participants: Sequence[Person]) -> None:
    for number, person in enumerate(participants, start=1):
        if not person.id and not person.email:
            raise invalid("participants", f"number {number} needs an id or an email")


def _timed_transcript(
    new: ConversationRequest, started_at: datetime, ended_at: datetime | None
) -> tuple[bytes | msgspec.Raw | SentOnce | None, datetime]:
    """Convert the transcript to seconds from the start, and encode it as JSON.

    Also returns the time of the last sentence, or the start if there is none. Raises Invalid.
    """
    if new.recording_url is None and not new.transcript:
        raise Invalid("A conversation needs a transcript that is not empty, or a recordingUrl.")
    if ended_at is not None and not started_at < ended_at <= started_at + _MAX_DURATION:
        raise invalid("endedAt", "must be after startedAt, and at most 10 hours later")
    latest = ended_at or started_at + _MAX_DURATION
    speakers = {person.id: person.name or person.email for person in new.participants if person.id}
    sentences: list[tuple[datetime, str, msgspec.Raw]] = []
    for number, sentence in enumerate(new.transcript, start=1):
        if not sentence.speaker_id and not sentence.speaker_name:
            raise invalid("transcript", f"sentence {number} needs a speakerId or a speakerName")
        at = parse_timestamp(sentence.timestamp, "transcript.timestamp")
        if not started_at <= at <= latest:
            end = "endedAt" if ended_at else "10 hours after it"
            raise invalid(
                "transcript.timestamp",
                f"of sentence {number} must be an absolute time from startedAt to {end}",
            )
        speaker = sentence.speaker_name or speakers.get(sentence.speaker_id or "")
        sentences.append((at, speaker or sentence.speaker_id or "Unknown", sentence.text))
    sentences.sort(key=lambda sentence: sentence[0])
    last = sentences[-1][0] if sentences else started_at
    ends = [at for at, _, _ in sentences[1:]] + [ended_at or last]
    entries = [
        _StoredEntry(
            speaker, text, (at - started_at).total_seconds(), (end - started_at).total_seconds()
        )
        for (at, speaker, text), end in zip(sentences, ends, strict=False)
    ]
    return SentOnce.if_large(msgspec.json.encode(entries)) if entries else None, last
