"""Everything that a person may choose about a stack: one frozen model, checked whole.

The same model is read from the stack's config by the command line and by the Pulumi program,
so `pulumi config set` and `tunestack init` obey the same rules. Nothing is read at import.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from core.catalog import vm_size
from core.errors import SettingsError
from core.features import IMAGE_BUILDER, ClusterPlan, Features, image_builder, repeated

NAMESPACE = "tunestack"
"""Pulumi's project name: config keys are `tunestack:location` and so on."""

BACKENDS = {
    "file": r"file://\S+",
    "azblob": r"azblob://[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9](\?\S+)?",
    "https": r"https://[\w.-]+(:\d+)?(/\S*)?",
    "other": r"(s3|gs)://\S+",
}
"""Where Pulumi can keep a state; a blob container's name has Azure's own rules."""

BACKEND_EXAMPLES = {
    "azblob": "azblob://CONTAINER?storage_account=NAME",
    "https": "https://api.pulumi.com",
}

TOGETHER = (
    ("vmSize", "compute"),
    ("adoptWorkspace", "adoptGroup"),
    ("budget", "alertEmails", "monitoring"),
    ("github", "githubBranch", "githubEnvironment", "person"),
    ("allowedIps", "hardened", "privateNetwork"),
    ("clusters", "lowPriority", "vmSize"),
)
"""Settings, by config key, of which one is right or wrong by the other."""

MOST_TAGS = 10
"""Azure's tightest resource takes 15 tags, and the program sets some of its own."""


