"""Settings: the list, defaults, and errors for invalid values."""

import pytest

from domains.kernel.core import settings
from domains.kernel.core.settings import SettingError, Settings

REQUIRED = {
    "DATABASE_URL": "postgresql://user:hunter2@db/gateway",
    "REDIS_URL": "redis://:hunter2@redis:6379/0",
    "BLOB_URL": "s3://bucket/prefix",
}


def test_every_setting_is_listed_with_a_meaning() -> None:
    listed = {setting.name: setting for setting in settings.list_settings()}
    assert len(listed) == len(Settings.__struct_fields__)
    assert all(setting.meaning for setting in listed.values())
    required = [name for name, setting in listed.items() if setting.default is None]
    assert required == list(REQUIRED)
    assert listed["GATEWAY_PORT"].default == "8000"


def test_a_database_url_may_have_several_hosts() -> None:
    url = "postgresql://user:hunter2@one:5432,two:5433/gateway?target_session_attrs=primary"
    assert settings.load_settings({**REQUIRED, "DATABASE_URL": url}).database_url == url


def test_a_missing_or_empty_variable_has_its_default() -> None:
    loaded = settings.load_settings({**REQUIRED, "GATEWAY_PORT": "", "PATH": "/bin"})
    assert (loaded.port, loaded.limit_per_minute, loaded.log_format) == (8000, 60, "json")


def test_surrounding_spaces_are_ignored() -> None:
    assert settings.load_settings({**REQUIRED, "GATEWAY_PORT": " 8001 "}).port == 8001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_PORT", "0"),
        ("GATEWAY_PORT", "70000"),
        ("GATEWAY_PORT", "http"),
        ("GATEWAY_LOG_LEVEL", "loud"),
        ("GATEWAY_LOG_FORMAT", "xml"),
        ("GATEWAY_POOL_SIZE", "1"),
        ("GATEWAY_REDIS_TIMEOUT", "-1"),
        ("GATEWAY_LIMIT_PER_MINUTE", "none"),
        ("GATEWAY_JOB_LEASE", "soon"),
        ("GATEWAY_PROT", "8000"),
        ("DATABASE_URL", "mysql://user:hunter2@db/gateway"),
        ("REDIS_URL", "http://user:hunter2@redis"),
        ("BLOB_URL", "/var/blobs"),
        ("BLOB_URL", "s3://"),
        ("BLOB_URL", "file://relative/path"),
        ("BLOB_URL", "file://"),
        ("REDIS_URL", "redis://:hunter2@redis:6379/abc"),
        ("REDIS_URL", "redis://:hunter2@redis:port/0"),
        ("GATEWAY_QUEUE_REDIS_URL", "http://:hunter2@redis"),
        ("DATABASE_URL", "postgresql://user:hunter2@db:port/gateway"),
        ("GATEWAY_DATABASE_DIRECT_URL", "mysql://user:hunter2@db/gateway"),
        ("GATEWAY_DATABASE_POOLER", "session"),
        ("GATEWAY_JOB_LEASE", "inf"),
        ("GATEWAY_JOB_LEASE", "nan"),
        ("GATEWAY_CHAT_URL", "ftp://user:hunter2@chat/v1"),
        ("GATEWAY_CHAT_TIME_LIMIT", "0"),
        ("GATEWAY_CHAT_INPUT_TOKENS", "many"),
        ("GATEWAY_CHAT_OUTPUT_PRICE", "-1"),
        ("DATABASE_URL", ""),
        ("REDIS_URL", ""),
        ("BLOB_URL", ""),
    ],
)
def test_an_invalid_value_is_an_error_that_names_it_and_hides_passwords(
    name: str, value: str
) -> None:
    with pytest.raises(SettingError, match=f"^{name}") as raised:
        settings.load_settings({**REQUIRED, name: value})
    assert "hunter2" not in str(raised.value)


def test_a_chat_url_requires_a_model() -> None:
    endpoint = {**REQUIRED, "GATEWAY_CHAT_URL": "https://chat/v1"}
    with pytest.raises(SettingError, match=r"^GATEWAY_CHAT_MODEL is not set"):
        settings.load_settings(endpoint)
    chat = {**endpoint, "GATEWAY_CHAT_MODEL": "m", "GATEWAY_CHAT_INPUT_PRICE": "2.5"}
    loaded = settings.load_settings(chat)
    assert (loaded.chat_model, loaded.chat_input_price, loaded.chat_output_price) == ("m", 2.5, 0.0)


def test_a_pooler_requires_the_url_of_postgresql_itself() -> None:
    pooled = {**REQUIRED, "GATEWAY_DATABASE_POOLER": "transaction"}
    with pytest.raises(SettingError, match=r"^GATEWAY_DATABASE_DIRECT_URL is not set"):
        settings.load_settings(pooled)
    direct = "postgresql://user:hunter2@postgres/gateway"
    loaded = settings.load_settings({**pooled, "GATEWAY_DATABASE_DIRECT_URL": direct})
    assert (loaded.database_pooler, loaded.database_direct_url) == ("transaction", direct)


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, ""),
        ({"DATABASE_URL": "postgresql://a/x"}, "postgresql://a/x"),
        ({"DATABASE_URL": "postgres://a/x", "GATEWAY_DATABASE_DIRECT_URL": " "}, "postgres://a/x"),
        (
            {"DATABASE_URL": "postgresql://a/x", "GATEWAY_DATABASE_DIRECT_URL": "postgresql://b/x"},
            "postgresql://b/x",
        ),
    ],
)
def test_the_direct_url_is_by_default_the_database_url(variables: dict[str, str], url: str) -> None:
    assert settings.direct_database_url(variables) == url
