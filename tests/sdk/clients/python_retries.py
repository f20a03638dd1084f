"""Retries of the Python package, against a server that refuses requests."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from evidence_gateway_client import (
    ProcessingFailed,
    RateLimited,
    Unavailable,
    connect,
    models,
    wait_until_processed,
)
from evidence_gateway_client.api.auth import get_auth_context
from evidence_gateway_client.api.opportunities import update_opportunity
from evidence_gateway_client.api.products import create_product, list_products
from evidence_gateway_client.client import AuthenticatedClient
from evidence_gateway_client.problems import GatewayError

PRODUCT = {
    "id": "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f001",
    "name": "Atlas",
    "workspaceId": "6f1c1f1e-9d1b-4b7e-8a65-6f2f6ad1f002",
    "createdAt": "2026-11-11T09:00:00Z",
    "updatedAt": "2026-11-11T09:00:00Z",
}
Answer = tuple[int, str | None, object]


class Fake:
    """Gives the answers in their order, and records requests and pauses."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.keys: list[str | None] = []
        self.pauses: list[float] = []

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    @contextmanager
    def client(self) -> Iterator[AuthenticatedClient]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fake.keys.append(self.headers["Idempotency-Key"])
                status, retry_after, body = fake.answers.pop(0)
                encoded = json.dumps(body).encode()
                self.send_response(status)
                if retry_after is not None:
                    self.send_header("Retry-After", retry_after)
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            do_GET = do_POST = do_PATCH = answer  # noqa: N815 - names of the library

            def log_message(self, format: str, *args: object) -> None:
                """Print nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield connect(
                f"http://127.0.0.1:{server.server_port}",
                "key",
                sleep=self.pauses.append,
                async_sleep=self.pause,
            )
        finally:
            server.shutdown()
            server.server_close()


def refused(status: int, retry_after: str | None) -> Answer:
    return status, retry_after, {"detail": "later"}


def caught(fake: Fake) -> GatewayError:
    with fake.client() as client:
        try:
            list_products.sync(client=client)
        except GatewayError as error:
            return error
    raise AssertionError("no error")


def reads_are_sent_again_when_the_server_asks() -> None:
    fake = Fake(refused(429, "7"), refused(503, "2"), (200, None, [PRODUCT]))
    with fake.client() as client:
        assert list_products.sync(client=client) == [models.Product.from_dict(PRODUCT)]
    assert fake.pauses == [7, 2]
    assert fake.keys == [None, None, None]


def asynchronous_reads_are_sent_again() -> None:
    fake = Fake(refused(429, "7"), refused(503, None), (200, None, []))
    with fake.client() as client:
        assert asyncio.run(list_products.asyncio(client=client)) == []
    assert fake.pauses == [7, 1]


def a_create_is_sent_again_with_the_same_idempotency_key() -> None:
    fake = Fake(refused(503, "1"), (201, None, PRODUCT), (201, None, PRODUCT))
    with fake.client() as client:
        create_product.sync(client=client, body=models.ProductCreate("Atlas"))
        create_product.sync(client=client, body=models.ProductCreate("Atlas"))
    first, again, other = fake.keys
    assert first
    assert first == again
    assert other not in (None, first)


def a_given_idempotency_key_is_kept() -> None:
    fake = Fake((201, None, PRODUCT))
    with fake.client() as client:
        create_product.sync(
            client=client, body=models.ProductCreate("Atlas"), idempotency_key="mine"
        )
    assert fake.keys == ["mine"]


def retries_are_limited() -> None:
    fake = Fake(*[refused(503, None)] * 6)
    error = caught(fake)
    assert isinstance(error, Unavailable)
    assert fake.pauses == [0.5, 1, 2, 4]
    assert len(fake.answers) == 1


def a_long_wait_is_an_error_at_once() -> None:
    fake = Fake(refused(429, "3600"))
    assert isinstance(caught(fake), RateLimited)
    assert fake.pauses == []


def changes_and_other_errors_are_not_sent_again() -> None:
    fake = Fake(refused(503, "1"))
    with fake.client() as client:
        try:
            update_opportunity.sync("OPPORTUNITY-7", client=client, body=models.OpportunityUpdate())
            raise AssertionError("no error")
        except Unavailable as error:
            assert str(error) == "503: later"
    fake = Fake((500, "1", "no JSON object"))
    with fake.client() as client:
        try:
            get_auth_context.sync(client=client)
            raise AssertionError("no error")
        except GatewayError as error:
            assert (error.status, error.body) == (500, None)
    assert fake.pauses == []


def waiting_ends() -> None:
    fake = Fake(*[(200, None, signal(status)) for status in ("processing", "failed")])
    with fake.client() as client:
        try:
            wait_until_processed(client, PRODUCT["id"], sleep=fake.pauses.append)
            raise AssertionError("no error")
        except ProcessingFailed as error:
            assert error.signal.status == models.SignalStatus.FAILED
    fake = Fake(*[(200, None, signal("processing"))] * 3)
    with fake.client() as client:
        try:
            wait_until_processed(client, PRODUCT["id"], timeout=0.3, sleep=fake.pauses.append)
            raise AssertionError("no error")
        except TimeoutError:
            assert fake.pauses == [0.25, 0.375]


def signal(status: str) -> object:
    return {
        **PRODUCT,
        **dict.fromkeys(("context", "data", "externalId", "language", "signalType")),
        "insightIds": [],
        "publicId": "SIGNAL-1",
        "source": {"type": "crm"},
        "status": status,
        "workspaceId": PRODUCT["id"],
    }


reads_are_sent_again_when_the_server_asks()
asynchronous_reads_are_sent_again()
a_create_is_sent_again_with_the_same_idempotency_key()
a_given_idempotency_key_is_kept()
retries_are_limited()
a_long_wait_is_an_error_at_once()
changes_and_other_errors_are_not_sent_again()
waiting_ends()
