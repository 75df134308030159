"""`status --html` of a stack that tunes by a managed service."""

from pathlib import Path

import pytest

from core.refs import StackOutputs
from tests.training.managed_commands.conftest import Trained
from tests.typed_commands import run_json


@pytest.mark.slow
def test_the_page_has_the_curve_and_the_model_of_a_managed_job(
    managed: StackOutputs, trained: Trained, tmp_path: Path
) -> None:
    """Slow: the page also reads the workspace, and azure-ai-ml takes seconds to import."""
    made = trained["openai"]
    found = run_json("status", "--html", tmp_path / "stack.html")
    [run] = [one for one in found["runs"] if one["name"] == made.job]
    assert run["route"] == "openai" and {"step", "loss"} <= set(run["history"][0])
    assert run["hours"] is not None
    [model] = [one for one in found["models"] if f"{one['name']}:{one['version']}" == made.model]
    assert model["serves"] == [] and found["not_readable"] == []
    page = (tmp_path / "stack.html").read_text()
    assert "<svg" in page and made.model.partition(":")[0] in page
