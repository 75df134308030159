"""deploy, traffic, rollback, endpoint and undeploy as they are typed, with real processes behind.

The Azure is the local one, the scoring program a small one that starts in a second; all else is
the product's, and every question goes through the endpoint's own door.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from commands.session import Session
from core.cloud import Cloud
from core.refs import StackOutputs
from core.settings import Settings
from deploy.access import open_access
from deploy.endpoint import find, undeploy
from deploy.releasing.rollout import deploy as deploy_to_endpoint
from deploy.talking.asking import Line
from local.process import LocalAzure
from tests.typed_commands import run, run_json

PROGRAM = Path(__file__).parent / "quick_serving"
STACK = "typed"
ON = ("--stack", STACK)
DEPLOY = ("deploy", *ON, "--yes", "--vm-size", "Standard_E4s_v3", "--ignore", "image.serving-tag")


@pytest.fixture(scope="module")
def stack(
    local_azure: LocalAzure, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cloud, StackOutputs]]:
    """A stack of its own, as the commands open it."""
    from infra.in_process.engine import InProcess

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
        settings = Settings(compute="cpu", person_type="ServicePrincipal")
        cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
        engine = InProcess(STACK, settings, cloud)
        outputs = engine.up(lambda event: None)
        for name, value in (
            ("settings", settings), ("cloud", cloud), ("engine", engine), ("outputs", outputs)
        ):  # fmt: skip
            patch.setattr(Session, name, value)
        quick = partial(deploy_to_endpoint, program=PROGRAM)
        patch.setattr("commands.deploying.deploy_to_endpoint", quick)
        yield cloud, outputs
        engine.destroy(lambda event: None)


@pytest.fixture
def said(
    stack: tuple[Cloud, StackOutputs], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    """Register a model that answers with a word, as `train` would; give its name."""
    from azure.ai.ml.entities import Model

    def register(word: str, **tags: str) -> str:
        folder = tmp_path_factory.mktemp("model")
        (folder / "word.txt").write_text(word)
        told = {"experiment": "tunestack", "parameters": "134515008", **tags}
        asset = Model(name=f"says-{word}", path=str(folder), type="custom_model", tags=told)
        stack[0].workspace(stack[1]).models.create_or_update(asset)
        return f"says-{word}"

    yield register
    undeploy(*stack)


def served(stack: tuple[Cloud, StackOutputs]) -> dict[str, int]:
    """Percent by model."""
    state = find(*stack)
    return {item.model: item.traffic for item in state.deployments} if state else {}


def ask(stack: tuple[Cloud, StackOutputs], deployment: str = "") -> str:
    state = find(*stack)
    assert state is not None
    line = Line(open_access(*stack, state.ref), deployment)
    try:
        return line.ask({"messages": [{"role": "user", "content": "hello"}]}).text
    finally:
        line.close()


class Callers:
    """People who ask without a pause, and note what they are told."""

    def __init__(self, stack: tuple[Cloud, StackOutputs]) -> None:
        self.answers: list[str] = []
        self.failures: list[Exception] = []
        self._stop = threading.Event()
        state = find(*stack)
        assert state is not None
        access = open_access(*stack, state.ref)
        self._threads = [threading.Thread(target=self._ask, args=(access,)) for _ in range(2)]

    def _ask(self, access: Any) -> None:
        line = Line(access)
        while not self._stop.is_set():
            try:
                self.answers.append(line.ask({"messages": [{"role": "user", "content": "x"}]}).text)
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody had no answer
                self.failures.append(error)
        line.close()

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)


@pytest.mark.slow
def test_a_model_is_replaced_tried_on_some_and_taken_back_and_nobody_is_without_an_answer(
    stack: tuple[Cloud, StackOutputs], said: Callable[[str], str]
) -> None:
    """Slow: five deployments are started, as a person would over an afternoon."""
    first = run_json(*DEPLOY, "--model", said("one"))
    assert first["traffic"] == {first["deployment"]: 100}
    with Callers(stack) as callers:
        shown = run(*DEPLOY, "--model", said("two"), "--canary", "10")
        assert "keeps 90 %, and both cost" in shown.stderr
        assert served(stack) == {"says-one:1": 90, "says-two:1": 10}
        run("traffic", "new=60", "old=40", "--yes", *ON)
        assert served(stack) == {"says-one:1": 40, "says-two:1": 60}
        run("rollback", "--yes", *ON)
        assert served(stack) == {"says-one:1": 100}
        run(*DEPLOY, "--model", "says-two")
        assert served(stack) == {"says-two:1": 100}
        shown = run(*DEPLOY, "--model", said("broken"), exit_code=1)
        assert "[program-error]" in shown.stderr and "no wish to serve" in shown.stderr
        assert "It was removed." in shown.stderr and "still answers" in shown.stderr
        shown = run(*DEPLOY, "--model", said("mute"), exit_code=1)
        assert "does not answer a question that was sent to it alone" in shown.stderr
        assert served(stack) == {"says-two:1": 100}
        shown = run("rollback", "--yes", "--ignore", "image.serving-tag", *ON)
        assert "says-one:1 answered until" in shown.stderr
    assert served(stack) == {"says-one:1": 100}
    assert callers.failures == []
    assert {answer.partition(":")[0] for answer in callers.answers} == {"one", "two"}
    assert run_json("endpoint", "show", *ON)["scoring_url"] == first["scoring_url"]


def test_every_endpoint_command_hides_the_keys_and_one_shows_them(
    stack: tuple[Cloud, StackOutputs], said: Callable[[str], str]
) -> None:
    model = said("key")
    outputs = [run(*DEPLOY, "--model", model)]
    keys = run_json("endpoint", "keys", "--show", *ON)
    secrets = (keys["primary"], keys["secondary"])
    for words in (
        ("endpoint", "show"), ("endpoint", "keys"), ("traffic",), ("status",),
        ("endpoint", "keys", "--rotate", "secondary", "--yes"),
    ):  # fmt: skip
        outputs += [run(*words, *last, *ON) for last in ((), ("--json",))]
    outputs.append(run("traffic", "new=90", *ON, exit_code=2))
    outputs.append(run("rollback", "--yes", *ON, exit_code=1))
    outputs.append(run(*DEPLOY, "--model", model, "--auth", "entra", exit_code=2))
    after = run_json("endpoint", "keys", "--show", *ON)
    assert after["primary"] == keys["primary"] != after["secondary"] != keys["secondary"]
    outputs.append(run("undeploy", "--yes", *ON))
    for secret in (*secrets, after["secondary"]):
        assert len(secret) > 20
        assert not any(secret in shown.output for shown in outputs)


def test_a_replaced_key_opens_nothing_and_who_is_cut_off_is_said_before(
    stack: tuple[Cloud, StackOutputs], said: Callable[[str], str]
) -> None:
    from core.errors import CloudError

    run(*DEPLOY, "--model", said("rotated"))
    state = find(*stack)
    assert state is not None
    old = Line(open_access(*stack, state.ref))
    shown = run("endpoint", "keys", "--rotate", "primary", *ON, exit_code=2)
    assert "is refused (401) from that moment" in shown.stderr and "--yes" in shown.stderr
    assert old.ask({"messages": [{"role": "user", "content": "x"}]}).text == "rotated: x"
    run("endpoint", "keys", "--rotate", "primary", "--yes", *ON)
    with pytest.raises(CloudError) as caught:
        old.ask({"messages": [{"role": "user", "content": "x"}]})
    assert caught.value.status == 401
    old.close()
    assert ask(stack) == "rotated: hello"


def test_with_entra_the_persons_token_opens_it_and_there_are_no_keys(
    stack: tuple[Cloud, StackOutputs], said: Callable[[str], str]
) -> None:
    shown = run_json(*DEPLOY, "--model", said("token"), "--auth", "entra")
    assert shown["auth"] == "entra"
    assert ask(stack) == "token: hello"
    for words in (("endpoint", "keys"), ("endpoint", "keys", "--rotate", "primary", "--yes")):
        told = run(*words, *ON, exit_code=1)
        assert "has no keys" in told.stderr and "Entra token" in told.stderr
    refused = run(*DEPLOY, "--model", "says-token", "--auth", "key", exit_code=2)
    assert "Azure never changes" in refused.stderr and "keys are new" in refused.stderr
    assert served(stack) == {"says-token:1": 100}


@pytest.mark.slow
def test_the_base_model_is_asked_by_name_and_one_deployment_alone_is_undeployed(
    stack: tuple[Cloud, StackOutputs], said: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow: two deployments; test_rollout.py holds the order of the calls in memory."""
    from core.refs import ModelRef

    said("plain")
    exported: list[str] = []

    def export(session: Session, model: ModelRef, kind: str) -> ModelRef:
        exported.append(f"{model} {kind}")
        return ModelRef(name="says-plain", version="1")

    monkeypatch.setattr("commands.models.export.exported", export)
    shown = run(*DEPLOY, "--model", said("tuned"), "--with-base")
    assert "The base model beside it, without traffic, on another instance" in shown.stderr
    assert exported == ["says-tuned:1 base"]
    state = find(*stack)
    assert state is not None
    base = state.serving("base")
    assert base is not None and base.traffic == 0
    assert (ask(stack), ask(stack, base.name)) == ("tuned: hello", "plain: hello")
    refused = run("undeploy", "new", "--yes", *ON, exit_code=1)
    assert "answers 100 % of the traffic" in refused.stderr
    run("undeploy", base.name, "--yes", *ON)
    assert served(stack) == {"says-tuned:1": 100}
    shown_now = run_json("endpoint", "show", *ON)
    assert [item["serves"] for item in shown_now["deployments"]] == ["tuned"]


