"""Everything that a person may choose about a stack: one frozen model, checked whole.

The same model is read from the stack's config by the command line and by the Pulumi program,
so `pulumi config set` and `tunestack init` obey the same rules. Nothing is read at import.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from core.catalog import vm_size
from core.errors import SettingsError

NAMESPACE = "tunestack"
"""Pulumi's project name: config keys are `tunestack:location` and so on."""

MOST_TAGS = 10
"""Azure's tightest resource takes 15 tags, and the program sets some of its own."""


class Settings(BaseModel):
    """A stack's settings. Field aliases are the keys in Pulumi.<stack>.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

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
        if value and not re.fullmatch(r"(file|azblob|s3|gs|https)://\S+", value):
            raise ValueError(f"{value!r} is no backend; for example file://~")
        return value

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
    def _size_fits_the_compute(self) -> "Settings":
        known = vm_size(self.vm_size)
        if known and self.compute == "gpu" and not known.gpus:
            raise ValueError(f"vmSize: {known.name} has no GPU; set compute to cpu")
        if known and self.compute == "cpu" and known.gpus:
            raise ValueError(f"vmSize: {known.name} has a GPU; set compute to gpu")
        return self

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


def parse_settings(config: Mapping[str, Any]) -> Settings:
    """Check a stack's config (keys without the namespace) and make settings of it.

    Raises:
        SettingsError: lists every finding as `key: reason`, one a line.
    """
    try:
        return Settings.model_validate(dict(config))
    except ValidationError as error:
        raise SettingsError(findings(error), hint="Nothing was sent.") from error


def findings(error: ValidationError) -> str:
    """Write a validation error as one `path: reason` line for each finding."""
    lines = []
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"])
        reason = item["msg"].removeprefix("Value error, ")
        lines.append(f"{path}: {reason}" if path else reason)
    return "\n".join(lines)
