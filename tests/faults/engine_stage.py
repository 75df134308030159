"""Stages whose stack the real `pulumi` works through the Automation API, its state in files."""

from pathlib import Path

import pytest
from engine_rig import Project, pulumi_command
from stage import Stage

from core.home import environments
from local.process import start

NEEDS_PULUMI = pytest.mark.skipif(
    pulumi_command() is None, reason="there is no pulumi here: make engine"
)


def new_stage(folder: Path) -> Stage:
    """Make a project with one stack on a local Azure of its own."""
    azure = folder / "azure" / "local"
    started = start(azure, environments=environments())
    project = Project.make(folder, started.environment)
    project.configure("dev", compute="cpu", personType="ServicePrincipal")
    return Stage("dev", folder, azure, {**project.environment, "COLUMNS": "120"})
