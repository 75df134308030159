"""Names and sizes: pure, legal, and the same for the same input."""

import re
from pathlib import Path
from typing import Any

import pytest

from core.catalog import VM_SIZES
from core.errors import SettingsError
from core.price_list import shipped
from core.refs import ModelRef, StackOutputs
from deploy import sizing
from deploy.deployment import Plan
from deploy.endpoint import endpoint_name
from deploy.environment import SERVING, code_digest, stage_code
from deploy.runtimes import RUNTIMES, build_environment

LEGAL = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{2,31}")


def outputs(**changes: str) -> StackOutputs:
    needed = [name for name, field in StackOutputs.model_fields.items() if field.is_required()]
    fields = dict.fromkeys(needed, "x")
    return StackOutputs(**{**fields, "workspace": "mlw-dev", **changes})


def plan(**changes: Any) -> Plan:
    fields: dict[str, Any] = {
        "model": ModelRef(name="phi", version="3"),
        "vm_size": "Standard_E4s_v3",
        "environment": "azureml:tunestack-serve:1",
        "code": Path(),
        "code_digest": "0",
        "runtime": RUNTIMES["transformers"],
    }
    return Plan(**{**fields, **changes})


@pytest.mark.parametrize(
    "workspace", ["mlw-dev", "a", "1st", "MLW_Dev", "w" * 60, "mlw-" + "-" * 20 + "x", "---"]
)
def test_the_endpoints_name_is_legal_and_repeatable(workspace: str) -> None:
    name = endpoint_name(outputs(workspace=workspace))
    assert LEGAL.fullmatch(name), name
    assert name == endpoint_name(outputs(workspace=workspace))


def test_two_subscriptions_get_two_endpoints() -> None:
    names = {endpoint_name(outputs(subscription_id=each)) for each in ("one", "two")}
    assert len(names) == 2


@pytest.mark.parametrize("version", ["1", "2026.11.21", "A_b-" * 30, "."])
def test_a_deployments_name_is_legal(version: str) -> None:
    name = plan(model=ModelRef(name="phi", version=version)).name
    assert LEGAL.fullmatch(name), name


def test_whatever_changes_what_runs_changes_the_deployments_name() -> None:
    plans = [
        plan(),
        plan(model=ModelRef(name="other", version="3")),
        plan(model=ModelRef(name="phi", version="4")),
        plan(vm_size="Standard_E8s_v3"),
        plan(environment="azureml:tunestack-serve:2"),
        plan(code_digest="1"),
    ]
    assert len({each.name for each in plans}) == len(plans)
    assert plan(code=Path("elsewhere")).name == plan().name


def test_the_staged_code_has_everything_that_score_imports(tmp_path: Path) -> None:
    code = stage_code(tmp_path)
    staged = {path.stem for path in code.iterdir()}
    imported = {
        line.split()[1]
        for path in code.iterdir()
        for line in path.read_text().splitlines()
        if line.startswith("from ") and line.split()[1] in {p.stem for p in SERVING.glob("*.py")}
    }
    assert imported < staged
    assert {"score", "template_fingerprint"} <= staged
    assert not (SERVING / "template_fingerprint.py").exists()


def test_the_code_digest_follows_the_content(tmp_path: Path) -> None:
    code = stage_code(tmp_path)
    before = code_digest(code)
    (code / "score.py").write_text((code / "score.py").read_text() + "\n")
    assert code_digest(code) != before


def test_the_environment_is_named_by_its_content_and_pins_everything() -> None:
    sizes = ("Standard_E4s_v3", "Standard_E8s_v3", "Standard_NC24ads_A100_v4")
    cpu, same, gpu = (build_environment(RUNTIMES["transformers"], size) for size in sizes)
    assert cpu.version == same.version != gpu.version
    assert "cuda" in gpu.image and "cuda" not in cpu.image
    pins = cpu.conda_file["dependencies"][-1]["pip"]
    assert len(pins) > 50
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^ ;]+", pin) for pin in pins)


def test_a_retired_size_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(SettingsError, match="retired on 2025-09-30"):
        sizing.require_current("Standard_NC6s_v3")


def test_every_size_of_the_catalog_has_a_price_line_and_only_a_gpu_of_80_gib_no_warning() -> None:
    silent = {size.name for size in VM_SIZES if not sizing.warnings(size.name)}
    listed = shipped("eastus", [size.name for size in VM_SIZES])
    told = {size.name: sizing.price(size.name, listed.vm(size.name)) for size in VM_SIZES}
    for size in VM_SIZES:
        assert ("is not known here" in told[size.name]) == (size.retired is not None)
    assert silent == {size.name for size in VM_SIZES if size.gpu in ("A100", "H100")}


def test_the_tutorials_size_is_warned_of_with_the_numbers() -> None:
    text = "\n".join(sizing.warnings("Standard_E4s_v3"))
    assert "8 cores, not 4" in text
    assert "3.4 tokens a second" in text


def test_a_models_own_size_decides_what_is_small() -> None:
    small = "\n".join(sizing.warnings("Standard_D4s_v3", 134_515_008))
    assert "little" not in small and "No GPU" not in small
    large = "\n".join(sizing.warnings("Standard_NC4as_T4_v3", 7_000_000_000))
    assert "16 GiB are little for a model of 7.0 billion parameters: 14 GB" in large
