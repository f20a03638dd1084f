"""Normal forms of addresses and domains, and the domains that belong to nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.revenue.addresses.email_domains import (
    ascii_domain,
    base_address,
    domain_of_website,
    is_shared,
    normalized_email,
    other_spelling,
)

FREE_MAIL = """
    gmail.com googlemail.com hotmail.com hotmail.de hotmail.co.uk hotmail.com.br live.nl live.com.mx
    outlook.com outlook.fr outlook.co.id yahoo.com yahoo.co.jp yahoo.com.tw ymail.com gmx.net gmx.at
    gmx.fr web.de t-online.de qq.com 163.com naver.com proton.me protonmail.com mail.ru yandex.kz
    icloud.com aol.com aol.de docomo.ne.jp seznam.cz laposte.net libero.it uol.com.br
"""


@pytest.mark.parametrize("domain", FREE_MAIL.split())
def test_free_mail_providers_are_shared(domain: str) -> None:
    assert is_shared(domain)


@pytest.mark.parametrize(
    "domain",
    ["acme.com", "google.com", "mail.acme.com", "live.io", "outlook.acme.com", "mygmail.com", "qq"],
)
def test_domains_of_organizations_are_not_shared(domain: str) -> None:
    assert not is_shared(domain)


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.facebook.com/acme", ""),
        ("de.linkedin.com/company/acme", ""),
        ("https://www.etsy.com/shop/acme?ref=x", ""),
        ("sites.google.com/view/acme", ""),
        ("linktr.ee/acme", ""),
        ("gmail.com", ""),
        ("https://www.google.com/maps/place/Acme", ""),
        ("https://maps.google.de/?q=Acme", ""),
        ("https://www.google.com/", "google.com"),
        ("https://www.amazon.co.uk/stores/acme", ""),
        ("amazon.de", "amazon.de"),
        ("https://www.Acme.example/contact", "acme.example"),
        ("http://Müller.example:8080/über", "xn--mller-kva.example"),
        ("mu\u0308ller.example", "xn--mller-kva.example"),
        ("xn--mller-kva.example.", "xn--mller-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("www.acme.example, www.acme.de", "acme.example"),
        ("info@acme.example", "acme.example"),
        ("n/a", ""),
        ("http://[acme", ""),
        ("acme", ""),
        ("ü" * 300 + ".example", ""),
    ],
)
def test_the_domain_of_a_website_is_its_host_unless_that_is_shared(
    website: str, domain: str
) -> None:
    assert domain_of_website(website) == domain


def test_addresses_have_one_form() -> None:
    assert normalized_email(" Ana@MÜLLER.example ") == "ana@xn--mller-kva.example"
    assert normalized_email("rene\u0301@acme.com") == normalized_email("REN\u00c9@acme.com")
    for sent in ("Ana Berg <Ana@acme.com>", "mailto:ana@acme.com", "'ana@acme.com'"):
        assert normalized_email(sent) == "ana@acme.com"
    assert base_address("ana+crm+x@acme.com") == "ana@acme.com"
    assert base_address("+49@acme.com") == "+49@acme.com"
    assert base_address("ana") == "ana"
    assert other_spelling("https://müller.example/") == "https://xn--mller-kva.example/"
    assert other_spelling("www.XN--MLLER-KVA") == "www.müller"


@given(st.text(max_size=300))
def test_normal_forms_are_stable(text: str) -> None:
    assert normalized_email(normalized_email(text)) == normalized_email(text)
    assert ascii_domain(ascii_domain(text)) == ascii_domain(text)
    assert base_address(base_address(text)) == base_address(text)
    domain_of_website(text)
    other_spelling(text)
