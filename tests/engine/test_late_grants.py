"""Grants that Azure does not count yet, with the real engine: `up` goes on until they do."""

import json
from pathlib import Path

from engine_rig import Project
from moments import tunestack

from local import faults


def test_an_up_whose_workspace_azure_refuses_its_new_grants_ends_well(
    project: Project, azure_folder: Path
) -> None:
    """Slow: the engine runs once for every grant that is late."""
    stack = "late"
    project.configure(stack, compute="cpu", personType="ServicePrincipal")
    faults.delay_roles(azure_folder, 1)
    told = tunestack(project, stack, "up", "--yes")
    assert "does not count new grants yet" in told
    assert "the first job and the first deployment show that they are in force" in told
    faults.delay_roles(azure_folder, 0)
    outputs = json.loads(project.pulumi("stack", "output", "-s", stack, "--json"))
    assert outputs["workspace"]
    project.pulumi("preview", "-s", stack, "--expect-no-changes")
    assert "Nothing remains" in tunestack(project, stack, "destroy", "--yes")
