"""Search in scripts without spaces, comparison in NFC, domains of nobody

Rewrites the search columns of insights, opportunities and ideas and rebuilds the search indexes of
the revenue record. Free-mail providers and shared hosts are no longer domains of accounts: accounts
that had them are relinked. Addresses with plus tags are also stored without, and domains in
Punycode.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from domains.kernel.core.ids import new_id
from domains.revenue.addresses.email_domains import (
    ascii_domain,
    email_domain,
    is_shared,
    normalized_email,
)
from domains.revenue.people import distinct, external_emails, matched_emails

revision = "0009"
down_revision = "0007"

# Character ranges of a regular expression.
_CJK = (
    r"\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U000323af"
)
_LETTERS = (
    rf"{_CJK}\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6"
    r"\u0edc-\u0edf\u1780-\u17b3\u17d7\u17dc"
)
_MARKS = (
    r"\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u17b4-\u17d3\u17dd"
    r"\u3099\u309a"
)
_INVISIBLE = r"\u00ad\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef"


def _combining_marks() -> str:
    """Ranges of a regular expression."""
    ranges: list[list[int]] = []
    for number in range(0x20000):
        if unicodedata.combining(chr(number)):
            if ranges and ranges[-1][1] == number - 1:
                ranges[-1][1] = number
            else:
                ranges.append([number, number])
    return "".join(rf"\U{first:08x}-\U{last:08x}" for first, last in ranges)


# SQL: the value has more combining marks in a row than are sorted in good time.
_HAS_TOO_MANY_MARKS = (
    f"octet_length(value) - length(value) > 30 and value ~ '[{_combining_marks()}]{{31}}'"
)

_FUNCTIONS = {
    # The form in which texts are compared.
    "nfc(text)": f"""
        create function nfc(value text) returns text
        language sql immutable parallel safe as $$
            select case when octet_length(value) = length(value) then value
                when {_HAS_TOO_MANY_MARKS} then value
                when value is nfc normalized then value
                else normalize(value) end
        $$
    """,
    # Runs of letters of scripts without spaces become overlapping pairs of letters, between the
    # first and the last letter: see domains/kernel/db/full_text.py.
    "search_text(text)": rf"""
        create function search_text(value text) returns text
        language plpgsql immutable strict parallel safe as $$
        begin
            if octet_length(value) = length(value) then
                return value;
            end if;
            value := case when {_HAS_TOO_MANY_MARKS} then value
                when value ~ '[\u3000\uff01-\uffef]' then normalize(value, NFKC)
                else normalize(value) end;
            if value !~ '[{_LETTERS}]' then
                return value;
            end if;
            value := regexp_replace(value, '[{_INVISIBLE}]', '', 'g');
            value := regexp_replace(value, '((?:[{_LETTERS}][{_MARKS}]*)+)', ' \1 ', 'g');
            return regexp_replace(value, '([{_LETTERS}][{_MARKS}]*)', '\1 \1', 'g');
        end $$
    """,
    # All pairs of neighbouring Chinese, Japanese or Korean characters, to find short patterns.
    "cjk_pairs(text[])": rf"""
        create function cjk_pairs(variadic texts text[]) returns text[]
        language plpgsql immutable strict parallel safe as $$
        declare
            value text := array_to_string(texts, E'\n');
        begin
            if octet_length(value) = length(value) then
                return '{{}}';
            end if;
            if not ({_HAS_TOO_MANY_MARKS}) then
                value := normalize(value);
            end if;
            return array(
                select distinct pair
                from unnest(string_to_array(regexp_replace(
                    value, '([{_CJK}])', '\1 \1', 'g'), ' ')) as word,
                    substring(word from '[{_CJK}]{{2}}') as pair
                where pair is not null
            );
        end $$
    """,
    # Addresses other than those that another one has without its plus tag.
    "given_addresses(text[])": r"""
        create function given_addresses(emails text[]) returns text[]
        language plpgsql immutable strict parallel safe as $$
        begin
            if strpos(array_to_string(emails, ' '), '+') = 0 then
                return emails;
            end if;
            return array(
                select unnest(emails)
                except
                select regexp_replace(email, '^([^+]+)\+.*@', '\1@')
                from unnest(emails) as email where email ~ '^[^+]+\+.*@'
            );
        end $$
    """,
}

_SEARCHED = ("insights", "opportunities", "ideas")


def _vector(text: str) -> str:
    """SQL of the search column. `text` converts a text."""
    return " || ".join(
        "setweight(to_tsvector('english'::regconfig, regexp_replace(translate("
        f"{text.format(column=column, length=length)}, '<', ' '), '\\S{{100}}', '\\& ', 'g')),"
        f" '{weight}')"
        for column, length, weight in (("name", 1_000, "A"), ("description", 20_000, "B"))
    )


# Table -> columns, texts, and condition of the search index.
_SEARCH_INDEXES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str | None]] = {
    "rows": (
        ("spans(ordered_at)", "source_id", "object_type_id", "public"),
        ("name",),
        "deleted_at is null",
    ),
    "conversations": (
        ("spans(started_at)", "state", "type", "source_id", "emails", "domains", "public"),
        ("title", "names", "crm_name"),
        "deleted_at is null",
    ),
    "documents": (
        ("spans(ordered_at)", "state", "source_id", "public"),
        ("display_name",),
        "deleted_at is null",
    ),
    "deals": (
        ("spans(ordered_at)", "spans(close_date)", "spans(amount)", "closed"),
        ("name", "stage", "owner_name"),
        None,
    ),
    "accounts": (
        ("spans(ordered_at)", "spans(created_at)"),
        ("name", "website", "owner_text"),
        None,
    ),
}
# Index of names -> table, name, further columns, condition.
_NAME_INDEXES = {
    "ix_accounts_name_equal": ("accounts", "name", (), None),
    "ix_deals_account_name": ("deals", "account_name", (), "account_id is null"),
    "ix_deals_open_account_name": (
        "deals",
        "account_name",
        ("ordered_at", "id"),
        "account_id is null and closed is not true",
    ),
}
# Table -> columns of addresses and domains.
_ADDRESSES = {
    "conversations": ("emails", "domains", "outside", "outside_domains"),
    "messages": ("emails", "outside", "outside_domains"),
    "deals": ("contact_emails",),
    "accounts": ("contact_emails",),
}
# Table -> SQL of a JSON array of the people in a record.
_PEOPLE = {
    "conversations": "participants::text",
    "messages": "case when sender is null then recipients::text"
    " else (jsonb_build_array(sender) || recipients::jsonb)::text end",
}


def _emails(emails: list[str]) -> list[str]:
    return distinct(map(normalized_email, emails))


def _domains(domains: list[str]) -> list[str]:
    return distinct(map(ascii_domain, domains))


_CORRECTIONS = {
    "emails": _emails,
    "domains": _domains,
    "outside": matched_emails,
    "outside_domains": _domains,
    "contact_emails": matched_emails,
}


class _Person(msgspec.Struct):
    email: str | None = None


def upgrade() -> None:
    for function in _FUNCTIONS.values():
        op.execute(sa.text(function.replace(":", "\\:")))
    _search_columns('search_text("left"({column}, {length}))')
    for table, (columns, texts, where) in _SEARCH_INDEXES.items():
        patterns = [f"nfc({column}) gin_trgm_ops" for column in texts]
        pairs = f"cjk_pairs(variadic array[{', '.join(texts)}])"
        _search_index(table, (*columns, pairs, *patterns), where)
    _name_indexes('"left"(lower(nfc({})), 200)')
    op.execute(
        "update conversations set names = nfc(names)"
        " where octet_length(names) <> length(names) and names <> nfc(names)"
    )
    _correct_links()


def _search_columns(text: str) -> None:
    for table in _SEARCHED:
        op.drop_index(f"ix_{table}_search", table)
        # One statement, so that the rows are rewritten once.
        change = (
            f"alter table {table} drop column search,"
            f" add column search tsvector generated always as ({_vector(text)}) stored"
        )
        op.execute(sa.text(change.replace(":", "\\:")))
        op.create_index(
            f"ix_{table}_search", table, ["workspace_id", "search"], postgresql_using="gin"
        )


def _search_index(table: str, columns: tuple[str, ...], where: str | None) -> None:
    op.drop_index(f"ix_{table}_search", table)
    elements = ", ".join(("workspace_id", "(hashtext(id::text) & 31)", *columns))
    condition = "" if where is None else f" where {where}"
    statement = (
        f"create index ix_{table}_search on {table} using gin ({elements})"
        f" with (gin_pending_list_limit = 512){condition}"
    )
    op.execute(sa.text(statement.replace(":", "\\:")))


def _name_indexes(expression: str) -> None:
    for index, (table, name, columns, where) in _NAME_INDEXES.items():
        op.drop_index(index, table)
        op.create_index(
            index,
            table,
            ["workspace_id", sa.literal_column(expression.format(name)), *columns],
            postgresql_where=None if where is None else sa.text(where),
        )


def _correct_links() -> None:
    """Store addresses in the form in which they are compared, correct domains, and relink."""
    connection = op.get_bind()
    changed = _correct_addresses(connection) | _correct_outsiders(connection)
    domains = connection.execute(
        sa.text("select distinct domain from accounts where domain <> ''")
    ).scalars()
    for domain in domains.all():
        ascii_form = ascii_domain(domain)
        new = None if is_shared(ascii_form) else ascii_form
        if new != domain:
            changed |= {
                (workspace, "accounts", record)
                for workspace, record in connection.execute(
                    sa.text(
                        "update accounts set domain = :new where domain = :old"
                        " returning workspace_id, id"
                    ),
                    {"old": domain, "new": new},
                )
            }
    if not changed:
        return
    connection.execute(
        sa.text(
            "insert into crm_changes (workspace_id, kind, id) values (:workspace, :kind, :id)"
            " on conflict do nothing"
        ),
        [{"workspace": workspace, "kind": kind, "id": id_} for workspace, kind, id_ in changed],
    )
    connection.execute(
        sa.text(
            "insert into jobs (id, workspace_id, kind, subject, queue, payload) values (:id,"
            " :workspace, 'revenue.link_crm', '', 'housekeeping', :payload)"
        ).bindparams(sa.bindparam("payload", type_=postgresql.JSONB())),
        [
            {"id": new_id(), "workspace": workspace, "payload": {"kind": "revenue.link_crm"}}
            for workspace in {workspace for workspace, _, _ in changed}
        ],
    )


def _correct_addresses(connection: sa.Connection) -> set[tuple[Any, str, str]]:
    """Convert domains to ASCII and addresses to NFC, and add addresses without plus tags.

    Returns workspace, table and id of the changed records.
    """
    changed = set()
    for table, columns in _ADDRESSES.items():
        text = f"array_to_string({' || '.join(columns)}, ' ')"
        condition = f"({text} like '%+%@%' or octet_length({text}) <> length({text}))"
        for record in _records(connection, table, ", ".join(columns), condition):
            old = {name: getattr(record, name) for name in columns}
            new = {name: _CORRECTIONS[name](values) for name, values in old.items()}
            if new != old:
                _update(connection, table, record, new)
                changed.add((record.workspace_id, table, str(record.id)))
    return changed


def _correct_outsiders(connection: sa.Connection) -> set[tuple[Any, str, str]]:
    """Correct records whose owners have addresses at free-mail providers: others are external.

    Returns workspace, table and id of the changed records. An imported type is kept.
    """
    changed = set()
    for table, people in _PEOPLE.items():
        owners = connection.execute(
            sa.text(f"select distinct unnest(owner_emails) from {table}")
        ).scalars()
        shared = [email for email in owners if is_shared(email_domain(normalized_email(email)))]
        if not shared:
            continue
        columns = (
            f"outside, outside_domains, owner_emails, native, {people} as people,"
            f" (select domains from workspaces where workspaces.id = {table}.workspace_id) as own"
        )
        for record in _records(connection, table, columns, "owner_emails && :shared", shared):
            persons = msgspec.json.decode(record.people, type=list[_Person | None])
            outside, domains = external_emails(
                [person for person in persons if person is not None],
                record.owner_emails,
                record.own,
            )
            if outside == record.outside and domains == record.outside_domains:
                continue
            new: dict[str, Any] = {"outside": outside, "outside_domains": domains}
            if table == "conversations" and outside and not record.native:
                new["type"] = "EXTERNAL"
            _update(connection, table, record, new)
            changed.add((record.workspace_id, table, str(record.id)))
    return changed


def _records(
    connection: sa.Connection,
    table: str,
    columns: str,
    condition: str,
    shared: Sequence[str] = (),
) -> Iterator[Any]:
    """Iterate over the records that meet a condition, in pieces."""
    last: dict[str, Any] = {}
    while True:
        after = "and (workspace_id, id) > (:workspace, :id)" if last else ""
        statement = sa.text(
            f"select workspace_id, id, {columns} from {table} where {condition} {after}"
            " order by workspace_id, id limit 1000"
        )
        parameters = {**last, **({"shared": list(shared)} if shared else {})}
        records = connection.execute(statement, parameters).all()
        yield from records
        if len(records) < 1000:
            return
        last = {"workspace": records[-1].workspace_id, "id": records[-1].id}


def _update(connection: sa.Connection, table: str, record: Any, new: dict[str, Any]) -> None:
    changes = ", ".join(f"{name} = :{name}" for name in new)
    connection.execute(
        sa.text(f"update {table} set {changes} where workspace_id = :workspace and id = :id"),
        {**new, "workspace": record.workspace_id, "id": record.id},
    )


def downgrade() -> None:
    for table, (columns, texts, where) in _SEARCH_INDEXES.items():
        patterns = [f"{column} gin_trgm_ops" for column in texts]
        _search_index(table, (*columns, *patterns), where)
    _search_columns('"left"({column}, {length})')
    _name_indexes('"left"(lower({}), 200)')
    for function in _FUNCTIONS:
        op.execute(f"drop function {function}")
