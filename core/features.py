"""What a stack may have beyond workspace and cluster: each a setting, off until asked for."""

import ipaddress
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core.catalog import vm_size

Priority = Literal["Dedicated", "LowPriority"]

CLUSTER = re.compile(r"(?P<size>Standard_\w+)(\*(?P<nodes>[1-9]\d?))?(:(?P<priority>lowPriority))?")
CLUSTER_EXAMPLE = "Standard_NC40ads_H100_v5*2:lowPriority"
MOST_CLUSTERS = 8
MOST_NODES = 64
REPOSITORY = re.compile(r"[\w.-]+(@\d+)?/[\w.-]+(@\d+)?", re.ASCII)
"""GitHub's owner/name; with ids where subject claims are immutable, as they are in repositories
made or renamed since 2026-07-15 (GitHub's changelog of 2026-04-23)."""


@dataclass(frozen=True)
class ClusterPlan:
    """A cluster as the settings want it."""

    vm_size: str
    max_nodes: int
    priority: Priority = "Dedicated"


IMAGE_BUILDER = ClusterPlan("Standard_E4s_v3", 1)
"""Builds the images of a private network whose other clusters all have GPUs."""


class Features(BaseModel):
    """The settings that add something to a stack or close it further."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    low_priority: bool = Field(
        False,
        alias="lowPriority",
        description="Also make a low-priority cluster of the main one's size: cheaper, preempted.",
    )
    clusters: tuple[str, ...] = Field(
        (),
        description="Further clusters, each as SIZE, SIZE*NODES or SIZE*NODES:lowPriority.",
    )
    hub: bool = Field(
        False,
        description="Make a hub, a project and a connection to AI services: serverless tuning.",
    )
    foundry: bool = Field(
        False,
        description="Make a Foundry account, a project and a content filter: OpenAI tuning.",
    )
    hardened: bool = Field(
        False,
        description="Purge protection, and a vault that answers allowedIps and Azure alone; with"
        " privateNetwork storage, too.",
    )
    allowed_ips: tuple[str, ...] = Field(
        (),
        alias="allowedIps",
        description="Public IPv4 addresses or networks that closed storage and vault answer.",
    )
    private_network: bool = Field(
        False,
        alias="privateNetwork",
        description="Run nodes and endpoints in Azure ML's managed network, with private"
        " endpoints to storage, vault and registry.",
    )
    monitoring: bool = Field(
        False,
        description="Keep Azure ML's logs, and alert on errors and latency of endpoints.",
    )
    budget: int = Field(
        0, ge=0, le=1_000_000, description="USD a month that alertEmails hear of; 0 is no budget."
    )
    alert_emails: tuple[str, ...] = Field(
        (), alias="alertEmails", description="Who gets the mails of budget and alerts."
    )
    github: str = Field(
        "",
        description="Repository whose workflow may train and deploy, as owner/name, or"
        " owner@ID/name@ID where its subject claims are immutable.",
    )
    github_branch: str = Field(
        "", alias="githubBranch", description="Its branch that may; empty means main."
    )
    github_environment: str = Field(
        "",
        alias="githubEnvironment",
        description="Its environment that may; empty means production.",
    )

    @field_validator("clusters", "allowed_ips", "alert_emails", mode="before")
    @classmethod
    def _lists_may_be_text(cls, value: Any) -> Any:
        """Take `a,b` and `["a"]` as environment variables, flags and stack config write them."""
        if isinstance(value, str):
            return json.loads(value) if value.startswith("[") else _parts(value)
        return value

    @field_validator("clusters")
    @classmethod
    def _clusters_can_be_had(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) > MOST_CLUSTERS:
            raise ValueError(f"{len(value)} clusters; at most {MOST_CLUSTERS}")
        return tuple(_written(_cluster_plan(text)) for text in value)

    @field_validator("allowed_ips")
    @classmethod
    def _addresses_are_public(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                network = ipaddress.IPv4Network(text)
            except ValueError as error:
                example = "203.0.113.7 or 203.0.113.0/24"
                raise ValueError(f"{text!r} is no IPv4 address; for example {example}") from error
            if network.is_private and not network.is_global and not _is_example(network):
                raise ValueError(f"{text!r} is private: Azure sees the public address")
            if network.prefixlen < 8:
                raise ValueError(f"{text!r} is a good part of the internet; at most a /8")
        return value

    @field_validator("alert_emails")
    @classmethod
    def _mails_look_like_mails(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not re.fullmatch(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+", text):
                raise ValueError(f"{text!r} is no address; for example you@example.com")
        return value

    @field_validator("github")
    @classmethod
    def _repository_is_githubs(cls, value: str) -> str:
        if value and not REPOSITORY.fullmatch(value):
            example = "octo-org/travel, or octo-org@123456/travel@456789"
            raise ValueError(f"{value!r} is no repository; for example {example}")
        return value

    @field_validator("github_branch", "github_environment")
    @classmethod
    def _no_pattern_in_a_subject(cls, value: str) -> str:
        """Refuse what Entra ID would compare letter by letter, and so never meet."""
        if re.search(r"[\s*?\[\]:~^\\'\"]", value) or len(value) > 255:
            raise ValueError(f"{value!r} is no plain name: no spaces, quotes, colons, patterns")
        return value

    @property
    def workflow_branch(self) -> str:
        """The branch of `github` that may act on the stack."""
        return self.github_branch or "main"

    @property
    def workflow_environment(self) -> str:
        """The environment of `github` that may act on the stack."""
        return self.github_environment or "production"

    @property
    def storage_is_closed(self) -> bool:
        """True where storage refuses every address that is not allowed.

        Only with a private network: a node outside one has a public address that nobody knows
        beforehand, and no rule of a storage firewall lets it in ("must be in the same virtual
        network", learn.microsoft.com, how-to-secure-workspace-vnet).
        """
        return self.private_network and bool(self.hardened or self.allowed_ips)

    @property
    def vault_is_closed(self) -> bool:
        """True where the vault refuses every address that is not allowed; no node asks it."""
        return self.hardened or self.storage_is_closed

    @property
    def further_clusters(self) -> tuple[ClusterPlan, ...]:
        """The clusters of `clusters`, taken apart."""
        return tuple(_cluster_plan(text) for text in self.clusters)

    def unfitting(self) -> list[str]:
        """Say which of these settings contradict or miss one another, a line each."""
        found = []
        if self.budget and not self.alert_emails:
            found.append("budget: nobody would hear of it; set alertEmails, too")
        if self.alert_emails and not (self.budget or self.monitoring):
            found.append("alertEmails: nothing would write to them; set budget or monitoring")
        if self.allowed_ips and not (self.hardened or self.private_network):
            found.append("allowedIps: no store asks for it; set hardened or privateNetwork to true")
        if (self.github_branch or self.github_environment) and not self.github:
            found.append("githubBranch, githubEnvironment: of no repository; set github, too")
        return found


def repeated(plans: tuple[ClusterPlan, ...]) -> list[str]:
    """Say which clusters are wanted twice, a line each: names come from size and priority."""
    kinds = Counter((plan.vm_size.lower(), plan.priority) for plan in plans)
    twice = {plan for plan in plans if kinds[(plan.vm_size.lower(), plan.priority)] > 1}
    named = sorted({f"{plan.vm_size}, {_words(plan.priority)}" for plan in twice})
    return [f"clusters: {name}, is there twice; raise its nodes instead" for name in named]


def image_builder(plans: tuple[ClusterPlan, ...], compute: str) -> ClusterPlan | None:
    """Choose the cluster that builds images where the registry is private; None: there is none.

    Azure takes clusters without GPUs alone for that (learn.microsoft.com,
    how-to-secure-workspace-vnet: "Only a CPU SKU is supported").
    """
    return next((plan for plan in plans if _can_build(plan, compute)), None)


def _can_build(plan: ClusterPlan, compute: str) -> bool:
    known = vm_size(plan.vm_size)
    has_gpus = bool(known.gpus) if known else compute == "gpu"
    return plan.priority == "Dedicated" and not has_gpus


def _words(priority: Priority) -> str:
    return "low priority" if priority == "LowPriority" else "dedicated"


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_example(network: ipaddress.IPv4Network) -> bool:
    """Let the networks of documentation pass, which Python calls private (RFC 5737)."""
    examples = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
    return any(network.subnet_of(ipaddress.IPv4Network(example)) for example in examples)


def _cluster_plan(text: str) -> ClusterPlan:
    found = CLUSTER.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no cluster; for example {CLUSTER_EXAMPLE}")
    known, nodes = vm_size(found["size"]), int(found["nodes"] or 1)
    if known and known.retired:
        raise ValueError(f"Azure retired {known.name} on {known.retired}")
    if nodes > MOST_NODES:
        raise ValueError(f"{text!r}: {nodes} nodes; at most {MOST_NODES}")
    name = known.name if known else found["size"]
    return ClusterPlan(name, nodes, "LowPriority" if found["priority"] else "Dedicated")


def _written(plan: ClusterPlan) -> str:
    low = ":lowPriority" if plan.priority == "LowPriority" else ""
    return f"{plan.vm_size}*{plan.max_nodes}{low}"
