"""Chat and flow against deployments that run on the local Azure, through its own scoring address.

Whether that passes parts on as they come or keeps them until the end is its affair: these tests
hold for both. The scoring program starts in a second; everything else is the product's.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from commands.session import Session
from core.cloud import Cloud
from core.environments import ensure_environment, pinned_environment
from core.home import environments
from core.package_folder import package_folder
from core.refs import StackOutputs
from core.settings import Settings
from deploy.endpoint import endpoint_name, ensure_endpoint, find, undeploy
from deploy.flow.export import REQUIREMENTS
from deploy.talking.chat import open_conversation
from local.process import LocalAzure, outside
from tests.typed_commands import run, run_json

HERE = Path(__file__).parent
SIZE = "Standard_E4s_v3"


@pytest.fixture(scope="module")
def cloud(local_azure: LocalAzure) -> Cloud:
    return Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])


@pytest.fixture(scope="module")
def outputs(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackOutputs]:
    """A stack of its own, with a tuned model that takes the traffic and its base model."""
    from infra.in_process.engine import InProcess

    shared = str(environments())  # packages are installed once for all homes
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("TUNESTACK_ENVIRONMENTS", shared)
        engine = InProcess(
            "talking", Settings(compute="cpu", person_type="ServicePrincipal"), cloud
        )
        made = engine.up(lambda event: None)
        serve(cloud, made, tmp_path_factory.mktemp("program"))
        yield made
        undeploy(cloud, made)
        engine.destroy(lambda event: None)


@pytest.fixture(autouse=True)
def stack(cloud: Cloud, outputs: StackOutputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the commands at the tests' stack."""
    monkeypatch.setattr(Session, "cloud", cloud)
    monkeypatch.setattr(Session, "outputs", outputs)


def serve(cloud: Cloud, outputs: StackOutputs, program: Path) -> None:
    """Deploy both models as Azure's own SDK does it."""
    from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment, Model

    shutil.copytree(HERE / "quick_serving", program, dirs_exist_ok=True)
    shutil.copy(HERE / "streaming_score.py", program / "score.py")
    client = cloud.workspace(outputs)
    ensure_endpoint(cloud, outputs, lambda text: None)
    pinned = pinned_environment("tunestack-serve", "", program, "cpu")
    environment = ensure_environment(cloud, outputs, pinned)
    waiting = []
    for side in ("tuned", "base"):
        folder = program.parent / f"model-{side}"
        folder.mkdir()
        (folder / "word.txt").write_text(side)
        model = Model(name=f"says-{side}", path=str(folder), type="custom_model")
        made = client.models.create_or_update(model)
        deployment = ManagedOnlineDeployment(
            name=f"{side}-1",
            endpoint_name=endpoint_name(outputs),
            model=f"azureml:{made.name}:{made.version}",
            code_configuration=CodeConfiguration(code=str(program), scoring_script="score.py"),
            environment=environment,
            instance_type=SIZE,
            instance_count=1,
            tags={"serves": side},
        )
        waiting.append(client.online_deployments.begin_create_or_update(deployment))
    for poller in waiting:
        poller.result()
    endpoint = client.online_endpoints.get(endpoint_name(outputs))
    endpoint.traffic = {"tuned-1": 100}
    client.online_endpoints.begin_create_or_update(endpoint).result()


