"""`ignore_changes` by the in-process engine: sent once, then left as Azure has it."""

from typing import Any

from recorded_arm import SUBSCRIPTION

from infra.arm import Request, request
from infra.in_process.ignored import as_it_stands

STORAGE = "azure-native:storage:StorageAccount"


def account(**inputs: Any) -> Request:
    named = {"accountName": "a", "resourceGroupName": "g", "location": "eastus2"}
    return request(STORAGE, {**named, **inputs}, SUBSCRIPTION)


def test_what_is_not_there_yet_is_made_as_the_program_says() -> None:
    wanted = account(accessTier="Hot")
    assert as_it_stands(wanted, None, ["accessTier"]) == wanted


def test_only_what_is_named_is_left_alone() -> None:
    wanted = account(accessTier="Hot", kind="StorageV2")
    actual = {"kind": "BlobStorage", "properties": {"accessTier": "Cool"}}
    left = as_it_stands(wanted, actual, ["accessTier"])
    assert (left.body["kind"], left.body["properties"]["accessTier"]) == ("StorageV2", "Cool")
    assert wanted.body["properties"]["accessTier"] == "Hot"


def test_a_name_is_found_where_arm_has_it() -> None:
    wanted = account(tags={"a": "b"}, enableHttpsTrafficOnly=True)
    actual = {"tags": {"a": "c"}, "properties": {"supportsHttpsTrafficOnly": False}}
    left = as_it_stands(wanted, actual, ["tags", "enableHttpsTrafficOnly"])
    assert left.body["tags"] == {"a": "c"}
    assert left.body["properties"]["supportsHttpsTrafficOnly"] is False


def test_what_azure_adds_below_it_is_not_sent_back() -> None:
    wanted = account(encryption={"keySource": "ours"})
    actual = {"properties": {"encryption": {"keySource": "theirs", "since": "2026-11-21"}}}
    left = as_it_stands(wanted, actual, ["encryption"])
    assert left.body["properties"]["encryption"] == {"keySource": "theirs"}


def test_what_azure_does_not_have_is_still_sent() -> None:
    wanted = account(accessTier="Hot")
    assert as_it_stands(wanted, {"properties": {}}, ["accessTier", "minimumTlsVersion"]) == wanted
