"""Address of the client of a request."""

from ipaddress import ip_address
from typing import Any

import pytest

from domains.kernel.core.network import parse_network, parse_networks
from gateway.admission.client_address import client_address, is_allowed

TRUSTED = parse_networks("10.0.0.0/8, fd00::/8, ::ffff:192.0.2.0/120")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.1", [], "198.51.100.1"),
        ("198.51.100.1", ["203.0.113.7"], "198.51.100.1"),
        ("::ffff:198.51.100.1", [], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("::ffff:10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("192.0.2.9", ["203.0.113.7"], "203.0.113.7"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("10.0.0.1", ["[2001:db8::5]:443"], "2001:db8::5"),
        ("10.0.0.1", ["203.0.113.7:80 , 10.1.1.1"], "203.0.113.7"),
        ("10.0.0.1", ["1.1.1.1", "203.0.113.7", "10.1.1.1"], "203.0.113.7"),
        ("10.0.0.1", ["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        # Malformed
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7,"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7, host.example"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7:port"], "10.0.0.1"),
        ("10.0.0.1", ["\xff"], "10.0.0.1"),
        # Malformed, but added by the client.
        ("10.0.0.1", ["unknown, 203.0.113.7"], "203.0.113.7"),
    ],
)
def test_client_address(peer: str, forwarded: list[str], expected: str) -> None:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    scope: Any = {"client": (peer, 4711), "headers": headers}
    assert client_address(scope, TRUSTED) == ip_address(expected)


def test_a_connection_without_an_address_is_in_no_list() -> None:
    scope: Any = {"client": None, "headers": [(b"x-forwarded-for", b"203.0.113.7")]}
    address = client_address(scope, TRUSTED)
    assert address is None
    assert not is_allowed(address, parse_networks("0.0.0.0/0,::/0"))


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "1.2.3.4/33", "host", "::1%eth0/128", "1"])
def test_a_wrong_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"network"):
        parse_network(text)
