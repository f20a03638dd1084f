"""Settings: read from the environment once at start and handed down, never a global."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

from domains.kernel.core.network import FetchAllowlist

_PLAIN = frozenset({"database_url", "redis_url", "blob_url"})
_SCHEMES = {
    "DATABASE_URL": ("postgresql", "postgres"),
    "REDIS_URL": ("redis", "rediss", "unix"),
    "GATEWAY_QUEUE_REDIS_URL": ("redis", "rediss", "unix"),
    "BLOB_URL": ("file", "s3"),
    "GATEWAY_PUBLIC_URL": ("https", "http"),
    "GATEWAY_SPEECH_URL": ("https", "http"),
    "GATEWAY_CHAT_URL": ("https", "http"),
}
_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:[0-9]{1,5})?")


class SettingError(Exception):
    """A setting is missing or wrong; the message names it and says what it takes."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that an operator can set. Durations in seconds, sizes in bytes."""

    database_url: Annotated[
        str, Meta(description="PostgreSQL 15 or later: postgresql://user:password@host/name")
    ]
    redis_url: Annotated[
        str,
        Meta(description="Redis or Valkey: redis://host:port/db, rediss:// or unix:///socket?db=0"),
    ]
    blob_url: Annotated[
        str,
        Meta(description="Object store: file:///directory or s3://bucket/prefix (AWS_* variables)"),
    ]
    queue_redis_url: Annotated[
        str,
        Meta(description="Redis of the job queue; if not set, the database after REDIS_URL's"),
    ] = ""
    host: Annotated[str, Meta(description="Address the API listens on", min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port the API listens on", ge=1, le=65535)] = 8000
    public_url: Annotated[
        str,
        Meta(
            description="Address under which clients reach the API, for links in answers; "
            "if not set, that of GATEWAY_HOST and GATEWAY_PORT"
        ),
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level that is logged")
    ] = "info"
    log_format: Annotated[
        Literal["json", "console"], Meta(description="One JSON object a line, or coloured text")
    ] = "json"
    pool_size: Annotated[
        int, Meta(description="Database connections of one process", ge=2, le=500)
    ] = 20
    database_timeout: Annotated[
        float,
        Meta(
            description="Seconds a statement, or the wait for a connection, may take",
            gt=0,
            le=86_400,
        ),
    ] = 10.0
    redis_timeout: Annotated[
        float, Meta(description="Seconds one Redis call of the API may take", gt=0, le=86_400)
    ] = 0.25
    max_body_bytes: Annotated[int, Meta(description="Largest request body accepted", ge=1024)] = (
        10 * 1024 * 1024
    )
    limit_per_minute: Annotated[
        int, Meta(description="Requests a key may make in any minute", ge=1)
    ] = 60
    limit_per_hour: Annotated[
        int, Meta(description="Requests a key may make in any hour", ge=1)
    ] = 1_000
    limit_per_day: Annotated[int, Meta(description="Requests a key may make in any day", ge=1)] = (
        10_000
    )
    job_lease: Annotated[
        float,
        Meta(
            description="Seconds after which a silent worker's job is given to another",
            ge=1,
            le=86_400,
        ),
    ] = 15.0
    job_resend: Annotated[
        float,
        Meta(
            description="Seconds after which a job that no worker took is sent again",
            ge=1,
            le=86_400,
        ),
    ] = 15.0
    job_time_limit: Annotated[
        float, Meta(description="Seconds one attempt at a job may take", gt=0, le=86_400)
    ] = 300.0
    compute_time_limit: Annotated[
        float, Meta(description="Seconds the analysis of one text may take", gt=0, le=86_400)
    ] = 60.0
    transcript_time_limit: Annotated[
        float,
        Meta(
            description="Seconds the analysis of a transcript may take while its sender waits",
            gt=0,
            le=86_400,
        ),
    ] = 20.0
    api_processes: Annotated[
        int,
        Meta(
            description="Child processes of the API for transcripts analysed at once", ge=1, le=64
        ),
    ] = 2
    worker_ingest: Annotated[
        int, Meta(description="Documents and calls one worker process reads at a time", ge=1, le=64)
    ] = 4
    worker_analysis: Annotated[
        int, Meta(description="Texts one worker process analyses at a time", ge=1, le=64)
    ] = 2
    worker_fetch: Annotated[
        int,
        Meta(
            description="Downloads and transcriptions one worker process waits for at a time",
            ge=1,
            le=256,
        ),
    ] = 8
    worker_housekeeping: Annotated[
        int, Meta(description="Small jobs one worker process does at a time", ge=1, le=64)
    ] = 16
    worker_heartbeat: Annotated[
        float, Meta(description="Seconds between two heartbeats of a worker", gt=0, le=30)
    ] = 5.0
    fetch_allow: Annotated[
        str,
        Meta(
            description="Hosts inside your network that may be fetched from all the same: names, "
            "addresses or networks, separated by commas"
        ),
    ] = ""
    fetch_time_limit: Annotated[
        float, Meta(description="Seconds one download may take in all", gt=0, le=86_400)
    ] = 600.0
    document_max_bytes: Annotated[
        int, Meta(description="Largest document that is fetched or read", ge=1024)
    ] = 50 * 1024 * 1024
    recording_max_bytes: Annotated[
        int, Meta(description="Largest recording that is fetched", ge=1024)
    ] = 2 * 1024 * 1024 * 1024
    extraction_time_limit: Annotated[
        float, Meta(description="Seconds the reading of one document may take", gt=0, le=3_600)
    ] = 60.0
    extraction_memory: Annotated[
        int,
        Meta(description="Bytes of memory the reading of one document may take", ge=256 * 1024**2),
    ] = 2 * 1024 * 1024 * 1024
    speech_url: Annotated[
        str,
        Meta(
            description="Base URL of an OpenAI-compatible API for speech to text, such as "
            "https://host/v1; if not set, recordings are kept and not transcribed"
        ),
    ] = ""
    speech_key: Annotated[str, Meta(description="Key of that API")] = ""
    speech_model: Annotated[str, Meta(description="Its model")] = "whisper-1"
    speech_time_limit: Annotated[
        float, Meta(description="Seconds one request for a transcript may take", gt=0, le=86_400)
    ] = 600.0
    chat_url: Annotated[
        str,
        Meta(
            description="Base URL of an OpenAI-compatible API for chat completions, such as "
            "https://host/v1; asked for the workspaces that allow it (`gateway workspaces "
            "provider`). If not set, the built-in engine does all"
        ),
    ] = ""
    chat_key: Annotated[str, Meta(description="Key of that API")] = ""
    chat_model: Annotated[str, Meta(description="Its model; GATEWAY_CHAT_URL needs one")] = ""
    chat_time_limit: Annotated[
        float,
        Meta(
            description="Seconds one task may wait for that API, all attempts together",
            gt=0,
            le=86_400,
        ),
    ] = 60.0
    chat_input_tokens: Annotated[
        int,
        Meta(
            description="Largest question in tokens, as estimated: a larger one is not sent", ge=1
        ),
    ] = 60_000
    chat_output_tokens: Annotated[
        int, Meta(description="Largest answer in tokens", ge=1, le=1_000_000)
    ] = 4_000
    chat_input_price: Annotated[
        float, Meta(description="Price of a million tokens asked, for /metrics", ge=0, le=1e9)
    ] = 0.0
    chat_output_price: Annotated[
        float, Meta(description="Price of a million tokens answered, for /metrics", ge=0, le=1e9)
    ] = 0.0
    retention_days: Annotated[
        float,
        Meta(
            description="Days after which deleted records, and the stored bytes of deleted or "
            "replaced ones, are gone for good",
            ge=0,
            le=36_500,
        ),
    ] = 30.0
    job_retention_days: Annotated[
        float, Meta(description="Days for which ended jobs are listed", ge=0, le=36_500)
    ] = 14.0

    @property
    def base_url(self) -> str:
        """The public address of the API."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"


class Setting(msgspec.Struct, frozen=True):
    """One line of `gateway settings`."""

    name: str
    default: str | None
    meaning: str


def _environment_name(field: str) -> str:
    return field.upper() if field in _PLAIN else f"GATEWAY_{field.upper()}"


def _meaning(field: FieldInfo) -> str:
    hint = msgspec.inspect.type_info(field.type)
    extra = hint.extra_json_schema if isinstance(hint, msgspec.inspect.Metadata) else None
    return str((extra or {}).get("description", ""))


def list_settings() -> list[Setting]:
    """Every setting with its environment name, default (none: it must be given) and meaning."""
    return [
        Setting(
            _environment_name(field.name),
            None if field.required else str(field.default),
            _meaning(field),
        )
        for field in msgspec.structs.fields(Settings)
    ]


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from the environment; SettingError names the first variable that is wrong.

    An empty variable counts as not set. A `GATEWAY_` variable that no setting has is an error, so
    that a misspelt name is not silently ignored.
    """
    fields = {_environment_name(field.name): field for field in msgspec.structs.fields(Settings)}
    given = {name: value.strip() for name, value in environment.items() if value.strip()}
    for name in given:
        if name.startswith("GATEWAY_") and name not in fields:
            raise SettingError(f"{name}: there is no such setting; `gateway settings` lists them")
    values: dict[str, object] = {}
    for name, field in fields.items():
        if name not in given:
            if field.required:
                raise SettingError(f"{name} is not set: {_meaning(field)}")
            continue
        try:
            values[field.name] = msgspec.convert(given[name], field.type, strict=False)
        except msgspec.ValidationError as error:
            what = str(error).partition(" - at")[0]
            kind = msgspec.inspect.type_info(field.type)
            if isinstance(kind, msgspec.inspect.Metadata):
                kind = kind.type
            if isinstance(kind, msgspec.inspect.LiteralType):
                what = f"must be one of {', '.join(map(str, kind.values))}"
            raise SettingError(
                f"{name}={given[name]!r} is wrong: {what} ({_meaning(field)})"
            ) from None
    for name in _SCHEMES:
        if name in given:
            check_url(name, given[name])
    _check_beyond_types(given)
    return Settings(**values)  # type: ignore[arg-type]


def _check_beyond_types(given: Mapping[str, str]) -> None:
    if "GATEWAY_CHAT_URL" in given and "GATEWAY_CHAT_MODEL" not in given:
        raise SettingError("GATEWAY_CHAT_MODEL is not set: GATEWAY_CHAT_URL requires it")
    try:
        FetchAllowlist.parse(given.get("GATEWAY_FETCH_ALLOW", ""))
    except ValueError as error:
        raise SettingError(f"GATEWAY_FETCH_ALLOW: {error}") from None


def check_url(name: str, url: str) -> None:
    """SettingError unless the URL fits its variable; it is not shown, it may hold a password."""
    schemes = _SCHEMES[name]
    begin = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SettingError(f"{name} is not a URL: a bracket is open") from None
    if parts.scheme not in schemes or not url.startswith(f"{parts.scheme}://"):
        raise SettingError(f"{name} must begin with {begin}")
    # PostgreSQL takes several hosts, separated by commas.
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if not all(map(_HOST.fullmatch, hosts)):
        raise SettingError(f"{name} is not of the form scheme://user:password@host:port/name")
    if parts.scheme == "s3" and not parts.netloc:
        raise SettingError(f"{name} names no bucket: s3://bucket/prefix")
    if parts.scheme == "file" and (parts.netloc or len(parts.path) < 2):
        raise SettingError(f"{name} must be an absolute path: file:///directory")
    if parts.scheme in ("redis", "rediss") and not re.fullmatch(r"/?[0-9]*/?", parts.path):
        raise SettingError(f"{name} ends in the number of its database: redis://host:port/0")
