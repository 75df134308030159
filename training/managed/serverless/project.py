"""The hub's project as the modules of this folder use it: an Azure ML workspace, asked plainly.

azure-ai-ml makes the job and the data assets; what is only read goes over plain ARM requests,
which need no import of four seconds and see fields that the SDK drops.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from core.cloud import Cloud
from core.refs import StackOutputs

JOBS_API = "2024-10-01-preview"
"""The last version in which azure-ai-ml sends and reads fine-tuning jobs (1.35.2)."""

MODELS_API = "2023-08-01-preview"
ENDPOINTS_API = "2024-01-01-preview"
"""Of serverless endpoints and marketplace subscriptions, as azure-ai-ml 1.35.2 asks for them."""

WORKSPACE_API = "2024-10-01"


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
    def models_prefix(self) -> str:
        """What the ids of its models begin with, as serverless endpoints name them.

        By the project's region and guid: an id of the project's name is not taken (Microsoft's
        fine-tuning notebook).
        """
        found = self.get("", WORKSPACE_API) or {}
        region = str(found.get("location") or self.outputs.location).replace(" ", "").lower()
        guid = (found.get("properties") or {}).get("workspaceId") or self.outputs.workspace
        return f"azureml://locations/{region}/workspaces/{guid}/models"
