"""The API reference in Chromium. `make ui-test` runs this; `make test` needs no browser."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.stack import TIMEOUT, Stack, Tenant

expect.set_options(timeout=TIMEOUT * 1000)

# Width and height of a desktop and of a phone.
SIZES = ((1280, 900), (390, 844))
SCHEMES = ("light", "dark")
SURFACES = {
    "discovery-api": ("Discovery API", "tag/signals/GET", "/external/v1/signals"),
    "revenue-record-api": ("Revenue record API", "tag/conversations/GET", "/v1/conversations"),
}


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser that CHROMIUM names, by default Debian's."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            # Chromium refuses to start as root with its sandbox.
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        yield started
        await started.close()


@asynccontextmanager
async def opened(
    browser: Browser, stack: Stack, place: str, size: tuple[int, int], scheme: Any
) -> AsyncIterator[Page]:
    """Open the reference. Fails on requests to other servers, script errors and CSP violations."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
    )
    await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=stack.base_url)
    context.set_default_timeout(TIMEOUT * 1000)
    page = await context.new_page()
    problems: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if message.type == "error" and "favicon" not in message.location["url"]
            else None
        ),
    )
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    await page.goto(f"{stack.base_url}/reference#{place}")
    yield page
    await context.close()
    assert problems == []
    assert hosts <= {urlsplit(stack.base_url).netloc, ""}


async def assert_no_sideways_scroll(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("surface", SURFACES)
async def test_it_shows_each_surface(
    browser: Browser, stack: Stack, surface: str, size: tuple[int, int], scheme: str
) -> None:
    title, _, _ = SURFACES[surface]
    async with opened(browser, stack, surface, size, scheme) as page:
        await expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        await expect(page.get_by_role("heading", name="Pagination")).to_be_attached()
        await expect(page.locator("body")).to_have_class(re.compile(f"{scheme}-mode"))
        await assert_no_sideways_scroll(page)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("surface", SURFACES)
async def test_a_request_with_a_key_succeeds_and_the_key_is_not_stored(
    browser: Browser, stack: Stack, acme: Tenant, surface: str, size: tuple[int, int]
) -> None:
    _, place, path = SURFACES[surface]
    async with opened(browser, stack, f"{surface}/{place}{path}", size, "dark") as page:
        await page.get_by_role("button", name=f"Test Request (get {path})", exact=True).click()
        await page.locator("input[placeholder=Token]:visible").first.fill(acme.key)
        async with page.expect_response(lambda response: response.url.endswith(path)) as sent:
            await page.get_by_role("button", name=re.compile("^Send")).first.click()
        assert (await sent.value).status == 200
        await expect(page.get_by_text("200 OK").first).to_be_visible()
        await assert_no_sideways_scroll(page)
        stored = await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        assert acme.key not in stored
        assert await page.context.cookies() == []


async def test_search_finds_an_operation(browser: Browser, stack: Stack) -> None:
    async with opened(browser, stack, "discovery-api", SIZES[0], "light") as page:
        await page.get_by_text("Search", exact=True).first.click()
        await page.keyboard.type("quotes of an insight")
        await page.get_by_role("dialog").get_by_text("List the quotes of an insight").click()
        await expect(page).to_have_url(re.compile("/insights/{id}/evidence$"))


@pytest.mark.parametrize(
    ("menu", "expected"),
    [
        ("Shell Curl", "curl "),
        ("Python Requests", "requests.get("),
        ("JavaScript Fetch", "fetch("),
    ],
)
async def test_samples_name_this_server_and_can_be_copied(
    browser: Browser, stack: Stack, menu: str, expected: str
) -> None:
    place = "discovery-api/tag/signals/GET/external/v1/signals"
    async with opened(browser, stack, place, SIZES[0], "light") as page:
        request = page.get_by_role("button", name="Test Request (get /external/v1/signals)")
        sample = page.locator(".scalar-card", has=request).first
        await sample.get_by_role("button", name=re.compile("Shell Curl")).click()
        await page.get_by_role("option", name=menu.partition(" ")[2], exact=True).first.click()
        await expect(sample).to_contain_text(expected)
        code = sample.locator("pre").first
        await code.hover()
        await sample.get_by_role("button", name=re.compile("Copy")).first.click()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert expected in copied
        assert f"{stack.base_url}/external/v1/signals" in copied