def test_what_takes_the_traffic_answers_and_is_measured() -> None:
    told = run_json("chat", "--once", "Where to?", "--system", "Be brief.")
    assert told["answer"] == "tuned: Where to? (2)"
    assert told["deployment"] == "tuned-1"
    assert told["finish_reason"] == "stop"
    assert told["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    assert 0 < told["seconds_to_first_token"] <= told["seconds"]


@pytest.mark.parametrize("side", ["tuned", "base"])
def test_each_side_is_reached_by_its_name(side: str) -> None:
    told = run_json("chat", "--once", "Where to?", "--model", side)
    assert (told["answer"], told["deployment"]) == (f"{side}: Where to? (1)", f"{side}-1")


def test_a_refusal_of_the_model_comes_through_as_the_persons_to_mend() -> None:
    result = run("chat", "--once", "too long", exit_code=1)
    assert "refused the question: That is too long." in result.stderr


def test_a_conversation_outlives_its_key(cloud: Cloud, outputs: StackOutputs) -> None:
    found = find(cloud, outputs)
    assert found is not None
    conversation = open_conversation(cloud, outputs, found.ref)
    assert conversation.ask("one") == "tuned: one (1)"
    operations = cloud.workspace(outputs).online_endpoints
    operations.begin_regenerate_keys(found.ref.name, key_type="primary").result()
    assert "".join(conversation.stream("two")) == "tuned: two (3)"
    conversation.close()


def test_an_exported_flow_names_the_endpoint_and_holds_no_key(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path
) -> None:
    folder = tmp_path / "flow"
    told = run_json("flow", "export", "--folder", folder)
    keys = cloud.workspace(outputs).online_endpoints.get_keys(endpoint_name(outputs))
    names = sorted(path.name for path in folder.rglob("*"))
    assert sorted(Path(file).name for file in told["files"]) == names
    for path in folder.iterdir():
        for secret in (keys.primary_key, keys.secondary_key, keys.primary_key[:12]):
            assert secret not in path.read_text()
    node = yaml.safe_load((folder / "flow.dag.yaml").read_text())["nodes"][0]
    found = find(cloud, outputs)
    assert found is not None
    assert node["inputs"]["scoring_url"] == found.ref.scoring_url
    assert run("flow", "export", "--folder", folder).exit_code == 0


def promptflow(*arguments: object, **more: str) -> tuple[list[str], dict[str, str]]:
    """A command line of the installed promptflow, and its environment."""
    packages = package_folder(
        "promptflow", REQUIREMENTS, environments(), outside(dict(os.environ)), print
    )
    home = str(Path(os.environ["TUNESTACK_HOME"], "promptflow"))
    environment = {**os.environ, **more, "PF_HOME_DIRECTORY": home, "HOME": home}
    return [str(packages / "bin" / "pf"), *map(str, arguments)], environment


def validated(folder: Path) -> Any:
    """What promptflow's own loader says of a flow."""
    command, environment = promptflow("flow", "validate", "--source", folder)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def get(url: str, server: subprocess.Popen[bytes]) -> str:
    """Read an address of a server that is starting."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert server.poll() is None, "the server has ended"
        try:
            return httpx.get(url, trust_env=False, timeout=30).raise_for_status().text
        except httpx.ConnectError:
            time.sleep(0.1)
    raise AssertionError(f"nothing answers at {url}")


@pytest.mark.slow
def test_the_real_promptflow_runs_the_flow_against_the_endpoint(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path
) -> None:
    """Slow: installs promptflow into an environment of its own, and starts it five times."""
    folder = tmp_path / "flow"
    told = run_json("flow", "test")
    assert told["answer"] == "tuned: Who founded Microsoft? (1)"
    assert told["promptflow"].startswith("1.18.")
    result = run("flow", "test", "Where to, José?", "--json")
    assert json.loads(result.stdout)["answer"] == "tuned: Where to, José? (1)"
    assert "retired on 20 Apr 2027" in result.stderr
    keys = cloud.workspace(outputs).online_endpoints.get_keys(endpoint_name(outputs))
    kept = list(Path(os.environ["TUNESTACK_HOME"], "promptflow").rglob("*"))
    assert kept
    for path in filter(Path.is_file, kept):
        assert keys.primary_key.encode() not in path.read_bytes(), path
    run("flow", "export", "--folder", folder)
    assert validated(folder) == {"result": "Succeeded"}
    (folder / "integrate_with_promptflow.py").unlink()
    assert "could not run the flow" in run("flow", "test", "--folder", folder, exit_code=1).stderr


@pytest.mark.slow
def test_a_flow_that_the_endpoint_refuses_says_why_and_not_the_key(
    cloud: Cloud, outputs: StackOutputs
) -> None:
    """Slow: starts promptflow."""
    result = run("flow", "test", "too long", exit_code=1)
    assert "The endpoint refused (424)" in result.stderr
    keys: Any = cloud.workspace(outputs).online_endpoints.get_keys(endpoint_name(outputs))
    assert keys.primary_key not in result.output


@pytest.mark.slow
def test_the_page_that_the_readme_promises_is_there_and_its_chat_has_a_history(
    cloud: Cloud, outputs: StackOutputs, tmp_path: Path
) -> None:
    """Slow: starts promptflow's own server, by the README's words."""
    run("flow", "export", "--folder", tmp_path)
    keys: Any = cloud.workspace(outputs).online_endpoints.get_keys(endpoint_name(outputs))
    readme = (tmp_path / "README.md").read_text()
    (words,) = re.findall("^pf (flow serve .*)$", readme, re.MULTILINE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = [*words.replace("8080", str(port)).split(), "--skip-open-browser"]
    command, environment = promptflow(*told, TUNESTACK_ENDPOINT_KEY=keys.primary_key)
    with (tmp_path.with_suffix(".log")).open("w") as log:
        server = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log)
        try:
            assert "<html" in get(f"http://localhost:{port}/", server)
            turn = {"inputs": {"input_data": "one"}, "outputs": {"answer": "two"}}
            body = {"input_data": "three", "chat_history": [turn]}
            url = f"http://localhost:{port}/score"
            answer = httpx.post(url, json=body, trust_env=False, timeout=60)
            assert answer.json() == {"answer": "tuned: three (3)"}
        finally:
            server.terminate()
            server.wait(30)
