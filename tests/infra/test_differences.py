"""What counts as a difference between the program and Azure, and what does not."""

from typing import Any

import pytest

from infra.in_process.differences import differences

ID = "/subscriptions/S/resourceGroups/G/providers/X/y/z"


@pytest.mark.parametrize(
    ("wanted", "actual"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"location": "eastus2"}, {"location": "East US 2"}),
        ({"properties": {"storageAccount": ID}}, {"properties": {"storageAccount": ID.lower()}}),
        (
            {"identity": {"userAssignedIdentities": {ID: {}}}},
            {"identity": {"userAssignedIdentities": {ID.lower(): {"clientId": "c"}}}},
        ),
        ({"properties": {"Name": "x"}}, {"properties": {"name": "x"}}),
        ({"list": ["a", {"b": 1}]}, {"list": ["a", {"b": 1, "c": 2}]}),
        ({"tags": {}}, {}),
    ],
)
def test_these_are_the_same(wanted: dict[str, Any], actual: dict[str, Any]) -> None:
    assert differences(wanted, actual) == ()


@pytest.mark.parametrize(
    ("wanted", "actual", "path"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"),
        ({"a": {"b": 1}}, {"a": {}}, "a.b"),
        ({"a": {"b": 1}}, {}, "a"),
        ({"a": False}, {}, "a"),
        ({"a": False}, {"a": 0}, "a"),
        ({"a": "Disabled"}, {"a": "disabled"}, "a"),
        ({"a": [1, 2]}, {"a": [1]}, "a"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "a[0].b"),
    ],
)
def test_these_differ(wanted: dict[str, Any], actual: dict[str, Any], path: str) -> None:
    assert [item.path for item in differences(wanted, actual)] == [path]


def test_what_was_sent_and_is_wanted_no_more_differs_while_azure_has_it() -> None:
    sent, wanted = {"tags": {"a": "1", "b": "2"}}, {"tags": {"a": "1"}}
    (found,) = differences(wanted, {"tags": {"a": "1", "b": "2"}}, sent)
    assert (found.path, found.before, found.after) == ("tags.b", "2", None)
    assert differences(wanted, {"tags": {"a": "1"}}, sent) == ()
    assert differences(wanted, {"tags": {"a": "1", "c": "policy"}}, sent) == ()
