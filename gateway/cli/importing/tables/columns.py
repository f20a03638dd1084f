"""Columns of the tables that Salesforce and HubSpot export, and the fields that they become."""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

# The column of a file of refused rows that has the reason. It is not imported.
REASON_COLUMN: Final = "Reason refused"

# Field -> names of its columns, normalised. The first column with a value is used.
_Columns = Mapping[str, Sequence[str]]

_ACCOUNT_ID: Final = (
    *("accountid", "associatedcompanyidsprimary", "primaryassociatedcompanyid"),
    *("associatedcompanyids", "associatedcompanyid"),
)
_ACCOUNT_NAME: Final = ("accountname", "associatedcompany", "associatedcompanyprimary")
_DELETED: Final = ("isdeleted", "deleted", "isarchived", "archived")
_COLUMNS: Final[Mapping[str, _Columns]] = {
    "deals": {
        "dealId": ("opportunityid", "dealid", "recordid", "id"),
        "name": ("opportunityname", "dealname", "name"),
        "accountId": _ACCOUNT_ID,
        "accountName": _ACCOUNT_NAME,
        "stage": ("stage", "stagename", "dealstage"),
        "pipeline": ("pipeline", "dealpipeline", "type", "opportunitytype"),
        "amount": ("amount",),
        "closed": ("closed", "isclosed", "isdealclosed"),
        "closeDate": ("closedate",),
        "createdDate": ("createddate", "createdate"),
        "lastActivityDate": ("lastactivity", "lastactivitydate"),
        "owner.name": ("opportunityowner", "dealowner", "ownername", "ownerfullname", "owner"),
        "owner.email": ("opportunityowneremail", "dealowneremail", "owneremail"),
        "deleted": _DELETED,
    },
    "accounts": {
        "accountId": ("accountid", "companyid", "recordid", "id"),
        "name": ("accountname", "companyname", "name"),
        "website": ("website", "websiteurl", "companywebsite", "companydomainname", "domainname"),
        "domain": ("companydomainname", "domainname"),
        "createdDate": ("createddate", "createdate"),
        "lastActivityDate": ("lastactivity", "lastactivitydate"),
        "owner.name": ("accountowner", "companyowner", "ownername", "ownerfullname", "owner"),
        "owner.email": ("accountowneremail", "companyowneremail", "owneremail"),
        "deleted": _DELETED,
    },
    "contacts": {
        "contactId": ("contactid", "recordid", "id"),
        "name": ("fullname", "contactname", "name"),
        "firstName": ("firstname",),
        "lastName": ("lastname",),
        "email": ("email", "emailaddress", "workemail", "contactemail"),
        "title": ("title", "jobtitle", "contacttitle"),
        "phone": (
            "phone",
            "phonenumber",
            "businessphone",
            "mobile",
            "mobilephone",
            "mobilephonenumber",
        ),
        "accountId": _ACCOUNT_ID,
        "accountName": (*_ACCOUNT_NAME, "companyname", "company"),
        "deleted": _DELETED,
    },
}
_ID_FIELDS: Final = {"deals": "dealId", "accounts": "accountId", "contacts": "contactId"}
# Columns that have the id of the kind by name. Beside a column `Id` they refer to another record.
_NAMED_IDS: Final[Mapping[str, Sequence[str]]] = {
    "deals": ("opportunityid", "dealid"),
    "accounts": ("accountid", "companyid"),
    "contacts": ("contactid",),
}
_ID_EXAMPLES: Final = {
    "deals": "Opportunity ID, Deal ID",
    "accounts": "Account ID, Company ID",
    "contacts": "Contact ID",
}
# The first of these sets that shares a column with the header determines the kind of the table.
_KIND_COLUMNS: Final = (
    ("deals", {"opportunityid", "opportunityname", "dealid", "dealname"}),
    ("deals", {"stagename", "dealstage", "opportunityowner", "dealowner"}),
    # Leads, cases and activities, which name people and accounts too.
    ("", {"leadid", "leadowner", "isconverted", "converted", "casenumber", "caseid"}),
    ("", {"ticketid", "ticketname", "taskid", "whoid", "whatid"}),
    ("accounts", {"companydomainname", "companyowner", "personcontactid"}),
    ("contacts", {"contactid", "contactname", "contactowner", "firstname", "lastname"}),
    ("accounts", {"companyid", "companyname", "accountowner", "website", "websiteurl"}),
    ("deals", {"stage", "closedate", "isclosed"}),
    ("accounts", {"accountid", "accountname"}),
)
_UNKNOWN_KIND: Final = (
    "the header has columns of neither deals (Opportunity ID, Deal Name, ...) nor"
    " accounts (Account ID, Company name, ...) nor contacts (Contact ID, Last Name, ...)"
)
_PUNCTUATION: Final = re.compile(r"[\W_]+")


def normalise(name: str) -> str:
    """Fold case, and remove spaces and punctuation."""
    return _PUNCTUATION.sub("", name.casefold())


class Layout:
    """The kind of a table, and the positions of its fields by the names in its header.

    `error`: why it cannot be imported; empty if it can. Several columns with one name all belong to
    the field, in their order.
    """

    def __init__(self, header: Sequence[str]) -> None:
        self.header: Final = header
        # Number of columns up to the last one with a name.
        self.named_width: Final = max((n for n, cell in enumerate(header, 1) if cell), default=0)
        names = [normalise(cell) for cell in header]
        self.kind: Final = _kind(names)
        columns = _COLUMNS.get(self.kind, {})
        self.positions: Final = {
            field: [
                position
                for column in candidates
                for position, name in enumerate(names)
                if name == column
            ]
            for field, candidates in columns.items()
        }
        mapped = {position for positions in self.positions.values() for position in positions}
        # Positions of the columns of no field.
        self.others: Final = [
            position
            for position, name in enumerate(names)
            if position not in mapped and name != normalise(REASON_COLUMN)
        ]
        self.mapped: Final = len(mapped)
        self.id_field: Final = _ID_FIELDS.get(self.kind, "")
        self.error: Final = self._error(names)

    @functools.cached_property
    def names(self) -> Mapping[str, str]:
        """Name in the header of each field's first column."""
        return {
            field: self.header[positions[0]]
            for field, positions in self.positions.items()
            if positions
        }

    @functools.cached_property
    def other_names(self) -> Sequence[tuple[int, str]]:
        """Positions and names of the columns of no field. Equal names are numbered."""
        taken: set[str] = set()
        named = []
        for position in self.others:
            name, number = self.header[position], 1
            while name in taken:
                number += 1
                name = f"{self.header[position]} ({number})"
            taken.add(name)
            named.append((position, name))
        return named

    def positions_of(self, fields: Iterable[str]) -> list[int]:
        """Positions of all columns of these fields."""
        return [position for field in fields for position in self.positions.get(field, ())]

    def _error(self, names: Sequence[str]) -> str:
        if not self.kind:
            return _UNKNOWN_KIND
        named = [self.header[names.index(name)] for name in _NAMED_IDS[self.kind] if name in names]
        if named and "id" in names:
            own = self.header[names.index("id")]
            return f"the rows are not {self.kind}: they have their own id {own} beside {named[0]}"
        if self.positions[self.id_field]:
            return ""
        examples = _ID_EXAMPLES[self.kind]
        return f"these are {self.kind}, but no column has their id: {examples}, Record ID or Id"


def _kind(names: Sequence[str]) -> str:
    known = set(names)
    return next((kind for kind, columns in _KIND_COLUMNS if columns & known), "")
