"""Handlers of signals."""

from typing import Annotated, Final

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
from domains.kernel.core.field_docs import doc
from domains.kernel.core.problems import Invalid
from gateway.discovery.responses import DELETED, Deleted, paged
from gateway.operations import (
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

_SignalId = Annotated[
    str, doc("UUID or public id of the signal, such as `SIGNAL-42`.", min_length=1)
]


class _Form(msgspec.Struct):
    """The fields that distinguish a text signal from a raw signal."""

    text: msgspec.Raw | UnsetType = UNSET
    source: msgspec.Raw | UnsetType = UNSET
    data: msgspec.Raw | UnsetType = UNSET

    def body_type(self) -> type[SignalTextCreate | SignalRawCreate]:
        has_text = self.text is not UNSET
        if has_text == (self.source is not UNSET) or (has_text and self.data is not UNSET):
            raise Invalid("Send either `text` with `signalType`, or `source` with `data`.")
        return SignalTextCreate if has_text else SignalRawCreate


@get("/signals", opt=operation("listSignals", "signals:read", "List signals", query=SignalQuery))
async def list_signals(
    request: AnyRequest, caller: CallerDep, read: ReadDep, base_url: BaseUrlDep
) -> Response[list[Signal]]:
    query = parse_query(request, SignalQuery)
    return paged(await signals.page(read, caller.workspace, query), query, request, base_url)


@get(
    "/signals/{id:str}",
    opt=operation(
        "getSignal",
        "signals:read",
        "Get a signal",
        errors=(404,),
        path_id=_SignalId,
        version_of=signals.version_of,
    ),
)
async def get_signal(id: IdInPath, caller: CallerDep, read: ReadDep) -> Signal:
    return await SIGNALS.get(read, caller.workspace, id)


@post(
    "/signals",
    opt=operation(
        "createSignal",
        "signals:write",
        "Create a signal",
        request=SignalTextCreate | SignalRawCreate,
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
async def create_signal(body: RawBody, caller: CallerDep, tx: TxDep, blobs: BlobsDep) -> Signal:
    new = await decode_variant(body, _Form, _Form.body_type)
    del body  # released while the signal is stored
    if isinstance(new, SignalTextCreate):
        return await signal_creation.create_from_text(tx, blobs, caller.workspace, new)
    return await signal_creation.create_from_source(tx, caller.workspace, new)


@patch(
    "/signals/{id:str}",
    opt=operation(
        "updateSignal",
        "signals:write",
        "Change a signal",
        request=SignalUpdate,
        errors=(404,),
        path_id=_SignalId,
        version_of=signals.version_of,
    ),
)
async def update_signal(
    id: IdInPath, body: RawBody, caller: CallerDep, tx: TxDep, if_match: IfMatchDep
) -> Signal:
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
        path_id=_SignalId,
        version_of=signals.version_of,
    ),
)
async def delete_signal(
    id: IdInPath, caller: CallerDep, tx: TxDep, if_match: IfMatchDep
) -> Deleted:
    await signals.remove(tx, caller.workspace, id, if_match)
    return DELETED


@post(
    "/signals/{id:str}/process",
    opt=operation(
        "processSignal",
        "signals:write",
        "Analyse a signal again",
        errors=(404, 409),
        path_id=_SignalId,
    ),
)
async def process_signal(id: IdInPath, caller: CallerDep, tx: TxDep) -> JobRef:
    return await signals.process(tx, caller.workspace, id)


HANDLERS: Final = (
    list_signals,
    get_signal,
    create_signal,
    update_signal,
    delete_signal,
    process_signal,
)
