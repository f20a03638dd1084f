"""Settings, read from environment variables once at start and passed as an argument."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

from domains.kernel.core.field_docs import doc
from domains.kernel.core.network import FetchAllowlist, parse_networks, parse_origins

# Settings whose environment variable has no prefix GATEWAY_.
_WITHOUT_PREFIX = frozenset({"database_url", "redis_url", "blob_url"})
_SCHEMES = {
    "DATABASE_URL": ("postgresql", "postgres"),
    "GATEWAY_DATABASE_DIRECT_URL": ("postgresql", "postgres"),
    "REDIS_URL": ("redis", "rediss", "unix"),
    "GATEWAY_QUEUE_REDIS_URL": ("redis", "rediss", "unix"),
    "BLOB_URL": ("file", "s3"),
    "GATEWAY_PUBLIC_URL": ("https", "http"),
    "GATEWAY_SPEECH_URL": ("https", "http"),
    "GATEWAY_CHAT_URL": ("https", "http"),
}
# Settings that hold a list, with the functions that read it.
_LISTS: Mapping[str, Callable[[str], object]] = {
    "GATEWAY_FETCH_ALLOW": FetchAllowlist.parse,
    "GATEWAY_CORS_ORIGINS": parse_origins,
    "GATEWAY_TRUSTED_PROXIES": parse_networks,
}
_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:[0-9]{1,5})?")

_MIB = 1024 * 1024

# How DATABASE_URL is pooled outside this process.
Pooler = Literal["off", "transaction"]

_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_OneSecondOrMore = Annotated[float, Meta(ge=1, le=86_400)]
_Days = Annotated[float, Meta(ge=0, le=36_500)]
_Bytes = Annotated[int, Meta(ge=1024)]
_Count = Annotated[int, Meta(ge=1)]
_Slots = Annotated[int, Meta(ge=1, le=64)]
_Price = Annotated[float, Meta(ge=0, le=1e9)]


class SettingError(Exception):
    """A setting is missing or invalid. The message names it and says what is expected."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a deployment. Durations are in seconds unless stated, sizes in bytes."""

    database_url: Annotated[
        str, doc("URL of PostgreSQL 15 or later, such as postgresql://user:password@host/name")
    ]
    redis_url: Annotated[
        str,
        doc(
            "URL of Redis or Valkey, such as redis://host:port/0, rediss://host:port/0 or "
            "unix:///socket?db=0"
        ),
    ]
    blob_url: Annotated[
        str,
        doc(
            "URL of the object storage: file:///directory, or s3://bucket/prefix with "
            "AWS_* variables for region and credentials"
        ),
    ]
    database_pooler: Annotated[
        Pooler,
        doc(
            "transaction: DATABASE_URL is that of a connection pooler in transaction mode, such as "
            "PgBouncer. Requires GATEWAY_DATABASE_DIRECT_URL"
        ),
    ] = "off"
    database_direct_url: Annotated[
        str,
        doc(
            "URL of PostgreSQL itself, for notifications, migrations and the command line. "
            "Default: DATABASE_URL"
        ),
    ] = ""
    blob_timeout: Annotated[
        _Seconds,
        doc("Seconds until an object store that does not respond counts as unavailable"),
    ] = 5.0
    queue_redis_url: Annotated[
        str,
        doc("URL of the job queue's Redis database. Default: the number after that of REDIS_URL"),
    ] = ""
    host: Annotated[str, doc("Address on which the API listens", min_length=1)] = "127.0.0.1"
    port: Annotated[int, doc("Port on which the API listens", ge=1, le=65535)] = 8000
    serve_processes: Annotated[_Slots, doc("API processes that share GATEWAY_PORT")] = 1
    public_url: Annotated[
        str,
        doc("URL of the API for clients, used in links. Default: http://GATEWAY_HOST:GATEWAY_PORT"),
    ] = ""
    cors_origins: Annotated[
        str,
        doc(
            "Origins of web pages that may call the API from a browser, such as "
            "https://app.example.com, separated by commas, or * for all. If not set, none may"
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        doc(
            "Addresses or networks of proxies whose header X-Forwarded-For names the client, "
            "separated by commas. If not set, the client is the peer of the connection"
        ),
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], doc("Minimum level of log lines")
    ] = "info"
    log_format: Annotated[
        Literal["json", "console"], doc("Format of log lines: JSON, or text for a terminal")
    ] = "json"
    pool_size: Annotated[int, doc("Maximum database connections per process", ge=2, le=500)] = 20
    database_timeout: Annotated[
        _Seconds, doc("Timeout in seconds of a database statement and of the wait for a connection")
    ] = 10.0
    outage_timeout: Annotated[
        _Seconds,
        doc(
            "Seconds without an answer, to a connection attempt or to a probe while a statement "
            "runs, after which PostgreSQL counts as unavailable"
        ),
    ] = 1.0
    outage_probe_interval: Annotated[
        _Seconds, doc("Seconds between two probes of an unavailable server, speech service or disk")
    ] = 1.0
    redis_timeout: Annotated[_Seconds, doc("Timeout in seconds of the API's Redis commands")] = 0.25
    watchdog_timeout: Annotated[
        _OneSecondOrMore,
        doc("Seconds of silence after which `gateway up` or `serve` replaces a frozen process"),
    ] = 10.0
    max_body_bytes: Annotated[_Bytes, doc("Maximum size of a request body in bytes")] = 10 * _MIB
    header_timeout: Annotated[
        _Seconds, doc("Maximum seconds for receiving the request line and headers of a request")
    ] = 10.0
    body_timeout: Annotated[
        _Seconds,
        doc(
            "Maximum seconds between two parts of a request body. The whole body may take these "
            "seconds and one more per 10 kB"
        ),
    ] = 30.0
    send_timeout: Annotated[
        _Seconds,
        doc(
            "Maximum seconds in which a client reads nothing of a response. The whole response may "
            "take these seconds and one more per 10 kB"
        ),
    ] = 30.0
    connections_per_address: Annotated[
        int,
        doc(
            "Maximum open connections of one client address per API process. 0: no limit. "
            "Behind a proxy, all connections have the proxy's address",
            ge=0,
        ),
    ] = 0
    limit_per_minute: Annotated[_Count, doc("Maximum requests of an API key in any minute")] = 60
    limit_per_hour: Annotated[_Count, doc("Maximum requests of an API key in any hour")] = 1_000
    limit_per_day: Annotated[_Count, doc("Maximum requests of an API key in any 24 hours")] = 10_000
    job_lease: Annotated[
        _OneSecondOrMore, doc("Seconds after which other workers take the jobs of a silent worker")
    ] = 15.0
    job_resend: Annotated[
        _OneSecondOrMore, doc("Seconds after which an unstarted job is dispatched again")
    ] = 15.0
    outage_backoff: Annotated[
        _Seconds, doc("Maximum seconds between two attempts of a job at an unavailable dependency")
    ] = 300.0
    outage_limit: Annotated[
        float,
        doc("Seconds after which a job fails that waits for an unavailable dependency", gt=0),
    ] = 86_400.0
    job_time_limit: Annotated[_Seconds, doc("Maximum seconds for one attempt at a job")] = 300.0
    compute_time_limit: Annotated[_Seconds, doc("Maximum seconds for analysing one text")] = 60.0
    transcript_time_limit: Annotated[
        _Seconds, doc("Maximum seconds for analysing a transcript within the request that sends it")
    ] = 20.0
    api_processes: Annotated[
        _Slots, doc("Processes for analysing transcripts within requests, per API process")
    ] = 2
    worker_ingest: Annotated[_Slots, doc("Concurrent document and call jobs per worker")] = 4
    worker_analysis: Annotated[_Slots, doc("Concurrent analysis jobs per worker")] = 2
    worker_fetch: Annotated[
        int, doc("Concurrent downloads and transcriptions per worker", ge=1, le=256)
    ] = 8
    worker_housekeeping: Annotated[_Slots, doc("Concurrent housekeeping jobs per worker")] = 16
    worker_heartbeat: Annotated[
        float, doc("Seconds between heartbeats of a worker", gt=0, le=30)
    ] = 5.0
    fetch_allow: Annotated[
        str,
        doc(
            "Hosts in your network that files may be fetched from, in addition to public "
            "hosts: names, addresses or networks, separated by commas"
        ),
    ] = ""
    fetch_time_limit: Annotated[_Seconds, doc("Maximum seconds for one download")] = 600.0
    document_max_bytes: Annotated[_Bytes, doc("Maximum size of a document in bytes")] = 50 * _MIB
    recording_max_bytes: Annotated[_Bytes, doc("Maximum size of a recording in bytes")] = (
        2048 * _MIB
    )
    extraction_time_limit: Annotated[
        float, doc("Maximum seconds for extracting a document's text", gt=0, le=3_600)
    ] = 60.0
    extraction_memory: Annotated[
        int, doc("Maximum memory in bytes for extracting a document's text", ge=256 * _MIB)
    ] = 2048 * _MIB
    speech_url: Annotated[
        str,
        doc(
            "Base URL of an OpenAI-compatible speech-to-text API, such as "
            "https://host/v1. If not set, recordings are stored but not transcribed"
        ),
    ] = ""
    speech_key: Annotated[str, doc("API key for GATEWAY_SPEECH_URL")] = ""
    speech_model: Annotated[str, doc("Speech-to-text model at GATEWAY_SPEECH_URL")] = "whisper-1"
    speech_time_limit: Annotated[_Seconds, doc("Maximum seconds per transcription request")] = 600.0
    chat_url: Annotated[
        str,
        doc(
            "Base URL of an OpenAI-compatible chat completions API, such as "
            "https://host/v1, used for workspaces that allow it (`gateway workspaces "
            "provider`). If not set, the built-in engine does all analysis"
        ),
    ] = ""
    chat_key: Annotated[str, doc("API key for GATEWAY_CHAT_URL")] = ""
    chat_model: Annotated[str, doc("Model at GATEWAY_CHAT_URL, which requires this setting")] = ""
    chat_time_limit: Annotated[
        _Seconds, doc("Maximum seconds that one task waits for the chat API, retries included")
    ] = 60.0
    chat_probe_interval: Annotated[
        _Seconds, doc("Seconds between two requests to a chat API that is unavailable")
    ] = 10.0
    chat_input_tokens: Annotated[
        _Count, doc("Maximum input tokens of a chat request, estimated; longer ones are not sent")
    ] = 60_000
    chat_output_tokens: Annotated[
        int, doc("Maximum output tokens of a chat request", ge=1, le=1_000_000)
    ] = 4_000
    chat_input_price: Annotated[_Price, doc("Price per million input tokens, for /metrics")] = 0.0
    chat_output_price: Annotated[_Price, doc("Price per million output tokens, for /metrics")] = 0.0
    retention_days: Annotated[
        _Days, doc("Days after which deleted records and deleted or replaced files are erased")
    ] = 30.0
    job_retention_days: Annotated[_Days, doc("Days after which ended jobs are deleted")] = 14.0
    audit_retention_days: Annotated[
        _Days, doc("Days after which entries of the audit log are deleted; 0: never")
    ] = 365.0

    @property
    def base_url(self) -> str:
        """URL at which clients reach the API."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"


class Setting(msgspec.Struct, frozen=True):
    """An entry of `gateway settings`. `default` is None for a required setting."""

    name: str
    default: str | None
    meaning: str


def list_settings() -> list[Setting]:
    """Describe all settings."""
    return [
        Setting(_variable(field), None if field.required else str(field.default), _meaning(field))
        for field in msgspec.structs.fields(Settings)
    ]


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings from environment variables. An empty variable counts as not set.

    Raises SettingError for the first invalid variable, and for an unknown `GATEWAY_` variable,
    which is probably misspelt.
    """
    fields = {_variable(field): field for field in msgspec.structs.fields(Settings)}
    variables = {name: value.strip() for name, value in environment.items() if value.strip()}
    for name in variables:
        if name.startswith("GATEWAY_") and name not in fields:
            raise SettingError(f"{name}: unknown setting. `gateway settings` lists all settings.")
    values: dict[str, object] = {}
    for name, field in fields.items():
        if name in variables:
            values[field.name] = _convert(name, variables[name], field)
        elif field.required:
            raise SettingError(f"{name} is not set: {_meaning(field)}")
    for name in _SCHEMES:
        if name in variables:
            check_url(name, variables[name])
    direct_database_url(variables)
    if "GATEWAY_CHAT_URL" in variables and "GATEWAY_CHAT_MODEL" not in variables:
        raise SettingError("GATEWAY_CHAT_MODEL is not set: GATEWAY_CHAT_URL requires it")
    for name, parse in _LISTS.items():
        try:
            parse(variables.get(name, ""))
        except ValueError as error:
            raise SettingError(f"{name}: {error}") from None
    return Settings(**values)  # type: ignore[arg-type]


