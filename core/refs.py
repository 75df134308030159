"""What one command hands the next: frozen references, read back from the stack or from Azure."""

from pydantic import BaseModel, ConfigDict


class Ref(BaseModel):
    """A frozen record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
    endpoint_identity: str
    """Resource id of the user-assigned identity that online endpoints run as."""
    job_identity: str
    """Resource id of the user-assigned identity that training jobs run as."""
    workspace_identity: str


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
