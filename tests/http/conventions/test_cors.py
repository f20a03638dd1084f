"""Cross-origin resource sharing: off by default, on for the origins of the setting."""

import httpx
import pytest

from domains.kernel.core.settings import SettingError, load_settings
from domains.kernel.db.database import Database
from domains.kernel.tenancy.api_keys import RateLimitOverrides
from tests.http.conftest import ORIGIN
from tests.http.conventions.every_path import METRICS, PAGES
from tests.http.published import FULL_DOCUMENT, Json, operations
from tests.stack import Stack, Tenant, new_tenant, running_stack

ALLOWED_HEADERS = (
    *("authorization", "content-type", "idempotency-key", "if-match", "if-none-match"),
    "x-request-id",
)
EXPOSED_HEADERS = {
    *("X-Request-Id", "X-Total-Count", "X-Limit", "X-Offset", "X-Total-Count-Capped"),
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"),
    *("Link", "ETag", "Location", "Idempotent-Replayed", "Deprecation", "Sunset"),
    *("Accept-Ranges", "Content-Range", "Content-Disposition", "WWW-Authenticate"),
}
REQUIRED = {
    "DATABASE_URL": "postgresql://localhost/x",
    "REDIS_URL": "redis://localhost",
    "BLOB_URL": "file:///tmp/x",
}


def _preflight(method: str, origin: str = ORIGIN) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": ",".join(ALLOWED_HEADERS),
        "Authorization": "",
    }


def _list(header: str) -> set[str]:
    return {part.strip() for part in header.split(",")}


def _assert_shared(answer: httpx.Response, origin: str = ORIGIN) -> None:
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in _list(answer.headers["Vary"])
    assert _list(answer.headers["Access-Control-Expose-Headers"]) == EXPOSED_HEADERS
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_every_operation_can_be_called_from_a_page(visitor: Tenant) -> None:
    document: Json = (await visitor.http.get(FULL_DOCUMENT)).json()
    calls = [(path, method.upper()) for path, method, _ in operations(document)]
    calls += [(path, "GET") for path in (*PAGES, METRICS, "/files/x")]
    for path, method in calls:
        answer = await visitor.http.options(path, headers=_preflight(method))
        assert (answer.status_code, answer.content) == (204, b"")
        _assert_shared(answer)
        methods = _list(answer.headers["Access-Control-Allow-Methods"])
        assert method in methods, path
        assert methods == _list(answer.headers["Allow"])
        allowed = {name.lower() for name in _list(answer.headers["Access-Control-Allow-Headers"])}
        assert allowed == set(ALLOWED_HEADERS)
        assert int(answer.headers["Access-Control-Max-Age"]) > 0


async def test_responses_and_errors_are_shared(visitor: Tenant, public_stack: Stack) -> None:
    origin = {"Origin": ORIGIN}
    for path, headers, status in (
        ("/external/v1/signals", {}, 200),
        ("/v1/deals", {}, 200),
        ("/external/v1/signals", {"Authorization": "Bearer x"}, 401),
        ("/v1/deals", {"Authorization": ""}, 401),
        ("/external/v1/ideas/none", {}, 404),
        ("/nothing", {}, 404),
        ("/external/v1/signals?limit=0", {}, 400),
        ("/openapi.json", {}, 200),
    ):
        answer = await visitor.http.get(path, headers=origin | headers)
        assert answer.status_code == status
        _assert_shared(answer)
    _assert_shared(await visitor.http.put("/v1/deals", headers=origin))
    etag = (await visitor.http.get("/openapi.json")).headers["ETag"]
    answer = await visitor.http.get("/openapi.json", headers=origin | {"If-None-Match": etag})
    assert answer.status_code == 304
    _assert_shared(answer)
    async with new_tenant(public_stack, limits=RateLimitOverrides(minute=1)) as limited:
        statuses = []
        for _ in range(2):
            answer = await limited.http.get("/external/v1/ideas", headers=origin)
            _assert_shared(answer)
            statuses.append(answer.status_code)
        assert statuses == [200, 429]


