"""`models` over every route, and what status and cost tell of a model that is served."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.managed_commands.conftest import RECIPES, SERVERLESS, Trained
from tests.typed_commands import run, run_json

Folder = Callable[..., Path]
ROUTES = ("openai", SERVERLESS)
NAMES = ("openai", "serverless")

pytestmark = pytest.mark.usefixtures("managed")


@pytest.mark.slow
def test_models_of_all_routes_are_in_one_list(trained: Trained) -> None:
    """Slow: a training by each route."""
    every = [trained[route] for route in NAMES]
    found = {f"{one['name']}:{one['version']}": one for one in run_json("models", "list")}
    for made in every:
        assert found[made.model]["route"] == made.route
        assert found[made.model]["tags"]["job"] == made.job
    shown = run("models", "list").stdout
    assert "route" in shown.splitlines()[0]
    assert all(made.model in shown for made in every)


@pytest.mark.parametrize("route", ROUTES)
def test_show_tells_what_went_in_and_came_out(trained: Trained, route: str) -> None:
    made = trained[route]
    found = run_json("models", "show", made.model)
    assert found["inputs"]["recipe"] == made.recipe
    assert len(found["inputs"]["training data"]) == len(found["inputs"]["validation data"]) == 64
    assert found["metrics"]["eval_loss"] == pytest.approx(0.7177, abs=1e-4)
    shown = run("models", "show", made.model).stdout
    assert "epochs 3" in shown and "loss 0.618  eval loss 0.718" in shown


@pytest.mark.parametrize("route", ROUTES)
def test_register_says_that_the_service_did_it(trained: Trained, route: str) -> None:
    made = trained[route]
    shown = run("models", "register", made.job)
    assert shown.stdout == f"Model {made.model}\n"
    assert "registered it by itself" in shown.stderr


def test_the_newest_model_of_all_is_shown_without_a_name(trained: Trained) -> None:
    assert trained["openai"].model
    newest = run_json("models", "list")[0]
    assert run_json("models", "show")["name"] == newest["name"]


def test_the_weights_stay_with_the_service(trained: Trained) -> None:
    told = run("models", "download", trained["openai"].model, exit_code=1).stderr
    assert "the service that tuned it keeps the weights" in told


@pytest.mark.parametrize("route", ROUTES)
def test_a_model_that_is_served_is_not_deleted_before_its_deployment(
    chats: Folder, route: str
) -> None:
    made = run_json("train", "--recipe", RECIPES[route], "--data", chats(), "--yes")
    model = f"{made['model']['name']}:{made['model']['version']}"
    run("deploy", "--model", model, "--name", f"served-{route}", "--yes")
    told = run("models", "delete", model, "--yes", exit_code=1).stderr
    assert f"is served by served-{route}" in told and "the deployment goes first" in told

    standing = run_json("status")
    (hosted,) = [one for one in standing["hosted"] if one["name"] == f"served-{route}"]
    assert hosted["serves"] == "tuned" and hosted["created"]
    assert f"served-{route}" in run("status").stdout
    items = {item["name"]: item for item in run_json("cost")["items"]}
    assert items[f"served-{route}"]["kind"] == "deployment"
    assert items[made["job"]["name"]]["kind"] == "tuning"
    assert items[made["job"]["name"]]["what"].startswith("Completed")
    told = run("status", "--all").stdout
    assert f"tunestack undeploy served-{route} --stack managed" in told

    run("undeploy", f"served-{route}", "--yes")
    assert f"Deleted {model}" in run("models", "delete", model, "--yes").stdout
    assert model not in run("models", "list").stdout
    assert run_json("status")["hosted"] == []
