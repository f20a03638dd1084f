"""E-mail addresses and domains in the form in which they are compared, and domains of nobody.

Free-mail providers and hosts on which everybody may have a page belong to no organization: their
domains neither link a person to an account nor make a person internal. `free_mail_domains.txt` is
the list of another project (see NOTICE); the other two lists are this project's own.
"""

import functools
import re
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

import idna

from domains.kernel.core.normal_form import nfc

MAX_HOST_LENGTH: Final = 253

# Results that each cached function keeps. Addresses recur within a record, and in the next ones.
_CACHE_SIZE: Final = 1_024

# Providers with domains in many countries, beyond those in the list.
_FREE_MAIL_FAMILY: Final = re.compile(
    r"(aol|gmx|googlemail|hotmail|live|msn|outlook|protonmail|rocketmail|tutanota|windowslive|yahoo"
    r"|yandex|ymail)\.((com?|ne|net|or)\.)?([a-z]{2}|com|net|org|info)"
)
# Country codes that companies of every country use.
_GENERIC_COUNTRY_CODES: Final = (".ai", ".co", ".fm", ".gg", ".io", ".me", ".so", ".tv")
# The parts of a URL's host. Not longer than a label of a domain, whose conversion takes time.
_LABEL: Final = re.compile(r"(?<![^./:@])[^./:@?#]{1,63}(?![^./:@?#])")
# Longer domains are not converted, because each label takes time.
_MAX_DOTS: Final = 10
_SEPARATOR: Final = re.compile(r"[\s,;|]")
# Companies whose sites also have pages about others.
_HOST_OF_PAGES: Final = re.compile(
    r"(.+\.)?(airbnb|amazon|booking|crunchbase|eventbrite|fiverr|glassdoor|google|indeed|kickstarter"
    r"|spotify|tripadvisor|trustpilot|upwork|wikipedia|yelp)\.((com?)\.)?[a-z]{2,3}"
)
_GOOGLE_SERVICE: Final = re.compile(r".+\.google\.((com?)\.)?[a-z]{2,3}")


@functools.lru_cache(_CACHE_SIZE)
def normalized_email(email: str) -> str:
    """Form for comparisons: lower case, NFC, the domain in ASCII, without surrounding spaces.

    Also accepts `Ana Berg <ana@acme.com>`, `mailto:ana@acme.com` and `'ana@acme.com'`.
    """
    email = email.strip().lower()
    if email.endswith(">"):
        email = email.rpartition("<")[2][:-1].strip()
    email = email.removeprefix("mailto:")
    if email.startswith("'") and email.endswith("'"):
        email = email[1:-1]
    if email.isascii():
        return email
    local, at, domain = email.rpartition("@")
    return nfc(local) + at + ascii_domain(domain)


def ascii_domain(domain: str) -> str:
    """Form for comparisons: lower case, labels beyond ASCII in Punycode.

    A text that is no domain is returned in lower case.
    """
    domain = domain.lower()
    if domain.isascii():
        return domain
    if len(domain) > MAX_HOST_LENGTH or domain.count(".") > _MAX_DOTS:
        return domain
    return _punycode(nfc(domain))


@functools.lru_cache(_CACHE_SIZE)
def _punycode(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return domain


def other_spelling(website: str) -> str:
    """The labels of a part of a URL in Punycode, or in Unicode if some are in Punycode."""
    if "xn--" in website.lower():
        return _LABEL.sub(_unicode_label, website)
    return website if website.isascii() else _LABEL.sub(_ascii_label, website)


def _ascii_label(label: re.Match[str]) -> str:
    return ascii_domain(label[0])


def _unicode_label(label: re.Match[str]) -> str:
    try:
        return idna.decode(label[0])
    except (idna.IDNAError, UnicodeError):
        return label[0]


@functools.lru_cache(_CACHE_SIZE)
def base_address(email: str) -> str:
    """Address without a plus tag: `ana@acme.com` for `ana+crm@acme.com`."""
    local, at, domain = email.rpartition("@")
    base, _, _ = local.partition("+")
    return base + at + domain if base else email


def email_domain(email: str) -> str:
    """Part after the last @; empty if there is none."""
    return email.rpartition("@")[2] if "@" in email else ""


def domain_of_website(website: str) -> str:
    """E-mail domain of a website: its host without `www.`; empty if there is none or it is shared.

    The website may lack a scheme. Of several websites, the first one counts.
    """
    website = _SEPARATOR.split(website.strip(), maxsplit=1)[0]
    try:
        url = urlsplit(website if "://" in website else f"//{website}")
        host = url.hostname or ""
    except ValueError:
        return ""
    host = ascii_domain(host.removeprefix("www.").strip("."))
    if "." not in host or len(host) > MAX_HOST_LENGTH or is_shared(host):
        return ""
    is_page = url.path.strip("/") and _HOST_OF_PAGES.fullmatch(host)
    return "" if is_page or _GOOGLE_SERVICE.fullmatch(host) else host


@functools.lru_cache(_CACHE_SIZE)
def is_shared(domain: str) -> bool:
    """True for the domain of a free-mail provider or a host of everybody's pages.

    `domain` is in the form of `ascii_domain`.
    """
    if domain in _listed("free_mail_domains") or domain in _listed("more_free_mail_domains"):
        return True
    if _FREE_MAIL_FAMILY.fullmatch(domain) and not domain.endswith(_GENERIC_COUNTRY_CODES):
        return True
    labels = domain.split(".")
    return any(".".join(labels[-count:]) in _listed("shared_hosts") for count in (2, 3, 4))


@functools.cache
def _listed(name: str) -> frozenset[str]:
    """The domains in a text file of this package, one a line."""
    text = files(__package__).joinpath(f"{name}.txt").read_text(encoding="ascii")
    return frozenset(text.split())
