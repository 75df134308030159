"""When a deployment goes by itself, by the clock that can be set: no process is needed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hosted import MINI, QWEN, VERSION, openai

from local import clock
from local.arm import ai_deployment_life as life
from local.runner.processes import Processes
from local.services import load_services
from local.state import State
from local.tokens import DEPLOYMENTS
from local.world import World

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
TUNED = openai(f"{MINI}-{VERSION}.ft-0")
DAY = 86400.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    load_services()
    state = State(tmp_path)
    yield World(tmp_path, tmp_path, state, Processes(tmp_path), "", tmp_path / "ca.pem")
    state.close()


@pytest.fixture
def standing(world: World) -> Callable[[float], set[str]]:
    """Make three deployments; say which of them stand so many days later."""
    kinds = {"developer": (TUNED, "DeveloperTier"), "tuned": (TUNED, "Standard")}
    for name, (model, sku) in (kinds | {"base": (QWEN, "GlobalStandard")}).items():
        document: dict[str, Any] = {
            "id": f"{ACCOUNT}/deployments/{name}",
            "name": name,
            "type": DEPLOYMENTS,
            "sku": {"name": sku, "capacity": 1},
            "properties": {"model": model, "provisioningState": "Succeeded"},
            "systemData": {"createdAt": clock.write(clock.now(world.state))},
        }
        world.state.put(document["id"], DEPLOYMENTS, document)
        life.watch(world.state, document)

    def after(days: float) -> set[str]:
        clock.set_ahead(world.state, days * DAY)
        life.expire(world)
        return {document["name"] for _, document in world.state.find(DEPLOYMENTS)}

    return after


def test_a_developer_deployment_goes_after_a_day_even_if_it_is_asked(
    world: World, standing: Callable[[float], set[str]]
) -> None:
    assert standing(0.99) == {"developer", "tuned", "base"}
    life.used(world.state, f"{ACCOUNT}/deployments/developer")
    assert standing(1.01) == {"tuned", "base"}


def test_a_tuned_model_goes_fifteen_days_after_its_last_question_and_a_base_model_never(
    world: World, standing: Callable[[float], set[str]]
) -> None:
    assert standing(14) == {"tuned", "base"}
    life.used(world.state, f"{ACCOUNT}/deployments/tuned")
    assert standing(28.9) == {"tuned", "base"}
    assert standing(29.1) == {"base"}
    assert standing(364) == {"base"}
