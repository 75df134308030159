"""Rows of quota and sizes are found however Azure spells them."""

import pytest

from core.capacity import (
    Offer,
    Usage,
    cores,
    family_row,
    low_priority_row,
    offers,
    region_row,
    usages,
)
from core.catalog import VM_SIZES
from tests.doctor_facts import A100, ML, REGION, facts, say, say_usages


def usage(code: str, name: str) -> Usage:
    about = facts()
    rows = [{"name": {"value": code, "localizedValue": name}, "currentValue": 6, "limit": 24}]
    say(about, about.at_location(ML, "usages"), rows)
    (found,) = usages(about)
    return found


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (A100, A100),
        ("StandardNCADSA100v4Family", A100),
        ("standardNCADSA100v4Family", ""),
        ("", "Standard NCADSA100v4 family cluster dedicated vCPUs"),
    ],
)
def test_a_familys_row_is_found_by_azures_code_or_the_portals_words(code: str, name: str) -> None:
    row = usage(code, name)
    assert family_row([row], "Standard NCADSA100v4 Family") == row
    assert family_row([row], "Standard ESv3 Family") is None
    assert (row.used, row.limit, row.free) == (6, 24, 18)


def test_a_row_is_told_by_the_portals_own_name() -> None:
    told = usage(A100, A100).told(24)
    assert told == f"{A100}: 24 needed, 18 free of 24"


@pytest.mark.parametrize(
    "name",
    [
        "Total Cluster LowPriority vCPUs",
        "Total Cluster Low Priority Regional vCPUs",
        "Total Cluster LowPriority Regional vCPUs",
    ],
)
def test_the_pool_of_low_priority_is_found_in_each_of_its_spellings(name: str) -> None:
    rows = [usage(REGION, REGION), usage(name, name)]
    found, region = low_priority_row(rows), region_row(rows)
    assert found is not None and found.name == name
    assert region is not None and region.name == REGION


def test_every_size_of_the_catalog_names_its_family() -> None:
    assert all(size.family.startswith("Standard ") for size in VM_SIZES)
    assert all(size.family.endswith(" Family") for size in VM_SIZES)


def test_what_the_catalog_does_not_know_is_looked_up_in_azures_list() -> None:
    about = facts()
    row = {"name": "Standard_X9", "family": "standardXFamily", "vCPUs": 9, "gpus": 1}
    say(about, about.at_location(ML, "vmSizes"), [row])
    offered = offers(about)
    assert offered == [Offer("Standard_X9", "standardXFamily", 9, 1, False, ())]
    assert cores("standard_x9") is None
    known = cores("standard_x9", offered)
    assert known is not None and (known.family, known.vcpus) == ("standardXFamily", 9)


def test_a_row_with_nothing_in_it_is_no_error() -> None:
    about = facts()
    say_usages(about)
    say(about, about.at_location(ML, "usages"), [{}])
    assert usages(about) == [Usage("", "", 0, 0)]
