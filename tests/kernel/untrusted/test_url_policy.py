"""URL policy: public hosts only, no spelling of an internal address, no ambiguous URL."""

import ipaddress
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.kernel.core.network import FetchAllowlist
from domains.kernel.untrusted.url_policy import UrlNotAllowed, parse_url

PUBLIC_ONLY = FetchAllowlist()

# IANA's special-purpose networks, and addresses of cloud providers' internal services.
INTERNAL_IPV4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "169.254.169.254/32",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
]
INTERNAL_IPV6 = [
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:2::/48",
    "2001:10::/28",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fd00:ec2::254/128",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://example.com/a/b.pdf?x=1&y=%20#part",
        "HTTPS://EXAMPLE.com:8443/",
        "http://example.com./",
        "http://example.com:/",
        "http://under_score.example.com/",
        "http://bücher.example/straße?ü",
        "http://8.8.8.8/",
        "http://8.8.2056/",
        "http://0x08080808/",
        "http://[2606:4700::1111]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[64:ff9b::808:808]/",
        "http://internal.example.com/",
        "http://notlocal.example/",
        "http://127.0.0.1.example.com/",
    ],
)
def test_public_url_is_allowed(url: str) -> None:
    parse_url(url, PUBLIC_ONLY)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must be an http or https URL"),
        ("example.com", "must be an http or https URL"),
        ("//example.com/", "must be an http or https URL"),
        ("ftp://example.com/", "must be an http or https URL"),
        ("file:///etc/passwd", "must be an http or https URL"),
        ("gopher://example.com/", "must be an http or https URL"),
        ("http:/127.0.0.1/", "must be an http or https URL"),
        ("http:127.0.0.1", "must be an http or https URL"),
        ("http://", "must be an http or https URL"),
        ("http:///path", "must be an http or https URL"),
        ("http://:80/", "must be an http or https URL"),
        ("http://?x", "must be an http or https URL"),
        ("http://[::1]example.com/", "must be an http or https URL"),
        ("http://[::1/", "must be an http or https URL"),
        ("http://user@example.com/", "must not contain a user name or password"),
        ("http://user:word@example.com/", "must not contain a user name or password"),
        ("http://example.com\\@127.0.0.1/", "must not contain a user name or password"),
        ("http://example.com\\.evil.com/", "must name a public host"),
        ("http://exa mple.com/", "must not contain spaces or control characters"),
        (" http://example.com/", "must not contain spaces or control characters"),
        ("http://example.com/\r\nHost: x", "must not contain spaces or control characters"),
        ("http://example.com/\t", "must not contain spaces or control characters"),
        ("http://example.com/\x00", "must not contain spaces or control characters"),
        ("http://example.com/\u2028", "must not contain spaces or control characters"),
        ("http://example.com/\ud800", "must not contain spaces or control characters"),
        ("http://example.com:0/", "must have a port between 1 and 65535"),
        ("http://example.com:65536/", "must have a port between 1 and 65535"),
        ("http://example.com:-1/", "must have a port between 1 and 65535"),
        ("http://example.com:x/", "must have a port between 1 and 65535"),
        ("http://example.com:８０/", "must have a port between 1 and 65535"),
        (f"http://example.com:{'0' * 5000}80/", "must have a port between 1 and 65535"),
        ("http://example.com/" + "x" * 9000, "must be at most 8192 characters long"),
        ("http://localhost/", "must name a public host"),
        ("http://LOCALHOST.:80/", "must name a public host"),
        ("http://a.localhost/", "must name a public host"),
        ("http://printer.local/", "must name a public host"),
        ("http://metadata.google.internal/", "must name a public host"),
        ("http://nas.home.arpa/", "must name a public host"),
        ("http://home.arpa/", "must name a public host"),
        ("http://ｌｏｃａｌｈｏｓｔ/", "must name a public host"),
        ("http://redis/", "must name a public host"),
        ("http://a..example.com/", "must name a public host"),
        ("http://example.com../", "must name a public host"),
        ("http://./", "must name a public host"),
        ("http://-a.example.com/", "must name a public host"),
        (f"http://{'a' * 64}.example.com/", "must name a public host"),
        (f"http://{'a.' * 200}example.com/", "must name a public host"),
        ("http://127%2e0%2e0%2e1/", "must name a public host"),
        ("http://2130706433/", "must name a public host"),
        ("http://0x7f.1/", "must name a public host"),
        ("http://127.1/", "must name a public host"),
        ("http://0177.0.0.1/", "must name a public host"),
        ("http://127.0.0.1./", "must name a public host"),
        ("http://１２７。０．０｡１/", "must name a public host"),
        ("http://①②⑦.0.0.1/", "must name a public host"),
        ("http://example.1/", "must name a public host"),
        ("http://8.8.8.256/", "must name a public host"),
        ("http://8.8.8.8.8/", "must name a public host"),
        ("http://8.8.8.08/", "must name a public host"),
        ("http://4294967297/", "must name a public host"),
        ("http://1_0.8.8.8/", "must name a public host"),
        ("http://[fe80::1%25eth0]/", "must name a public host"),
        ("http://[2606:4700::1111%eth0]/", "must name a public host"),
        ("http://[v1.fe80::a]/", "must name a public host"),
        ("http://[8.8.8.8]/", "must name a public host"),
        ("http://[]/", "must name a public host"),
    ],
)
def test_other_urls_are_refused_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(UrlNotAllowed) as raised:
        parse_url(url, PUBLIC_ONLY)
    assert str(raised.value) == reason


