"""People in records: how they are sent and shown, and which of them are external."""

from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from domains.kernel.core.field_docs import doc

Version = Annotated[Literal[1], doc("Format version; always 1")]
MeetingType = Literal["INTERNAL", "EXTERNAL"]

# Longer values do not fit into an index.
Email = Annotated[str, Meta(max_length=512)]
FullName = Annotated[str | None, doc("Full name", "Ana Berg")]
EmailAddress = Annotated[str | None, doc("E-mail address", "ana@halden.example")]


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
    email: Annotated[str | None, doc("E-mail address", "rosa@acme.example")] = None


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
    named = [(person.name or "", normalized_email(person)) for person in people]
    emails = distinct(email for _, email in named)
    outside, outside_domains = external_emails(emails, owner_emails, own_domains)
    return ParticipantColumns(
        "INTERNAL" if emails and not outside else "EXTERNAL",
        "\n".join(distinct(" ".join(name.split()) for name, _ in named)),
        emails,
        distinct(map(email_domain, emails)),
        outside,
        outside_domains,
    )


def external_emails(
    emails: Iterable[str], owner_emails: Iterable[str], own_domains: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Return the e-mail addresses of external people, and their domains.

    A person is internal if the domain is one of the workspace's or of the record's owners.
    """
    internal = {*(email_domain(email.strip()) for email in owner_emails), *own_domains}
    outside = [email for email in emails if email_domain(email) not in internal]
    return outside, distinct(map(email_domain, outside))


def normalized_email(person: HasEmail) -> str:
    """E-mail address for comparisons: lower case, without surrounding spaces; empty if none."""
    return (person.email or "").strip().lower()


def email_domain(email: str) -> str:
    """Part after the last @, in lower case; empty if there is none."""
    return email.rpartition("@")[2].lower() if "@" in email else ""


def distinct(texts: Iterable[str]) -> list[str]:
    """Remove empty texts and duplicates. Keeps the order."""
    return list(dict.fromkeys(filter(None, texts)))
