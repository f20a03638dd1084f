"""Which addresses and URLs may be fetched for a customer: public ones, and what an operator allows.

Nothing here looks a name up. A URL is taken apart once, and only its parts are used from then on:
two readers of one URL may disagree on its host.
"""

import re
from typing import Final
from urllib.parse import quote

import msgspec

from domains.kernel.core.network import (
    AUTHORITY,
    INVALID_PORT,
    Allowed,
    is_public_name,
    parse_host,
    parse_ipv6,
    parse_port,
)

_LONGEST_URL: Final = 8192
_PORTS: Final = {"http": 80, "https": 443}

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]+)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(#.*)?",
    re.IGNORECASE,
)
_NO_URL: Final = "must be an http or https URL"
_NOT_PUBLIC: Final = "must be the URL of a public host"


class FetchFailed(Exception):
    """A URL was not fetched. `reason` is for the customer and tells nothing of our network."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(FetchFailed):
    """This will not be fetched, now or later.

    Of `check_url` and `parse_url` the reason is a fragment that goes after the field's name
    ("must be ..."), of a fetch a sentence.
    """


class ParsedUrl(msgspec.Struct, frozen=True):
    """A URL taken apart. `host` is a name or an address as text, `target` the path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def check_url(url: str, allowed: Allowed) -> None:
    """Refused, with a fragment, for what no fetch would try. Looks nothing up."""
    parse_url(url, allowed)


def parse_url(url: str, allowed: Allowed) -> ParsedUrl:
    """The parts of a URL that may be tried; Refused like `check_url`.

    A host that is an address may be reached; the addresses of a name are still to be checked.
    """
    if len(url) > _LONGEST_URL:
        raise Refused(f"must be at most {_LONGEST_URL} characters long")
    if not url.isprintable() or " " in url:
        raise Refused("must not hold spaces or control characters")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise Refused(_NO_URL)
    if "@" in parts["authority"]:
        raise Refused("must not hold a user name or password")
    authority = AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise Refused(_NO_URL)
    scheme = parts["scheme"].lower()
    try:
        port = parse_port(authority["port"]) if authority["port"] else _PORTS[scheme]
    except ValueError:
        raise Refused(INVALID_PORT) from None
    try:
        host = (
            parse_host(authority["name"])
            if authority["six"] is None
            else parse_ipv6(authority["six"])
        )
    except ValueError:
        raise Refused(_NOT_PUBLIC) from None
    if isinstance(host, str):
        fine = is_public_name(host) or allowed.has_name(host, port)
    else:
        fine = allowed.may_reach(host, port)
    if not fine:
        raise Refused(_NOT_PUBLIC)
    target = (parts["path"] or "/") + (parts["query"] or "")
    return ParsedUrl(scheme, str(host), port, quote(target, safe="%/?:@!$&'()*+,;=-._~[]"))
