"""Azure ML's two classes with an identity, rid of a trap of their SDK.

`user_assigned_identities` is a list as an input and a mapping as an output. Where the engine
answers a registration with the inputs (`pulumi destroy --run-program` does for what a half-failed
`up` never made), the SDK finds a list where its types promise a mapping, and the program ends.
Without a type for `identity` it takes either (pulumi_azure_native 3.29.0).
"""

from typing import Any

import pulumi
from pulumi_azure_native import machinelearningservices as ml


class MlWorkspace(ml.Workspace):  # type: ignore[misc]
    """An Azure ML workspace."""

    @property
    @pulumi.getter
    def identity(self) -> pulumi.Output[Any]:
        """Give the identity, in whichever form the engine knows it."""
        found: pulumi.Output[Any] = pulumi.get(self, "identity")
        return found


class MlCompute(ml.Compute):  # type: ignore[misc]
    """A compute of an Azure ML workspace."""

    @property
    @pulumi.getter
    def identity(self) -> pulumi.Output[Any]:
        """Give the identity, in whichever form the engine knows it."""
        found: pulumi.Output[Any] = pulumi.get(self, "identity")
        return found