@pytest.mark.slow
def test_more_instances_are_a_change_in_place_and_cost_more(
    stack: tuple[Cloud, StackOutputs], said: Callable[[str], str]
) -> None:
    """Slow: a deployment is started and set up again; test_rollout.py has it in memory."""
    first = run_json(*DEPLOY, "--model", said("scaled"))
    with Callers(stack) as callers:
        again = run_json(*DEPLOY, "--model", "says-scaled", "--instances", "2")
    assert (again["deployment"], again["instances"]) == (first["deployment"], 2)
    assert callers.failures == [] and callers.answers
    (item,) = run_json("traffic", *ON)["deployments"]
    assert item["instances"] == 2 and item["per_hour"] == pytest.approx(2 * 0.252)


def test_what_is_too_large_or_costs_too_much_is_refused_before_anything_is_there(
    stack: tuple[Cloud, StackOutputs], said: Callable[[str], str]
) -> None:
    said("large", parameters="70000000000")
    refused = run(*DEPLOY, "--model", "says-large", exit_code=3)
    assert "memory.endpoint" in refused.stderr and "280.0 GB of weights" in refused.stderr
    refused = run(*DEPLOY, "--model", "says-large", "--instances", "2", "--max-cost", "300",
                  exit_code=2)  # fmt: skip
    assert "a month of 2 x Standard_E4s_v3 would be $367.92" in refused.stderr
    refused = run(*DEPLOY, "--model", "says-large", "--runtime", "openvino", exit_code=2)
    assert "does not read a model made for transformers" in refused.stderr
    assert find(*stack) is None


@pytest.mark.parametrize("words", [("traffic",), ("rollback",), ("endpoint", "show"),
                                   ("endpoint", "keys")])  # fmt: skip
def test_without_an_endpoint_the_commands_name_deploy(
    stack: tuple[Cloud, StackOutputs], words: tuple[str, ...]
) -> None:
    assert f"tunestack deploy --stack {STACK}" in run(*words, *ON, exit_code=3).stderr


def test_what_a_person_does_not_confirm_is_not_done(
    stack: tuple[Cloud, StackOutputs], said: Callable[[str], str]
) -> None:
    words = [word for word in DEPLOY if word != "--yes"]
    refused = run(*words, "--model", said("asked"), exit_code=2)
    assert "Deploy says-asked:1?" in refused.stderr and "Add --yes" in refused.stderr
    assert find(*stack) is None
    assert json.loads(run("undeploy", "--yes", "--json", *ON).stdout)["deleted"] is False