async def test_internal_errors_are_shared(visitor: Tenant, public_stack: Stack) -> None:
    async with (
        Database.open(public_stack.database_url) as database,
        database.connection() as connection,
    ):
        await connection.execute("alter table deals rename to no_deals")
        try:
            answer = await visitor.http.get("/v1/deals", headers={"Origin": ORIGIN})
        finally:
            await connection.execute("alter table no_deals rename to deals")
    assert answer.status_code == 500
    _assert_shared(answer)


async def test_other_origins_are_not_allowed(visitor: Tenant) -> None:
    for origin in (
        *("https://app.example.com.evil.example", "https://APP.example.com", "null", "*", ""),
        *("http://app.example.com", "https://app.example.com:8443", f"{ORIGIN}/"),
    ):
        answer = await visitor.http.options("/v1/deals", headers=_preflight("GET", origin))
        assert answer.status_code == 204
        shared = await visitor.http.get("/v1/deals", headers={"Origin": origin})
        assert shared.status_code == 200
        for each in (answer, shared):
            assert not [name for name in each.headers if name.startswith("access-control-")]
            assert "Origin" in _list(each.headers["Vary"])


async def test_a_response_to_no_origin_varies_too(visitor: Tenant) -> None:
    answer = await visitor.http.get("/openapi.json")
    assert "access-control-allow-origin" not in answer.headers
    assert _list(answer.headers["Vary"]) == {"Origin", "Accept-Encoding"}


async def test_options_that_is_no_preflight_names_the_methods_only(visitor: Tenant) -> None:
    answer = await visitor.http.options("/v1/deals", headers={"Origin": ORIGIN})
    assert answer.status_code == 204
    assert "Access-Control-Allow-Methods" not in answer.headers
    _assert_shared(answer)


async def test_it_is_off_by_default(acme: Tenant) -> None:
    for answer in (
        await acme.http.options("/v1/deals", headers=_preflight("GET")),
        await acme.http.get("/v1/deals", headers={"Origin": ORIGIN}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "Origin" not in answer.headers.get("Vary", "")


async def test_a_star_allows_every_origin(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("star")
    settings = {"GATEWAY_CORS_ORIGINS": "*"}
    with running_stack(folder, worker=False, settings=settings) as stack:
        async with new_tenant(stack) as tenant:
            for origin in ("https://any.example", "null"):
                headers = _preflight("GET", origin)
                answer = await tenant.http.options("/v1/deals", headers=headers)
                assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
                _assert_shared(answer, "*")
                answer = await tenant.http.get("/v1/deals", headers={"Origin": origin})
                _assert_shared(answer, "*")


@pytest.mark.parametrize(
    "origins",
    [
        *("app.example.com", "https://", "https://app.example.com/", "https://a.example/x"),
        *("https://*.example.com", "*, https://a.example", "null", "https://user@a.example"),
        *("https://a.example:0", "https://a.example:99999", "https://a.example:"),
        *("https://a.example:443", "http://a.example:80", "HTTPS://a.example"),
        *("https://A.example", "https://a.example?x", "https://a.example#x", "https://a b"),
        *("https://-.example", "https://a.example;https://b.example", "https://exämple.de"),
        *("https://[::1", "https://[1::2::3]", "https://a.example\r\nX: y"),
    ],
)
def test_a_malformed_origin_stops_the_start(origins: str) -> None:
    with pytest.raises(SettingError, match="GATEWAY_CORS_ORIGINS: ") as refused:
        load_settings({**REQUIRED, "GATEWAY_CORS_ORIGINS": origins})
    assert "https://app.example.com" in str(refused.value) or "leave out" in str(refused.value)


@pytest.mark.parametrize(
    "origins",
    [
        *("*", ORIGIN, "http://localhost:5173,https://b.example", " https://a.example , ,"),
        *("https://a.example:8443", "http://127.0.0.1:3000", "http://[::1]:3000"),
        *("capacitor://localhost", "chrome-extension://abcdef", "https://xn--exmple-cua.de"),
    ],
)
def test_origins_are_accepted_as_browsers_send_them(origins: str) -> None:
    settings = load_settings({**REQUIRED, "GATEWAY_CORS_ORIGINS": origins})
    assert settings.cors_origins == origins.strip()