def addresses_in(networks: list[str]) -> st.SearchStrategy[Any]:
    def within(text: str) -> st.SearchStrategy[Any]:
        network = ipaddress.ip_network(text)
        first, last = int(network.network_address), int(network.broadcast_address)
        kind = type(network.network_address)
        return st.one_of(st.sampled_from([first, last]), st.integers(first, last)).map(kind)

    return st.sampled_from(networks).flatmap(within)


@st.composite
def spelled_ipv4(draw: st.DrawFn) -> str:
    """An internal IPv4 address in one of the notations that resolvers and browsers accept."""
    number = int(draw(addresses_in(INTERNAL_IPV4)))
    count = draw(st.integers(1, 4))
    high = [number >> (24 - 8 * place) & 0xFF for place in range(count - 1)]
    values = [*high, number & (1 << (8 * (5 - count))) - 1]
    zeros = "0" * draw(st.integers(0, 3))
    notations: list[Callable[[int], str]] = [
        str,
        lambda value: f"0{zeros}{value:o}",
        lambda value: f"0x{zeros}{value:x}",
        lambda value: f"0X{zeros}{value:X}",
    ]
    text = ".".join(draw(st.sampled_from(notations))(value) for value in values)
    if draw(st.booleans()):
        full_width = {ord(char): ord(char) + 0xFEE0 for char in "0123456789abcdefxABCDEFX"}
        text = text.translate(full_width).replace(
            ".", draw(st.sampled_from(["。", "．", "｡", "."]))
        )
    return text + draw(st.sampled_from(["", "."]))


@st.composite
def spelled_ipv6(draw: st.DrawFn) -> str:
    """An internal IPv6 address, or one that maps to an internal IPv4 address."""
    ipv4 = int(draw(addresses_in(INTERNAL_IPV4)))
    address = draw(
        st.one_of(
            addresses_in(INTERNAL_IPV6),
            st.sampled_from(
                [
                    ipv4,
                    0xFFFF << 32 | ipv4,
                    0xFFFF << 48 | ipv4,
                    0x0064FF9B << 96 | ipv4,
                    0x0064FF9B0001 << 80 | ipv4,
                    0x2002 << 112 | ipv4 << 80 | 1,
                    0x20010000 << 96 | 0x08080808 << 64 | (ipv4 ^ 0xFFFF_FFFF),
                ]
            ).map(ipaddress.IPv6Address),
        )
    )
    last = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    dotted = f"{address.exploded[:30]}{last}"
    text = draw(st.sampled_from([address.compressed, address.exploded, dotted]))
    zone = draw(st.sampled_from(["", "", "%1", "%25eth0"]))
    return f"[{draw(st.sampled_from([text, text.upper()]))}{zone}]"


@settings(max_examples=100)
@given(
    host=st.one_of(spelled_ipv4(), spelled_ipv6()),
    scheme=st.sampled_from(["http", "HTTPS"]),
    rest=st.sampled_from(["", "/", ":80/", "?q", "#f"]),
)
def test_no_spelling_of_an_internal_address_is_allowed(host: str, scheme: str, rest: str) -> None:
    with pytest.raises(UrlNotAllowed) as raised:
        parse_url(f"{scheme}://{host}{rest}", PUBLIC_ONLY)
    assert str(raised.value) == "must name a public host"


@given(st.text(max_size=60), st.sampled_from(["", "http://", "http://[", "https://a@"]))
def test_any_text_is_allowed_or_refused(text: str, prefix: str) -> None:
    with suppress(UrlNotAllowed):
        parse_url(prefix + text, PUBLIC_ONLY)


# ---- the operator's allowlist


@pytest.mark.parametrize(
    ("allowlist", "url", "is_allowed"),
    [
        ("minio", "http://minio/", True),
        (" MinIO. , other", "http://minio:9000/", True),
        ("minio:9000", "http://minio:9000/", True),
        ("minio:9000", "http://minio:9001/", False),
        ("minio", "http://minio.local/", False),
        ("bücher.internal", "http://xn--bcher-kva.internal/", True),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://0xa.1/", True),
        ("10.0.0.0/8", "http://[::ffff:10.0.0.1]/", True),
        ("10.0.0.0/8", "http://11.0.0.1/", True),
        ("10.0.0.0/8", "http://192.168.0.1/", False),
        ("10.0.0.0/8:80", "http://10.1.2.3:81/", False),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/", True),
        ("127.0.0.1:8080", "http://127.0.0.1/", False),
        ("127.0.0.1", "http://localhost/", False),
        ("fd00::/8", "http://[fd00::1]/", True),
        ("[fd00::1]:443", "https://[fd00::1]/", True),
        ("[fd00::1]:443", "http://[fd00::1]/", False),
        ("::1", "http://[::1]/", True),
        ("", "http://127.0.0.1/", False),
    ],
)
def test_allowlist_allows_its_hosts_only(allowlist: str, url: str, is_allowed: bool) -> None:
    with nullcontext() if is_allowed else pytest.raises(UrlNotAllowed):
        parse_url(url, FetchAllowlist.parse(allowlist))


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.1/8",
        "a b",
        "*.example.com",
        "host:0",
        "host:",
        "[::1",
        "[::1]x",
        "127.1",
        "http://x",
    ],
)
def test_invalid_allowlist_is_refused_in_a_sentence(entry: str) -> None:
    with pytest.raises(ValueError, match=r"^.+ (is not|must have) .+\.$"):
        FetchAllowlist.parse(f"fine.example,{entry}")
