"""The hub's project as the modules of this folder use it: an Azure ML workspace, asked plainly.

azure-ai-ml makes the job and the data assets; what is only read goes over plain ARM requests,
which need no import of four seconds and see fields that the SDK drops.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from core.cloud import Cloud
from core.errors import CloudError
from core.refs import StackOutputs
from training.metrics import Tracking

JOBS_API = "2024-10-01-preview"
"""The last version in which azure-ai-ml sends and reads fine-tuning jobs (1.35.2)."""

MODELS_API = "2023-08-01-preview"
ENDPOINTS_API = "2024-01-01-preview"
"""Of serverless endpoints, as azure-ai-ml 1.35.2 asks for them."""

WORKSPACE_API = "2024-10-01"
NOT_TOLD = (403, 404)
"""Answers by which a service shows that this is not for us to read."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Project:
    """A session with the project."""

    cloud: Cloud
    outputs: StackOutputs
    """The stack's, with the project in the workspace's place."""

    @classmethod
    def of(cls, cloud: Cloud, outputs: StackOutputs) -> "Project":
        """Open the project of a stack."""
        return cls(cloud, outputs.of_project())

    @property
    def path(self) -> str:
        """The ARM path of the project."""
        return (
            f"/subscriptions/{self.outputs.subscription_id}"
            f"/resourceGroups/{self.outputs.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.outputs.workspace}"
        )

    def get(self, route: str, api: str) -> dict[str, Any] | None:
        """Read something of the project; None where there is none."""
        return self.cloud.arm.get(f"{self.path}/{route}" if route else self.path, api)

    def get_list(self, route: str, api: str) -> list[dict[str, Any]]:
        """Read a whole list of the project's."""
        return self.cloud.arm.get_list(f"{self.path}/{route}", api)

    @cached_property
    def tracking(self) -> Tracking:
        """The project's run history and MLflow service."""
        return Tracking(self.cloud, self.outputs)

    def run_details(self, job: str) -> dict[str, Any]:
        """Read when a job's run began and ended and what failed it; empty where that is hidden."""
        return if_told(lambda: self.tracking.history(f"runs/{job}/details")) or {}

    @cached_property
    def models_prefix(self) -> str:
        """What the ids of its models begin with, as serverless endpoints name them.

        By the project's region and guid: an id of the project's name is not taken (Microsoft's
        fine-tuning notebook).
        """
        found = self.get("", WORKSPACE_API) or {}
        region = str(found.get("location") or self.outputs.location).replace(" ", "").lower()
        guid = (found.get("properties") or {}).get("workspaceId") or self.outputs.workspace
        return f"azureml://locations/{region}/workspaces/{guid}/models"


def if_told(read: Callable[[], Found]) -> Found | None:
    """Read what a serverless job may have; None where the service shows none of it.

    Which of a run's details, log and measures it shows is not documented.
    """
    try:
        return read()
    except CloudError as error:
        if error.status in NOT_TOLD:
            return None
        raise
