"""What a person orders of `deploy`: a model, on what, how many, and how it takes the traffic."""

from dataclasses import dataclass

from core.refs import ModelRef
from deploy.endpoint import DeploymentState, EndpointState


@dataclass(frozen=True)
class DeployOrder:
    """One deploy."""

    model: ModelRef
    vm_size: str
    runtime: str = ""
    """Empty: what the model's files are for."""
    instances: int | None = None
    """None: as many as the deployment has; a new one as many as what answers now, else one."""
    max_instances: int | None = None
    """How many there may be under load; None: as it, or the one before it, is scaled."""
    auth: str = ""
    """`key`, `entra`, or empty: as the endpoint is, else by key."""
    canary: int | None = None
    """Percent of the traffic for the new deployment, beside the old; None: all of it."""
    keep: bool = False
    """Leave standing what has no traffic any more."""
    base: ModelRef | None = None
    """The base model, deployed without traffic to be compared with."""
    is_rollback: bool = False
    """It goes back along the endpoint's history, and is no new entry of it."""

    def count(self, state: EndpointState | None, standing: DeploymentState | None) -> int:
        """Give how many instances it means beside what the endpoint has."""
        if self.instances is not None:
            return self.instances
        before = standing or (state.live if state else None)
        return max(1, before.instances) if before else 1
