"""The policy pack's rules: the stack keeps each, and each catches what breaks it."""

import copy
import functools
from collections.abc import Iterator
from typing import Any

import pytest
from declared import Resource, declared

from policy.promises import RULES
from policy.promises.machine_learning import seconds
from policy.promises.rule import Rule

MAILS = {"alertEmails": ["you@example.com"]}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "cpu": {"compute": "cpu", "idleSeconds": 86400, "maxNodes": 4},
    "purge protection": {"purgeProtection": True, "personType": "ServicePrincipal"},
    "clusters": {"lowPriority": True, "clusters": ["Standard_NC40ads_H100_v5*2:lowPriority"]},
    "hub": {"hub": True},
    "foundry": {"foundry": True},
    "hardened": {"hardened": True, "allowedIps": ["203.0.113.7"]},
    "private network": {"privateNetwork": True},
    "monitoring": {"monitoring": True, **MAILS},
    "budget": {"budget": 50, **MAILS},
    "everything": {
        **MAILS, "lowPriority": True, "hub": True, "foundry": True, "hardened": True,
        "privateNetwork": True, "monitoring": True, "budget": 50,
    },
}  # fmt: skip
ABSENT = object()
SUBSCRIPTION = "/subscriptions/0a1b2c3d-0000-4000-8000-00000000000f"
ROLE = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
SCALE = ("properties", "properties", "scaleSettings")
STORAGE, VAULT = "storage:StorageAccount", "keyvault:Vault"
REGISTRY, COMPUTE = "containerregistry:Registry", "machinelearningservices:Compute"
ASSIGNMENT = "authorization:RoleAssignment"

