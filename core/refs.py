"""What one command hands the next: frozen references, read back from the stack or from Azure."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Ref(BaseModel):
    """A frozen record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClusterRef(Ref):
    """A compute cluster of the stack."""

    vm_size: str
    max_nodes: int
    is_low_priority: bool = False


class StackOutputs(Ref):
    """What the Pulumi program exports and every later command starts from."""

    subscription_id: str
    resource_group: str
    location: str
    workspace: str
    storage_account: str
    container_registry: str
    key_vault: str
    cluster: str
    """The main one, where jobs run unless they say otherwise."""
    endpoint_identity: str
    """Resource id of the user-assigned identity that online endpoints run as."""
    job_identity: str
    """Resource id of the user-assigned identity that training jobs run as."""
    workspace_identity: str
    hub: str = ""
    """The Azure ML hub; this and what follows up to `clusters` is empty where it is not made."""
    project: str = ""
    """The hub's project, in which serverless tuning runs: an Azure ML workspace itself."""
    ai_connection: str = ""
    """The hub's connection to the AI account."""
    ai_account: str = ""
    ai_endpoint: str = ""
    """The AI account's address; OpenAI's API is below it, at `openai/v1/`."""
    ai_project: str = ""
    """The Foundry project in the AI account."""
    content_filter: str = ""
    """The content filter that deployments of models are to name."""
    clusters: dict[str, ClusterRef] = {}
    """Every cluster by its name; empty where an earlier version made the stack."""
    low_priority_cluster: str = ""
    """The first low-priority one."""
    endpoint_logs: str = ""
    """Resource id of the Log Analytics workspace of a stack with monitoring, else empty."""
    alert_group: str = ""
    """Resource id of the action group that alerts write to; empty where nobody gets mails."""

    workflow_client_id: str = ""
    """What a repository's workflow signs in as; empty where the stack has no `github`."""
    tenant_id: str = ""
    """The Entra ID tenant of whoever ran `up`; empty where an earlier version made the stack."""

    def of_project(self) -> "StackOutputs":
        """Give the same stack with the hub's project in the workspace's place: it is one, too."""
        return self.model_copy(update={"workspace": self.project})


class JobRef(Ref):
    """An Azure ML job."""

    name: str
    status: str
    studio_url: str = ""


class ModelRef(Ref):
    """A registered model, as `name:version`."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"

    @classmethod
    def parse(cls, text: str) -> "ModelRef":
        """Read `name:version`; the version may be missing and is then empty (the latest)."""
        name, _, version = text.partition(":")
        return cls(name=name, version=version)


class EndpointRef(Ref):
    """An online endpoint, its scoring address and the deployment that takes its traffic."""

    name: str
    scoring_url: str
    deployment: str = ""
    auth: Literal["key", "entra"] = "key"
    """What a caller shows: a key of the endpoint, or a Microsoft Entra token with a role."""
