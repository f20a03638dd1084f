"""HEAD on every path that serves GET."""

import httpx
import pytest

from tests.conftest import MakeTenant
from tests.http.conventions.every_path import METRICS, PAGES, Records, documented_gets
from tests.http.published import Json
from tests.stack import Stack

# Headers that two requests do not share.
VARYING = ("date", "x-request-id")
# Their bodies differ from request to request.
MEASURED = ("/health", METRICS)


def _headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in VARYING}


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
async def test_head_is_get_without_a_body(
    accepted: str, records: Records, full_document: Json
) -> None:
    paths = [*map(records.fill, documented_gets(full_document)), *PAGES, *MEASURED]
    for path in paths:
        http, headers = records.owner.http, {"Accept-Encoding": accepted}
        got = await http.get(path, headers=headers)
        head = await http.head(path, headers=headers)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert got.status_code in (200, 302), path
        if path in MEASURED:
            assert head.headers.keys() == got.headers.keys(), path
        else:
            assert _headers(head) == _headers(got), path
            assert "content-length" in head.headers or got.status_code == 302, path
        assert "HEAD" in (await http.options(path)).headers["Allow"].split(", "), path


async def test_head_sends_the_errors_of_get_without_a_body(
    make_tenant: MakeTenant, full_document: Json, records: Records
) -> None:
    nobody = await make_tenant(scopes=["ideas:delete"])
    wrong = {"Authorization": "Bearer sk_live_wrong"}
    keys: list[dict[str, str]] = [{}, wrong, {"Authorization": ""}]
    for template in documented_gets(full_document):
        path = records.fill(template)
        for key in keys:
            got = await nobody.http.get(path, headers=key)
            head = await nobody.http.head(path, headers=key)
            assert (head.status_code, head.content) == (got.status_code, b"")
            if path not in MEASURED:
                assert _headers(head) == _headers(got), path


async def test_head_of_an_unknown_record_or_path_is_404(records: Records) -> None:
    unknown = "01a2289d-65cf-75bf-91f4-f041a500af1d"
    for path in ("/nothing", f"/v1/rows/{unknown}", f"/external/v1/ideas/{unknown}"):
        head = await records.owner.http.head(path)
        assert (head.status_code, head.content) == (404, b"")


async def test_head_is_refused_where_there_is_no_get(records: Records) -> None:
    head = await records.owner.http.head("/external/v1/insights/process-transcript/insights")
    assert (head.status_code, head.content) == (405, b"")
    assert head.headers["Allow"] == "OPTIONS, POST"


async def test_metrics_and_log_name_the_method_head(records: Records, stack: Stack) -> None:
    request_id = "head-of-ideas"
    response = await records.owner.http.head(
        "/external/v1/ideas", headers={"X-Request-Id": request_id}
    )
    assert response.status_code == 200
    metrics = (await records.owner.http.get(METRICS)).text
    label = 'gateway_requests_total{method="HEAD",route="/external/v1/ideas",status="200"}'
    assert label in metrics
    (line,) = [line for line in stack.api.log.read_text().splitlines() if request_id in line]
    assert '"method":"HEAD"' in line
