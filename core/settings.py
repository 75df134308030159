"""Everything that a person may choose about a stack: one frozen model, checked whole.

The same model is read from the stack's config by the command line and by the Pulumi program,
so `pulumi config set` and `tunestack init` obey the same rules. Nothing is read at import.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.errors import SettingsError

NAMESPACE = "tunestack"
"""Pulumi's project name: config keys are `tunestack:location` and so on."""


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
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of every resource.")

    @field_validator("location")
    @classmethod
    def _location_is_a_region(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z]+[0-9]?", value):
            raise ValueError(f"{value!r} is not a region's short name; for example eastus2")
        return value

    @field_validator("vm_size", "endpoint_vm_size")
    @classmethod
    def _size_is_named_in_full(cls, value: str) -> str:
        if value and not re.fullmatch(r"Standard_[A-Za-z0-9_]+", value):
            raise ValueError(f"{value!r} is not a VM size; for example Standard_NC24ads_A100_v4")
        return value

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
    return "\n".join(
        f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors()
    )
