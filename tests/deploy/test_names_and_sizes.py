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
from deploy.endpoint import endpoint_name
from deploy.environment import SERVING, code_digest, stage_code
from deploy.releasing.deployment import Plan, managed_deployment
from deploy.runtimes import RUNTIMES, build_environment

SMALL = "Standard_E4s_v3"
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


def test_every_size_of_the_catalog_has_a_price_line() -> None:
    listed = shipped("eastus", [size.name for size in VM_SIZES])
    told = {size.name: sizing.price(size.name, listed.vm(size.name)) for size in VM_SIZES}
    for size in VM_SIZES:
        assert ("is not known here" in told[size.name]) == (size.retired is not None)
    assert "3 x Standard_E4s_v3: $0.756" in sizing.price("Standard_E4s_v3", listed.vm(SMALL), 3)


def test_azures_reserve_is_said_where_there_is_one() -> None:
    assert "8 cores, not 4" in sizing.quota_note(SMALL)
    assert "12 cores, not 8" in sizing.quota_note(SMALL, 2)
    assert sizing.quota_note("Standard_NC24ads_A100_v4") == ""


WORST = [("Standard_E4s_v3", 0.5), ("Standard_E4s_v3", 15.3), ("Standard_NC24ads_A100_v4", 7.6),
         ("Standard_NC24ads_A100_v4", 70.0), ("Standard_E4s_v3", None)]  # fmt: skip


def seconds_until_given_up(vm_size: str, weights: float | None) -> dict[str, float]:
    """Compute from what is sent when each probe's last failure is certain."""
    sent = managed_deployment(plan(vm_size=vm_size, weights_gb=weights), "ep")
    properties = sent._to_rest_object(location="x").as_dict()["properties"]
    found = {}
    for kind in ("readinessProbe", "livenessProbe"):
        probe = properties[kind]
        delay, period, timeout = (
            isodate(probe[key]) for key in ("initialDelay", "period", "timeout")
        )
        found[kind] = delay + period * probe["failureThreshold"] + timeout
        found[f"{kind} begins"] = delay
    return found


def isodate(text: str) -> float:
    minutes, seconds = re.fullmatch(r"PT(?:(\d+)M)?(?:(\d+)S)?", text).groups()  # type: ignore[union-attr]
    return 60 * int(minutes or 0) + int(seconds or 0)


@pytest.mark.parametrize(("vm_size", "weights"), WORST)
def test_a_broken_deployment_is_given_up_within_eight_minutes(
    vm_size: str, weights: float | None
) -> None:
    found = seconds_until_given_up(vm_size, weights)
    assert max(found["readinessProbe"], found["livenessProbe"]) <= 480
    # Nobody kills a model that is still being loaded.
    assert found["livenessProbe begins"] >= found["readinessProbe"] - 10


def test_a_small_model_is_given_up_sooner_and_a_large_one_has_time_to_load() -> None:
    small = seconds_until_given_up(SMALL, 0.5)["readinessProbe"]
    large = seconds_until_given_up(SMALL, 15.3)["readinessProbe"]
    assert small < 150
    assert large > 300  # two minutes were needed to read 15 GB and answer, with a cold disk


def test_a_deployment_takes_in_what_its_runtime_can_and_has_threads_for_probes() -> None:
    sent = managed_deployment(plan(), "ep")
    assert sent.request_settings.max_concurrent_requests_per_instance == 64
    assert "--threads 68" in sent.environment_variables["GUNICORN_CMD_ARGS"]
    bare = managed_deployment(
        plan(runtime=RUNTIMES["mlflow"], environment="", code=None, code_digest=""), "ep"
    )
    assert bare.environment is None and bare.code_configuration is None
    assert "GUNICORN_CMD_ARGS" not in bare.environment_variables