def direct_database_url(environment: Mapping[str, str]) -> str:
    """URL of PostgreSQL itself, without a pooler. Empty if the environment has none.

    Raises SettingError if the URL is invalid, or missing behind a pooler.
    """
    name = "GATEWAY_DATABASE_DIRECT_URL"
    if not environment.get(name, "").strip():
        if is_pooled(environment):
            raise SettingError(
                f"{name} is not set: GATEWAY_DATABASE_POOLER=transaction requires it. Set it to "
                "the URL of PostgreSQL itself, for notifications and migrations"
            )
        name = "DATABASE_URL"
    url = environment.get(name, "").strip()
    if url:
        check_url(name, url)
    return url


def is_pooled(environment: Mapping[str, str]) -> bool:
    """True if DATABASE_URL is that of a connection pooler in transaction mode."""
    return environment.get("GATEWAY_DATABASE_POOLER", "").strip() == "transaction"


def _variable(field: FieldInfo) -> str:
    prefix = "" if field.name in _WITHOUT_PREFIX else "GATEWAY_"
    return prefix + field.name.upper()


def _meaning(field: FieldInfo) -> str:
    return str((_metadata(field).extra_json_schema or {})["description"])


def _metadata(field: FieldInfo) -> msgspec.inspect.Metadata:
    info = msgspec.inspect.type_info(field.type)
    assert isinstance(info, msgspec.inspect.Metadata)  # noqa: S101 - each has a description
    return info


