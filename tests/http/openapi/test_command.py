"""`gateway openapi` prints the documents that the API serves."""

import json
import os
import subprocess
import sys

import pytest

from tests.http.published import DISCOVERY_DOCUMENT, FULL_DOCUMENT, REVENUE_DOCUMENT
from tests.stack import Stack, get


@pytest.mark.parametrize(
    ("surface", "path"),
    [("both", FULL_DOCUMENT), ("discovery", DISCOVERY_DOCUMENT), ("revenue", REVENUE_DOCUMENT)],
)
def test_it_prints_the_served_document_without_servers(
    stack: Stack, surface: str, path: str
) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "gateway", "openapi", "--surface", surface, "--url", stack.base_url],
        capture_output=True,
        # Neither a database nor Redis.
        env={"PATH": os.environ["PATH"]},
        timeout=120,
        check=True,
    )
    answer = get(stack.base_url + path, timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    served = answer.json()
    for document in (given := json.loads(printed.stdout), served):
        # Their URL is the one that clients use.
        for url in (document["servers"][0], document["info"]["contact"], document["externalDocs"]):
            del url["url"]
    assert given == served
