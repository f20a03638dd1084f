"""HTTP client for one OpenAI-compatible endpoint: a chat model or a speech-to-text service."""

import asyncio
import contextlib
import email.utils
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec

from domains.kernel.core.settings import SettingError

if TYPE_CHECKING:
    import httpx

# The body of an error response is cut to this many bytes.
_MAX_ERROR_BYTES: Final = 65_536

_CONTROL_OR_SURROGATE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class ResponseTooLarge(Exception):
    """The body of a success response exceeds the limit."""


class Response(msgspec.Struct, frozen=True):
    """A response whose body was read. The body is as sent: `Content-Encoding` is ignored.

    Names of headers are in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> float:
        """Seconds of Retry-After, from a number or a date. 0 if missing, malformed or past."""
        value = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
            return float(value)
        try:
            at = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())

    def rejects(self, parameter: re.Pattern[bytes]) -> bool:
        """Return True for a 400 or 422 whose body names the request parameter."""
        return self.status in (400, 422) and parameter.search(self.body) is not None


class Endpoint:
    """Sends POST requests to one URL.

    Does not follow redirects, and takes no proxy, key or header from the environment.
    """

    def __init__(self, client: "httpx.AsyncClient", url: "httpx.URL", time_limit: float) -> None:
        self._client = client
        self._url = url
        self._time_limit = time_limit

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        setting: str,
        base_url: str,
        key: str,
        path: str,
        *,
        accept: str,
        time_limit: float,
        connect_timeout: float,
    ) -> AsyncIterator["Endpoint"]:
        """Open a client for `path` below `base_url`, whose query is kept.

        The key is sent as a bearer token; without a key, the user and password of the URL are sent.
        Raises SettingError for `{setting}_URL` or `{setting}_KEY` if it cannot be sent.
        """
        import httpx  # noqa: PLC0415 - not loaded by a worker without an endpoint

        if not (key.isascii() and key.isprintable()):
            raise SettingError(f"{setting}_KEY contains characters that an API key cannot have")
        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL:
            raise SettingError(f"{setting}_URL is not a valid URL") from None
        base_path, _, query = url.raw_path.partition(b"?")
        target = base_path.rstrip(b"/") + path.encode() + (b"?" + query if query else b"")

        def authorize(request: "httpx.Request") -> "httpx.Request":
            request.headers["Authorization"] = f"Bearer {key}"
            return request

        # Besides its bundled authorities, trust those of the operating system (SSL_CERT_FILE): an
        # endpoint inside a company may have a certificate of a private authority.
        certificates = httpx.create_ssl_context(trust_env=False)
        certificates.load_default_certs()
        async with httpx.AsyncClient(
            auth=authorize if key else None,
            # Bodies are read as sent: decompressed ones could be far larger than the limit.
            headers={
                "Accept": accept,
                "Accept-Encoding": "identity",
                "User-Agent": "evidence-gateway",
            },
            # For each wait; `post` limits the whole request.
            timeout=httpx.Timeout(time_limit, connect=min(time_limit, connect_timeout)),
            # Minutes pass between requests: the server may have closed an idle connection.
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=certificates,
            follow_redirects=False,
            trust_env=False,
        ) as client:
            del client.headers["Connection"]  # httpx adds "keep-alive"
            yield cls(client, url.copy_with(raw_path=target), time_limit)

    async def post(
        self,
        *,
        max_bytes: int,
        json: object = None,
        data: Mapping[str, Any] | None = None,
        files: Mapping[str, tuple[str, BinaryIO, str]] | None = None,
    ) -> Response:
        """Send JSON, or a form with files, and read the response, whatever its status.

        Raises TimeoutError after the time limit, ResponseTooLarge, and ConnectionError if the
        connection fails or breaks. The text of a ConnectionError is only the cause's type.
        """
        import httpx  # noqa: PLC0415 - see `open`

        try:
            async with (
                asyncio.timeout(self._time_limit),
                self._client.stream(
                    "POST", self._url, json=json, data=data, files=files
                ) as response,
            ):
                return await _read(response, max_bytes)
        except (httpx.ReadTimeout, httpx.WriteTimeout):
            raise TimeoutError from None
        except httpx.RequestError as error:
            # The text and the cause of the exception contain the URL.
            raise ConnectionError(type(error).__name__) from None


async def _read(response: "httpx.Response", max_bytes: int) -> Response:
    limit = max_bytes if response.is_success else _MAX_ERROR_BYTES
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            if response.is_success:
                raise ResponseTooLarge
            break
    return Response(response.status_code, dict(response.headers), bytes(body[:limit]))


def single_line(text: str) -> str:
    """Remove control characters and surrogates from a response's text; collapse whitespace."""
    return " ".join(_CONTROL_OR_SURROGATE.sub(" ", text).split())