def _convert(name: str, value: str, field: FieldInfo) -> object:
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as error:
        problem = str(error).partition(" - at")[0].replace("Expected", "expected", 1)
        expected = _metadata(field).type
        if isinstance(expected, msgspec.inspect.LiteralType):
            problem = f"expected one of {', '.join(map(str, expected.values))}"
        raise SettingError(f"{name}={value!r} is invalid: {problem} ({_meaning(field)})") from None


def check_url(name: str, url: str) -> None:
    """Raise SettingError unless the URL fits its variable.

    The message does not contain the URL, which may contain a password.
    """
    schemes = _SCHEMES[name]
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SettingError(f"{name} is not a URL: the host has unbalanced brackets") from None
    if parts.scheme not in schemes or not url.startswith(f"{parts.scheme}://"):
        prefixes = " or ".join(f"{scheme}://" for scheme in schemes)
        raise SettingError(f"{name} must begin with {prefixes}")
    # A PostgreSQL URL may have several hosts, separated by commas.
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if not all(map(_HOST.fullmatch, hosts)):
        raise SettingError(
            f"{name} has an invalid host or port. Expected: scheme://user:password@host:port/name"
        )
    if parts.scheme == "s3" and not parts.netloc:
        raise SettingError(f"{name} has no bucket. Expected: s3://bucket/prefix")
    if parts.scheme == "file" and (parts.netloc or len(parts.path) < 2):
        raise SettingError(f"{name} must have an absolute path. Expected: file:///directory")
    if parts.scheme in ("redis", "rediss") and not re.fullmatch(r"/?[0-9]*/?", parts.path):
        raise SettingError(f"{name} has an invalid database number. Expected: redis://host:port/0")
