"""Names are legal whatever the stack is called, repeatable, and never shared by two stacks."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SettingsError
from infra.names import cluster_name, names, stack_name

SUBSCRIPTION = "0A1B2C3D-0000-4000-8000-00000000000F"
STACKS = st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True).filter(lambda s: s.strip("."))
RULES = {
    "group": r"(?!.*\.$)[-\w.()]{1,90}",
    "storage_account": r"[a-z0-9]{3,24}",
    "key_vault": r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{1,22}[a-zA-Z0-9]",
    "log_analytics": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "application_insights": r"[a-z0-9-]{1,259}[a-z0-9]",
    "container_registry": r"[a-zA-Z0-9]{5,50}",
    "workspace": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
    "endpoint_identity": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    "job_identity": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    "workspace_identity": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    "hub": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
    "hub_project": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}",
    "hub_identity": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    "workflow_identity": r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}",
    "ai_account": r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])",
    "ai_project": r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,63}",
    "budget": r"[a-zA-Z0-9_-]{1,63}",
    "action_group": r"[a-zA-Z0-9-]{1,260}",
}
CLUSTER = r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{2,23}"


@given(STACKS, st.integers(1, 999))
def test_every_name_is_legal_in_azure(stack: str, generation: int) -> None:
    made = dataclasses.asdict(names(SUBSCRIPTION, stack, generation))
    assert made.keys() == RULES.keys()
    for what, name in made.items():
        assert re.fullmatch(RULES[what], name, re.ASCII), (what, name)


@given(STACKS, STACKS)
def test_two_stacks_share_no_name(one: str, other: str) -> None:
    ours = dataclasses.asdict(names(SUBSCRIPTION, one))
    theirs = dataclasses.asdict(names(SUBSCRIPTION, other))
    for what, name in ours.items():
        assert (name == theirs[what]) == (one == other), (what, name)


def test_the_same_stack_gets_the_same_names() -> None:
    assert names(SUBSCRIPTION, "dev") == names(SUBSCRIPTION.lower(), "dev")
    assert names(SUBSCRIPTION, "org/tunestack/dev") == names(SUBSCRIPTION, "dev")


def test_another_subscription_gets_other_global_names() -> None:
    ours, theirs = names(SUBSCRIPTION, "dev"), names("0" * 36, "dev")
    assert ours.storage_account != theirs.storage_account
    assert ours.key_vault != theirs.key_vault
    assert ours.container_registry != theirs.container_registry


def test_a_new_generation_renames_what_soft_delete_may_hold_and_nothing_else() -> None:
    first, second = names(SUBSCRIPTION, "dev", 1), names(SUBSCRIPTION, "dev", 2)
    changed = {
        field.name
        for field in dataclasses.fields(first)
        if getattr(first, field.name) != getattr(second, field.name)
    }
    assert changed == {
        "storage_account",
        "key_vault",
        "log_analytics",
        "application_insights",
        "container_registry",
        "workspace",
        "hub",
        "hub_project",
        "ai_account",
    }


@pytest.mark.parametrize(
    "stack", ["", "../etc/passwd", "a b", "ümlaut", "x" * 101, "a/b/c/d", ".."]
)
def test_what_is_no_stack_name_is_refused(stack: str) -> None:
    with pytest.raises(SettingsError, match="stack"):
        stack_name(stack)


@given(
    st.sampled_from(["gpu", "cpu"]),
    st.from_regex(r"Standard_[A-Za-z0-9_]{1,60}", fullmatch=True),
)
def test_a_clusters_name_is_legal(compute: str, size: str) -> None:
    dedicated, low = (cluster_name(compute, size, is_low_priority=is_low) for is_low in (0, 1))
    assert re.fullmatch(CLUSTER, dedicated, re.ASCII)
    assert re.fullmatch(CLUSTER, low, re.ASCII)
    assert dedicated != low


@pytest.mark.parametrize(
    ("compute", "size", "name"),
    [
        ("gpu", "Standard_NC24ads_A100_v4", "gpu-nc24ads-a100-v4"),
        ("cpu", "Standard_E16s_v3", "cpu-e16s-v3"),
        ("gpu", "Standard_ND96isr_H100_v5", "gpu-nd96isr-h100-v5"),
    ],
)
def test_a_cluster_is_named_after_its_size(compute: str, size: str, name: str) -> None:
    assert cluster_name(compute, size) == name
