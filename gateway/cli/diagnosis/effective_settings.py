"""Settings with their values, where each value comes from, and secrets masked."""

from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from domains.kernel.core import settings

_MASK: Final = "***"
# Parameters of a URL that hold a secret.
_SECRET_PARAMETERS: Final = ("password", "sslpassword")

Origin = Literal["environment", "gateway up", "default", "missing"]


class EffectiveSetting(msgspec.Struct, frozen=True):
    """A setting. `value` is None if a required setting is missing; secrets in it are masked."""

    name: str
    value: str | None
    origin: Origin
    default: str | None
    meaning: str


def list_effective(
    environment: Mapping[str, str], with_servers: Mapping[str, str]
) -> list[EffectiveSetting]:
    """List all settings.

    `with_servers`: the environment with the URLs of the servers that `gateway up` runs.
    """
    listed = []
    for setting in settings.list_settings():
        value, origin = _value_and_origin(setting, environment, with_servers)
        shown = None if value is None else mask(setting.name, value)
        listed.append(
            EffectiveSetting(setting.name, shown, origin, setting.default, setting.meaning)
        )
    return listed


def _value_and_origin(
    setting: settings.Setting, environment: Mapping[str, str], with_servers: Mapping[str, str]
) -> tuple[str | None, Origin]:
    # An empty variable counts as not set.
    if given := environment.get(setting.name, "").strip():
        return given, "environment"
    if given := with_servers.get(setting.name, "").strip():
        return given, "gateway up"
    return setting.default, "missing" if setting.default is None else "default"


def mask(name: str, value: str) -> str:
    """Hide the secret in a value: a whole key, or the password in a URL."""
    if not value:
        return value
    if name.endswith("_KEY"):
        return _MASK
    if not name.endswith("_URL"):
        return value
    try:
        settings.check_url(name, value)
    except settings.SettingError:
        # Its parts are not known, so any part may be the password.
        return _MASK
    url = urlsplit(value)
    if "@" in url.path + url.query + url.fragment:
        # The password contains a character that ends the host.
        return _MASK
    user, at, host = url.netloc.rpartition("@")
    name_only, colon, _password = user.partition(":")
    netloc = f"{name_only}{colon}{_MASK if colon else ''}{at}{host}"
    query = url.query
    parameters = parse_qsl(query, keep_blank_values=True)
    if any(key in _SECRET_PARAMETERS for key, _ in parameters):
        query = urlencode(
            [(key, _MASK if key in _SECRET_PARAMETERS else each) for key, each in parameters],
            safe="*/",
        )
    # Not geturl(): it drops the slashes of unix:///socket.
    return f"{url.scheme}://{netloc}{url.path}{'?' if query else ''}{query}"
