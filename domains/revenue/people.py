"""People in records: how they are sent and shown, and which of them are external."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from domains.kernel.core.field_docs import doc, named
from domains.kernel.core.normal_form import nfc
from domains.revenue.addresses.email_domains import (
    ascii_domain,
    base_address,
    email_domain,
    is_shared,
    normalized_email,
)

Version = Annotated[Literal[1], doc("Format version; always 1")]
MeetingType = Annotated[
    Literal["INTERNAL", "EXTERNAL"],
    named("MeetingTypes", "EXTERNAL: with people outside the organization; INTERNAL: without"),
]

# Longer values do not fit into an index.
Email = Annotated[str, Meta(max_length=512, extra_json_schema={"format": "email"})]
FullName = Annotated[str | None, doc("Full name", "Ana Berg")]
# As stored: imports and older records may have longer ones.
_StoredEmail = Annotated[str, Meta(extra_json_schema={"format": "email"})]
EmailAddress = Annotated[_StoredEmail | None, doc("E-mail address", "ana@halden.example")]


class Person(msgspec.Struct, rename="camel", kw_only=True):
    """A person in a request."""

    version: Version = 1
    id: Annotated[str | None, doc("Id in the source system")] = None
    name: Annotated[Annotated[str, Meta(max_length=1000)] | None, doc("Full name", "Ana Berg")] = (
        None
    )
    email: Annotated[Email | None, doc("E-mail address", "ana@halden.example")] = None


class Owner(msgspec.Struct, rename="camel"):
    """The owner of a deal or account."""

    name: Annotated[str | None, doc("Full name", "Rosa Lind")] = None
    email: Annotated[_StoredEmail | None, doc("E-mail address", "rosa@acme.example")] = None


class Contact(msgspec.Struct, rename="camel"):
    """A person on the customer's side."""

    name: FullName = None
    email: EmailAddress = None
    title: Annotated[str | None, doc("Job title", "Operations")] = None
    phone: Annotated[str | None, doc("Phone number", "+47 555 0199")] = None


class HasEmail(Protocol):
    email: str | None


class HasNameAndEmail(HasEmail, Protocol):
    name: str | None


class ParticipantColumns(NamedTuple):
    """Columns of a conversation that follow from its participants."""

    type: MeetingType
    # One per line, for the filter by attendee.
    names: str
    emails: list[str]
    domains: list[str]
    outside: list[str]
    outside_domains: list[str]


def participant_columns(
    people: Iterable[HasNameAndEmail], owner_emails: Iterable[str], own_domains: Iterable[str]
) -> ParticipantColumns:
    """Derive the columns. INTERNAL: no participant is external and at least one has an address."""
    listed = list(people)
    emails = distinct_emails(listed)
    outside, outside_domains = external_emails(listed, owner_emails, own_domains)
    names = (nfc(person.name or "") for person in listed)
    return ParticipantColumns(
        "INTERNAL" if emails and not outside else "EXTERNAL",
        "\n".join(distinct(" ".join(name.split()) for name in names)),
        emails,
        distinct(map(email_domain, emails)),
        outside,
        outside_domains,
    )


def external_emails(
    people: Iterable[HasEmail], owner_emails: Iterable[str], own_domains: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Return the e-mail addresses of external people, as `matched_emails`, and their domains.

    A person is internal if the domain is one of the workspace's or of the record's owners, or if
    the address is an owner's. The domains of free-mail providers and shared hosts count only if
    they are the workspace's; they are not returned.
    """
    owners = {base_address(normalized_email(email)) for email in owner_emails}
    internal = {
        *(domain for domain in map(email_domain, owners) if domain and not is_shared(domain)),
        *map(ascii_domain, own_domains),
    }
    outside = {
        sent: email
        for sent, email in _normalized(_sent_emails(people)).items()
        if email_domain(email) not in internal and base_address(email) not in owners
    }
    domains = distinct(map(email_domain, outside.values()))
    return _all_forms(outside), [domain for domain in domains if not is_shared(domain)]


def matched_emails(sent: Iterable[str]) -> list[str]:
    """E-mail addresses in all forms that links are found by.

    These are the normalized addresses, those without plus tags, and those as sent in lower case.
    """
    return _all_forms(_normalized(sent))


def contact_emails(contacts: Iterable[HasEmail]) -> list[str]:
    """E-mail addresses of the contacts of a deal or account, as `matched_emails`."""
    return matched_emails(_sent_emails(contacts))


def distinct_emails(people: Iterable[HasEmail]) -> list[str]:
    """Normalized e-mail addresses of the people who have one."""
    return distinct(map(normalized_email, _sent_emails(people)))


def _normalized(sent: Iterable[str]) -> dict[str, str]:
    """Map addresses as sent, in lower case, to their normalized form."""
    return {email: normalized_email(email) for email in (text.strip().lower() for text in sent)}


def _all_forms(normalized: Mapping[str, str]) -> list[str]:
    emails = normalized.values()
    return distinct([*emails, *map(base_address, emails), *normalized])


def _sent_emails(people: Iterable[HasEmail]) -> list[str]:
    return [person.email for person in people if person.email]


def distinct(texts: Iterable[str]) -> list[str]:
    """Remove empty texts and duplicates. Keeps the order."""
    return list(dict.fromkeys(filter(None, texts)))
