"""Cookies of one fetch: kept from a redirect to the next request, then forgotten."""

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from email.utils import mktime_tz, parsedate_tz
from typing import Final

from domains.kernel.untrusted.url_policy import ParsedUrl

# Cookies of one host, and bytes of one cookie. Servers and proxies limit the header to some KB.
_MAX_COOKIES: Final = 20
_MAX_COOKIE_BYTES: Final = 4096
_MAX_HEADER_BYTES: Final = 8192
# Characters of an attribute that is parsed.
_MAX_ATTRIBUTE_LENGTH: Final = 64

_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(rb"[^\x00-\x1f\x7f;]*")


class CookieJar:
    """Cookies by host. A cookie is sent only to the exact host that set it, on any port and path.

    A `Secure` cookie is accepted from and sent to https URLs only.
    """

    def __init__(self) -> None:
        # Host -> name -> value and whether it is secure.
        self._hosts: dict[str, dict[bytes, tuple[bytes, bool]]] = {}

    def store(self, url: ParsedUrl, set_cookies: Iterable[bytes]) -> None:
        """Store the cookies of the `Set-Cookie` headers in a response from `url`.

        Ignores invalid and too long cookies, and all beyond 20 of a host. Deletes expired ones.
        """
        cookies = self._hosts.setdefault(url.host, {})
        for header in set_cookies:
            pair, *attributes = header[:_MAX_COOKIE_BYTES].split(b";")
            name, equals, value = (part.strip() for part in pair.partition(b"="))
            is_valid = equals and _NAME.fullmatch(name) and _VALUE.fullmatch(value)
            if not is_valid or len(header) > _MAX_COOKIE_BYTES:
                continue
            values = _attribute_values(attributes)
            secure = "secure" in values
            if secure and url.scheme != "https":
                continue
            if _has_expired(values):
                cookies.pop(name, None)
            elif name in cookies or len(cookies) < _MAX_COOKIES:
                cookies[name] = value, secure

    def header(self, url: ParsedUrl) -> bytes | None:
        """Return the `Cookie` header for a request to `url`, at most 8 KB, or None."""
        pairs: list[bytes] = []
        size = 0
        for name, (value, secure) in self._hosts.get(url.host, {}).items():
            size += len(name) + len(value) + 3
            if size > _MAX_HEADER_BYTES:
                break
            if not secure or url.scheme == "https":
                pairs.append(name + b"=" + value)
        return b"; ".join(pairs) if pairs else None


def _attribute_values(attributes: Iterable[bytes]) -> dict[str, str]:
    pairs = (text.decode("latin-1").partition("=") for text in attributes)
    return {name.strip().lower(): value.strip()[:_MAX_ATTRIBUTE_LENGTH] for name, _, value in pairs}


def _has_expired(attributes: dict[str, str]) -> bool:
    """True if `Max-Age`, or else `Expires`, has passed."""
    age = attributes.get("max-age", "")
    if re.fullmatch(r"-?[0-9]+", age):
        return int(age) <= 0
    with suppress(ValueError, OverflowError):
        expires = parsedate_tz(attributes.get("expires", ""))
        return expires is not None and mktime_tz(expires) <= time.time()
    return False