class Settings(Features):
    """A stack's settings. Field aliases are the keys in Pulumi.<stack>.yaml."""

    location: str = Field("eastus2", description="Azure region of every resource.")
    generation: int = Field(
        1, ge=1, le=999, description="Raise it when a soft-deleted resource holds a name."
    )
    compute: Literal["gpu", "cpu"] = Field(
        "gpu", description="gpu: the A100 cluster; cpu: the tutorial's CPU path."
    )
    vm_size: str = Field(
        "", alias="vmSize", description="Cluster VM size; empty means the default of `compute`."
    )
    max_nodes: int = Field(1, alias="maxNodes", ge=1, le=64, description="Most cluster nodes.")
    idle_seconds: int = Field(
        120,
        alias="idleSeconds",
        ge=60,
        le=86400,
        description="Seconds without work until a node is given back.",
    )
    endpoint_vm_size: str = Field(
        "",
        alias="endpointVmSize",
        description="VM size of online deployments; empty means the default of `compute`.",
    )
    person_type: Literal["User", "ServicePrincipal"] = Field(
        "User", alias="personType", description="What runs the command line: a person, or CI."
    )
    person: str = Field(
        "",
        description="Object id of whom the person's grants are for; empty means who runs `up`.",
    )
    purge_protection: bool = Field(
        False,
        alias="purgeProtection",
        description="Let nobody purge the deleted vault for 7 days; cannot be undone.",
    )
    backend: str = Field(
        "",
        description="Where Pulumi keeps the state: file://…, azblob://…; empty means where"
        " `pulumi login` says.",
    )
    secrets_provider: str = Field(
        "",
        alias="secretsProvider",
        description="What encrypts secrets in the state: passphrase, azurekeyvault://…; empty"
        " means the backend's own.",
    )
    adopt_group: str = Field(
        "",
        alias="adoptGroup",
        description="Name of an existing resource group to work in; it is never deleted.",
    )
    adopt_workspace: str = Field(
        "",
        alias="adoptWorkspace",
        description="Name of an existing workspace in adoptGroup to train in; it is never deleted.",
    )
    expires: str = Field(
        "",
        description="Last day of the stack, as 2026-12-31; `status --all` tells when it is over.",
    )
    tags: dict[str, str] = Field(
        default_factory=dict, description="Tags of every resource, each as name=value."
    )

    @field_validator("location")
    @classmethod
    def _location_is_a_region(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z]+[0-9]?", value):
            raise ValueError(f"{value!r} is not a region's short name; for example eastus2")
        return value

    @field_validator("vm_size", "endpoint_vm_size")
    @classmethod
    def _size_can_be_had(cls, value: str) -> str:
        if value and not re.fullmatch(r"Standard_[A-Za-z0-9_]+", value):
            raise ValueError(f"{value!r} is not a VM size; for example Standard_NC24ads_A100_v4")
        known = vm_size(value)
        if known and known.retired:
            raise ValueError(
                f"Azure retired {known.name} on {known.retired};"
                " for example Standard_NC24ads_A100_v4"
            )
        return known.name if known else value

    @field_validator("backend")
    @classmethod
    def _backend_is_a_url(cls, value: str) -> str:
        if value and not any(re.fullmatch(form, value) for form in BACKENDS.values()):
            scheme = value.partition("://")[0]
            example = BACKEND_EXAMPLES.get(scheme, "file://~")
            raise ValueError(f"{value!r} is no backend; for example {example}")
        return value

    @field_validator("secrets_provider")
    @classmethod
    def _secrets_provider_is_pulumis(cls, value: str) -> str:
        vault = r"azurekeyvault://[\w.-]+/keys/[\w-]+(/\w+)?"
        known = rf"passphrase|default|{vault}|(awskms|gcpkms|hashivault)://\S+"
        if value and not re.fullmatch(known, value):
            is_vault = value.startswith("azurekeyvault")
            example = "azurekeyvault://NAME.vault.azure.net/keys/KEY" if is_vault else "passphrase"
            raise ValueError(f"{value!r} is no secrets provider; for example {example}")
        return value

    @field_validator("person")
    @classmethod
    def _person_is_an_object_id(cls, value: str) -> str:
        if value and not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value.lower()):
            how = "az ad signed-in-user show --query id -o tsv"
            raise ValueError(f"{value!r} is no object id; yours: {how}")
        return value.lower()

    @field_validator("adopt_group")
    @classmethod
    def _group_has_azures_name(cls, value: str) -> str:
        if value and not re.fullmatch(r"[-\w._()]{1,89}[-\w_()]|[-\w_()]", value):
            raise ValueError(f"{value!r} is no resource group's name; for example rg-research")
        return value

    @field_validator("adopt_workspace")
    @classmethod
    def _workspace_has_azures_name(cls, value: str) -> str:
        if value and not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}", value):
            raise ValueError(f"{value!r} is no workspace's name; for example mlw-research")
        return value

    @field_validator("expires", mode="before")
    @classmethod
    def _expires_is_a_day(cls, value: Any) -> str:
        """Take a date too: YAML reads an unquoted one as such."""
        text = str(value or "")
        try:
            return date.fromisoformat(text).isoformat() if text else ""
        except ValueError as error:
            raise ValueError(f"{text!r} is no day; for example 2026-12-31") from error

    @field_validator("tags", mode="before")
    @classmethod
    def _tags_may_be_pairs(cls, value: Any) -> Any:
        """Take `["team=nlp"]`, as stack config and flags write them, besides a mapping."""
        if isinstance(value, str):
            value = json.loads(value) if value.startswith("[") else value.split(",")
        if not isinstance(value, list | tuple):
            return value
        pairs = [str(item).partition("=") for item in value if str(item).strip()]
        wrong = [name for name, equals, _ in pairs if not (name and equals)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: not a pair; for example team=nlp")
        return {name.strip(): text.strip() for name, _, text in pairs}

    @field_validator("tags")
    @classmethod
    def _tags_are_azures(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if len(name) > 128 or re.search(r"[<>%&\\?/]", name):
                raise ValueError(f"{name!r}: at most 128 characters, none of < > % & \\ ? /")
            if name.lower().startswith(("tunestack-", "microsoft", "azure", "windows")):
                raise ValueError(f"{name!r}: this beginning is taken; for example team=nlp")
            if len(text) > 256:
                raise ValueError(f"{name!r}: its value is longer than 256 characters")
        if len(value) > MOST_TAGS:
            raise ValueError(f"{len(value)} tags; at most {MOST_TAGS}")
        return value

    @model_validator(mode="after")
    def _settings_fit_each_other(self) -> "Settings":
        found, known = self.unfitting(), vm_size(self.vm_size)
        if self.adopt_workspace and not self.adopt_group:
            found.append("adoptWorkspace: name its resource group, too, in adoptGroup")
        if self.github and not self.person:
            found.append("github: a workflow's plan would take your grants for its own; set person")
        if known and self.compute == "gpu" and not known.gpus:
            found.append(f"vmSize: {known.name} has no GPU; set compute to cpu")
        if known and self.compute == "cpu" and known.gpus:
            found.append(f"vmSize: {known.name} has a GPU; set compute to gpu")
        found += [*repeated(self.cluster_plans), *self._not_for_adopted()]
        if found:
            raise ValueError("\n".join(found))
        return self

    def _not_for_adopted(self) -> list[str]:
        """Say what would change a workspace that is not the stack's to change."""
        names = ("hub", "hardened", "private_network", "monitoring")
        asked = [config_key(name) for name in names if self.adopt_workspace and getattr(self, name)]
        return [f"{key}: would change {self.adopt_workspace}, which is adopted" for key in asked]

    @property
    def cluster_plans(self) -> tuple[ClusterPlan, ...]:
        """Every cluster of the stack: the main one first, its low-priority twin, further ones.

        The last one may be there to build images: in a private network nothing else can.
        """
        main = ClusterPlan(self.cluster_vm_size, self.max_nodes)
        twin = ClusterPlan(self.cluster_vm_size, self.max_nodes, "LowPriority")
        asked = (main, *((twin,) if self.low_priority else ()), *self.further_clusters)
        lacks = self.private_network and image_builder(asked, self.compute) is None
        return (*asked, IMAGE_BUILDER) if lacks else asked

    @property
    def image_builder(self) -> ClusterPlan | None:
        """The cluster that builds images; None where Azure's own machines do."""
        return image_builder(self.cluster_plans, self.compute) if self.private_network else None

    @property
    def cluster_vm_size(self) -> str:
        """The size that the cluster gets, after the default of `compute`."""
        if self.vm_size:
            return self.vm_size
        return "Standard_NC24ads_A100_v4" if self.compute == "gpu" else "Standard_E16s_v3"

    @property
    def deployment_vm_size(self) -> str:
        """The size that online deployments get, after the default of `compute`."""
        if self.endpoint_vm_size:
            return self.endpoint_vm_size
        return "Standard_NC24ads_A100_v4" if self.compute == "gpu" else "Standard_E4s_v3"


def config_key(field: str) -> str:
    """Give a field's key in the stack's config: `vm_size` → `vmSize`."""
    return Settings.model_fields[field].alias or field


def environment_name(field: str) -> str:
    """Give the environment variable that overrides a field: `vm_size` → `TUNESTACK_VM_SIZE`."""
    return f"TUNESTACK_{field.upper()}"


def parse_settings(config: Mapping[str, Any]) -> Settings:
    """Check a stack's config (keys without the namespace) and make settings of it.

    Raises:
        SettingsError: lists every finding as `key: reason`, one a line.
    """
    try:
        return Settings.model_validate(dict(config))
    except ValidationError as error:
        told = "\n".join([findings(error), *_between_the_others(config, error)])
        raise SettingsError(told, hint="Nothing was sent.") from error


def _between_the_others(config: Mapping[str, Any], error: ValidationError) -> list[str]:
    """Say what is wrong between settings that each are right, which is looked at last."""
    wrong = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
    for pair in TOGETHER:
        wrong |= set(pair) if wrong & set(pair) else set()
    try:
        Settings.model_validate({key: config[key] for key in config if key not in wrong})
    except ValidationError as more:
        return [findings(more)] if wrong else []
    return []


def findings(error: ValidationError) -> str:
    """Write a validation error as one `path: reason` line for each finding."""
    lines = []
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"])
        reason = item["msg"].removeprefix("Value error, ")
        lines.append(f"{path}: {reason}" if path else reason)
    return "\n".join(lines)
