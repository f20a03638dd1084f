"""Cookies of one fetch: accepted, bounded, and sent to the host that set them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.core.network import FetchAllowlist
from domains.kernel.untrusted.cookies import CookieJar
from domains.kernel.untrusted.url_policy import ParsedUrl, parse_url


def url(text: str) -> ParsedUrl:
    return parse_url(text, FetchAllowlist())


HTTP = url("http://files.example/a")
HTTPS = url("https://files.example:8443/b")


def header_after(*set_cookies: bytes, from_url: ParsedUrl = HTTPS) -> bytes | None:
    jar = CookieJar()
    jar.store(from_url, set_cookies)
    return jar.header(HTTPS)


@pytest.mark.parametrize(
    ("set_cookies", "expected"),
    [
        ([b"a=1", b"b=2; Path=/x; HttpOnly"], b"a=1; b=2"),
        ([b"a=1", b"a=2"], b"a=2"),
        ([b' a = "x y" ;Domain=.example'], b'a="x y"'),
        ([b"a=1=2"], b"a=1=2"),
        ([b"a=\xc3\xa4"], b"a=\xc3\xa4"),
        ([b"a=1; secure"], b"a=1"),
        ([b"a=1", b"a=; Max-Age=0"], None),
        ([b"a=1", b"a=x; Expires=Thu, 01-Jan-1970 00:00:01 GMT"], None),
        ([b"a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:01 GMT"], b"a=1"),
        ([b"a=1; Expires=Fri, 31 Dec 2999 23:59:59 GMT"], b"a=1"),
        ([b"a=1; Expires=soon; Max-Age=long"], b"a=1"),
        ([b"no pair", b"=x", b"", b";", b"a b=1", b"a=\x00", b"\xff=1"], None),
        ([b"a=" + b"x" * 4095], None),
    ],
)
def test_header(set_cookies: list[bytes], expected: bytes | None) -> None:
    assert header_after(*set_cookies) == expected


def test_cookies_are_for_the_exact_host_and_secure_ones_for_https() -> None:
    jar = CookieJar()
    jar.store(HTTPS, [b"s=1; Secure", b"p=2"])
    jar.store(HTTP, [b"refused=1; Secure"])
    assert jar.header(HTTPS) == b"s=1; p=2"
    assert jar.header(HTTP) == b"p=2"
    for other in (
        "https://example.org/",
        "https://www.files.example/",
        "https://files.example.org/",
    ):
        assert jar.header(url(other)) is None


@given(st.lists(st.binary(max_size=60) | st.from_regex(rb"[a-z]{1,3}=[a-z]{0,20}", fullmatch=True)))
def test_any_headers_give_a_bounded_header_of_valid_pairs(set_cookies: list[bytes]) -> None:
    header = header_after(*set_cookies)
    if header is not None:
        pairs = header.split(b"; ")
        assert len(pairs) <= 20
        assert all(b"=" in pair and b"\n" not in pair for pair in pairs)


def test_number_and_size_are_limited() -> None:
    many = header_after(*(f"c{number}=1".encode() for number in range(1000)))
    assert many is not None
    assert many.count(b"=") == 20
    large = header_after(*(f"c{number}={'x' * 4000}".encode() for number in range(20)))
    assert large is not None
    assert len(large) <= 8192
