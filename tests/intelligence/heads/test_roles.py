"""Roles that the labels of speakers name."""

import pytest

from domains.intelligence.findings import Profile
from domains.intelligence.heads.features import Role
from domains.intelligence.heads.roles import labelled_roles
from domains.intelligence.text.segmentation import spoken


@pytest.mark.parametrize(
    ("speakers", "roles"),
    [
        (["Ana", "Tom"], {}),
        (["Agent", "Customer"], {"Agent": "vendor", "Customer": "customer"}),
        (["Interviewer", "P4"], {"Interviewer": "moderator", "P4": "customer"}),
        (["Sam (Vendor)", "Lena"], {"Sam (Vendor)": "vendor", "Lena": "customer"}),
        (
            ["Lin (customer, Coop)", "Jasper (Toothline)"],
            {"Lin (customer, Coop)": "customer", "Jasper (Toothline)": "vendor"},
        ),
        (["Lin (customer)", "Jasper"], {"Lin (customer)": "customer"}),
        (["Customer Support", "Ana"], {"Customer Support": "vendor", "Ana": "customer"}),
        (
            ["Dana (Customer Success)", "Ana"],
            {"Dana (Customer Success)": "vendor", "Ana": "customer"},
        ),
        (["Interviewer", "Developer"], {"Interviewer": "moderator", "Developer": "customer"}),
        (["Service client", "Léa"], {"Service client": "vendor", "Léa": "customer"}),
        (["Kundin", "Berater"], {"Kundin": "customer", "Berater": "vendor"}),
        (["営業 田中", "お客様"], {"営業 田中": "vendor", "お客様": "customer"}),
        (
            ["Gus", "help@toothline.example"],
            {"Gus": "customer", "help@toothline.example": "vendor"},
        ),
    ],
)
def test_labels_name_roles(speakers: list[str], roles: dict[str, Role]) -> None:
    sentences = spoken([(speaker, "Hello.") for speaker in speakers])
    assert labelled_roles(sentences, "transcript") == roles


@pytest.mark.parametrize(
    ("profile", "roles"),
    [
        ("support_ticket", {"Gus": "customer"}),
        ("transcript", {}),
    ],
)
def test_who_opens_a_ticket_is_a_customer(profile: Profile, roles: dict[str, Role]) -> None:
    sentences = spoken([("Gus", "It crashes."), ("Hanne (Toothline)", "Sorry.")])
    assert labelled_roles(sentences, profile) == roles
