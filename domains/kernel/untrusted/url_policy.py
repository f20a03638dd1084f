"""URLs from outside: parse one and check that it may be fetched.

`core/network.py` has the rules for hosts and addresses. This module applies them to the host of a
URL, without resolving it. `fetch.py` applies them to the addresses that a host name resolves to.
"""

import re
from typing import Final
from urllib.parse import quote

import msgspec

from domains.kernel.core.network import (
    AUTHORITY,
    INVALID_PORT,
    FetchAllowlist,
    is_public_name,
    parse_host,
    parse_ipv6,
    parse_port,
)

_MAX_URL_LENGTH: Final = 8192
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]+)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(#.*)?",
    re.IGNORECASE,
)
_NOT_HTTP: Final = "must be an http or https URL"
_NOT_PUBLIC: Final = "must name a public host"


class UrlNotAllowed(Exception):
    """A URL must not be fetched. The message follows the name of a field: "must be ..."."""


class ParsedUrl(msgspec.Struct, frozen=True):
    """The parts of a URL. `host` is a name or an IP address, `target` the path and query.

    Requests are built from these parts. A second parser could read another host from the same URL.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as in a Host header, without the scheme's default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(url: str, allowed: FetchAllowlist) -> ParsedUrl:
    """Parse a URL that may be fetched. Raises UrlNotAllowed. Host names are not resolved.

    A host that is an IP address is checked here. The addresses of a host name are still unchecked.
    """
    if len(url) > _MAX_URL_LENGTH:
        raise UrlNotAllowed(f"must be at most {_MAX_URL_LENGTH} characters long")
    if not url.isprintable() or " " in url:
        raise UrlNotAllowed("must not contain spaces or control characters")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise UrlNotAllowed(_NOT_HTTP)
    if "@" in parts["authority"]:
        raise UrlNotAllowed("must not contain a user name or password")
    authority = AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise UrlNotAllowed(_NOT_HTTP)
    scheme = parts["scheme"].lower()
    try:
        port = parse_port(authority["port"]) if authority["port"] else _DEFAULT_PORTS[scheme]
    except ValueError:
        raise UrlNotAllowed(INVALID_PORT) from None
    try:
        host = (
            parse_host(authority["name"])
            if authority["ipv6"] is None
            else parse_ipv6(authority["ipv6"])
        )
    except ValueError:
        raise UrlNotAllowed(_NOT_PUBLIC) from None
    if isinstance(host, str):
        is_allowed = is_public_name(host) or allowed.allows_name(host, port)
    else:
        is_allowed = allowed.allows_address(host, port)
    if not is_allowed:
        raise UrlNotAllowed(_NOT_PUBLIC)
    target = (parts["path"] or "/") + (parts["query"] or "")
    return ParsedUrl(scheme, str(host), port, quote(target, safe="%/?:@!$&'()*+,;=-._~[]"))
