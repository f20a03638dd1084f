"""Handlers of signals."""

from typing import Final

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.params import RawBody
from msgspec import UNSET, UnsetType

from domains.discovery import fields, signal_creation, signals
from domains.discovery.signals import (
    SIGNALS,
    JobRef,
    Signal,
    SignalQuery,
    SignalRawCreate,
    SignalTextCreate,
    SignalUpdate,
)
from domains.kernel.core.problems import Invalid
from domains.kernel.untrusted import raw_json
from gateway.discovery.path_ids import SIGNAL_ID
from gateway.discovery.responses import DELETED, Deleted, paged
from gateway.operations import (
    ActorDep,
    AnyRequest,
    BaseUrlDep,
    BlobsDep,
    CallerDep,
    IdInPath,
    IfMatchDep,
    ReadDep,
    TxDep,
    operation,
)
from gateway.requests import decode_body, decode_variant, parse_query


class _Form(msgspec.Struct):
    """The fields that distinguish a text signal from a raw signal."""

    text: msgspec.Raw | UnsetType = UNSET
    source: msgspec.Raw | UnsetType = UNSET
    data: msgspec.Raw | UnsetType = UNSET

    def body_type(self) -> type[SignalTextCreate | SignalRawCreate]:
        """The form of the body. Null counts only if neither field has a value. Raises Invalid."""
        has_text, has_source = _is_given(self.text), _is_given(self.source)
        if not (has_text or has_source):
            has_text, has_source = self.text is not UNSET, self.source is not UNSET
        if has_text == has_source or (has_text and _is_given(self.data)):
            raise Invalid("Send either `text` with `signalType`, or `source` with `data`.")
        return SignalTextCreate if has_text else SignalRawCreate


def _is_given(field: msgspec.Raw | UnsetType) -> bool:
    return field is not UNSET and field != raw_json.NULL


@get("/signals", opt=operation("listSignals", "signals:read", "List signals", query=SignalQuery))
async def list_signals(
    request: AnyRequest, caller: CallerDep, read: ReadDep, base_url: BaseUrlDep
) -> Response[list[Signal]]:
    """List the signals of the workspace, newest first.

    A page has 20 signals, or `limit` up to 100. All filters must match. 400: a limit, offset or
    filter that is not valid.
    """
    query = parse_query(request, SignalQuery)
    return paged(await SIGNALS.page(read, caller.workspace, query), query, request, base_url)


@get(
    "/signals/{id:str}",
    opt=operation(
        "getSignal",
        "signals:read",
        "Get a signal",
        errors=(404,),
        path_id=SIGNAL_ID,
        version_of=signals.version_of,
    ),
)
async def get_signal(id: IdInPath, caller: CallerDep, read: ReadDep) -> Signal:
    """Get a signal. 404: the workspace has no signal with this id."""
    return await SIGNALS.get(read, caller.workspace, id)


@post(
    "/signals",
    opt=operation(
        "createSignal",
        "signals:write",
        "Create a signal",
        request=SignalTextCreate | SignalRawCreate,
        updates=True,
        errors=(409,),
        example={
            "status": "processing",
            "insightIds": [],
            "jobId": fields.EXAMPLE_JOB,
            "processing": UNSET,
        },
        version_of=signals.version_of,
    ),
)
async def create_signal(
    body: RawBody, caller: CallerDep, tx: TxDep, blobs: BlobsDep
) -> Response[Signal]:
    """Create a signal and queue its analysis.

    Send `text` with `signalType`, or `source` with `data` of another system. The answer comes at
    once; read the signal until its `status` is `processed` or `failed`. A text with `sourceKey`
    and `externalId` updates the signal that has both, with 200, and is analysed again if it is
    another text; `name`, `context` and `occurredAt` stay unless they are sent. The body has at most
    10 MB. 400: both or neither of `text` and `source`, or an empty text.
    """
    new = await decode_variant(body, _Form, _Form.body_type)
    del body  # released while the signal is stored
    if isinstance(new, SignalTextCreate):
        pushed = await signal_creation.push_text(tx, blobs, caller.workspace, new)
        return Response(pushed.signal, status_code=201 if pushed.is_new else 200)
    signal = await signal_creation.create_from_source(tx, caller.workspace, new)
    return Response(signal, status_code=201)


@patch(
    "/signals/{id:str}",
    opt=operation(
        "updateSignal",
        "signals:write",
        "Change a signal",
        request=SignalUpdate,
        errors=(404, 409),
        path_id=SIGNAL_ID,
        version_of=signals.version_of,
    ),
)
async def update_signal(
    id: IdInPath, body: RawBody, caller: CallerDep, tx: TxDep, if_match: IfMatchDep
) -> Signal:
    """Change a signal. Absent fields stay as they are.

    `source`, `data` and `insightIds` are replaced as a whole. The stored text stays, and no
    analysis is queued. 400: a value that is not valid, or ids of insights that do not exist. 409:
    another signal has the `sourceKey` of this one and the new `externalId`.
    """
    changes = await decode_body(body, SignalUpdate)
    del body  # released while the signal is stored
    return await SIGNALS.change(tx, caller.workspace, id, changes, if_match)


@delete(
    "/signals/{id:str}",
    status_code=200,
    opt=operation(
        "deleteSignal",
        "signals:delete",
        "Delete a signal",
        errors=(404,),
        path_id=SIGNAL_ID,
        version_of=signals.version_of,
    ),
)
async def delete_signal(
    id: IdInPath, caller: CallerDep, actor: ActorDep, tx: TxDep, if_match: IfMatchDep
) -> Deleted:
    """Delete a signal with its links and quotes. Its insights stay.

    The stored text is erased after the retention period.
    """
    await signals.remove(tx, caller.workspace, id, actor, if_match)
    return DELETED


@post(
    "/signals/{id:str}/process",
    opt=operation(
        "processSignal",
        "signals:write",
        "Analyse a signal again",
        errors=(404, 409),
        path_id=SIGNAL_ID,
    ),
)
async def process_signal(id: IdInPath, caller: CallerDep, tx: TxDep) -> JobRef:
    """Queue another analysis of a signal.

    If one is queued or running, its job is returned instead. The new insights replace those of
    earlier analyses that nobody changed.
    """
    return await signals.process(tx, caller.workspace, id)


HANDLERS: Final = (
    list_signals,
    get_signal,
    create_signal,
    update_signal,
    delete_signal,
    process_signal,
)