BREACHES: tuple[tuple[str, str, tuple[str, ...], Any], ...] = (
    ("storage-no-shared-keys", STORAGE, ("allowSharedKeyAccess",), True),
    ("storage-no-shared-keys", STORAGE, ("allowSharedKeyAccess",), ABSENT),
    ("storage-no-public-blobs", STORAGE, ("allowBlobPublicAccess",), True),
    ("container-no-public-blobs", "storage:BlobContainer", ("publicAccess",), "Blob"),
    ("storage-tls-1-2", STORAGE, ("minimumTlsVersion",), "TLS1_0"),
    ("storage-tls-1-2", STORAGE, ("minimumTlsVersion",), ABSENT),
    ("storage-https-only", STORAGE, ("enableHttpsTrafficOnly",), False),
    ("storage-no-local-users", STORAGE, ("isLocalUserEnabled",), True),
    ("storage-same-tenant", STORAGE, ("allowCrossTenantReplication",), True),
    ("vault-decides-by-role", VAULT, ("properties", "enableRbacAuthorization"), False),
    ("vault-soft-delete", VAULT, ("properties", "enableSoftDelete"), False),
    ("registry-no-admin", REGISTRY, ("adminUserEnabled",), True),
    ("registry-no-anonymous-pull", REGISTRY, ("anonymousPullEnabled",), True),
    ("logs-have-a-daily-cap", "operationalinsights:Workspace", ("workspaceCapping",), ABSENT),
    ("cluster-no-standing-nodes", COMPUTE, (*SCALE, "minNodeCount"), 1.0),
    ("cluster-idle-time-bounded", COMPUTE, (*SCALE, "nodeIdleTimeBeforeScaleDown"), "P2D"),
    ("cluster-idle-time-bounded", COMPUTE, (*SCALE, "nodeIdleTimeBeforeScaleDown"), ABSENT),
    ("compute-no-login", COMPUTE, ("properties", "disableLocalAuth"), False),
    (
        "compute-no-login", COMPUTE,
        ("properties", "properties", "remoteLoginPortPublicAccess"), "Enabled",
    ),
    ("compute-user-assigned-identity", COMPUTE, ("identity", "type"), "SystemAssigned"),
    (
        "workspace-datastores-by-identity", "machinelearningservices:Workspace",
        ("systemDatastoresAuthMode",), "AccessKey",
    ),
    ("grant-says-for-what-kind", ASSIGNMENT, ("principalType",), ABSENT),
    ("grant-within-a-group", ASSIGNMENT, ("scope",), SUBSCRIPTION),
    (
        "grant-makes-no-administrator", ASSIGNMENT, ("roleDefinitionId",),
        f"{ROLE}/8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    ),
    (
        "grant-makes-no-administrator", ASSIGNMENT, ("roleDefinitionId",),
        f"{ROLE}/18D7D88D-D35E-4FB5-A5C3-7773C20A72D9",
    ),
    ("tracked-resource-names-its-stack", STORAGE, ("tags", "tunestack-stack"), ABSENT),
    ("tracked-resource-names-its-stack", COMPUTE, ("tags",), ABSENT),
    ("ai-account-no-keys", "cognitiveservices:Account", ("properties", "disableLocalAuth"), False),
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def named(name: str) -> Rule:
    (found,) = (rule for rule in RULES if rule.name == name)
    return found


def changed(inputs: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Give a copy of the inputs in which one has another value, or is not there."""
    inputs = copy.deepcopy(inputs)
    inner = inputs
    for name in path[:-1]:
        inner = inner[name]
    if value is ABSENT:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return inputs


@functools.cache
def of_type(kind: str) -> list[Resource]:
    """List what a stack declares of a type, with the feature that brings it."""
    everything = declared(foundry=kind.startswith("cognitive"))
    return [resource for resource in everything if resource[0] == f"azure-native:{kind}"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_stack_keeps_every_promise_with_every_feature(variant: str) -> None:
    findings = [
        f"{rule.name}: {token} {name}: {finding}"
        for token, name, inputs in declared(**VARIANTS[variant])
        for rule in RULES
        if (finding := rule.finding(token, inputs))
    ]
    assert findings == []


@pytest.mark.parametrize(
    ("rule", "kind", "path", "value"), BREACHES, ids=[f"{b[0]} {b[2][-1]}" for b in BREACHES]
)
def test_a_broken_promise_is_found_and_told_with_its_reason(
    rule: str, kind: str, path: tuple[str, ...], value: Any
) -> None:
    assert of_type(kind)
    for token, _, inputs in of_type(kind):
        finding = named(rule).finding(token, changed(inputs, path, value))
        assert named(rule).reason in finding
        assert path[-1] in finding or path[-1] in ("roleDefinitionId", "tags")


def test_no_rule_is_without_something_that_breaks_it() -> None:
    assert {breach[0] for breach in BREACHES} == {rule.name for rule in RULES}


def test_every_rule_but_a_mere_warning_speaks_of_what_a_stack_has() -> None:
    everything = declared(**VARIANTS["everything"])
    for rule in RULES:
        assert any(rule.concerns(token) for token, _, _ in everything), rule.name


def test_names_are_unique_and_every_rule_says_why() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.promise.endswith(".") and rule.reason.endswith(".") for rule in RULES)


def test_a_compute_instance_may_not_be_logged_in_to_and_needs_no_scale_settings() -> None:
    token = f"azure-native:{COMPUTE}"
    instance = {"properties": {"computeType": "ComputeInstance", "disableLocalAuth": True}}
    assert named("compute-no-login").finding(token, instance) == ""
    assert named("cluster-no-standing-nodes").finding(token, instance) == ""
    instance["properties"]["disableLocalAuth"] = False
    assert named("compute-no-login").finding(token, instance)


def test_what_is_not_azures_concerns_no_rule() -> None:
    assert not any(rule.concerns("pulumi:providers:azure-native") for rule in RULES)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("PT2M", 120), ("PT1H30M", 5400), ("P1D", 86400), ("P", None), ("soon", None), (120, None)],
)
def test_durations_are_read_as_azure_writes_them(written: object, meant: int | None) -> None:
    assert seconds(written) == meant
