"""The exported flow and its node, without promptflow: what is in the files, and what is sent."""

import os
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from core.errors import PrerequisiteError, SettingsError, UserError
from core.package_folder import package_folder
from core.refs import EndpointRef
from deploy.flow.export import FLOW_FILE, REQUIREMENTS, export, notice
from deploy.flow.running import run_flow
from tests.deploy.streaming_server import StreamingServer, plain, refused, streaming_server

KEY = "a-secret-key"
ENDPOINT = EndpointRef(name="ep", scoring_url="https://ep.test/score", deployment="blue")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamingServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with streaming_server() as running:
        yield running


@pytest.fixture
def node(
    server: StreamingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """The node as it is exported, behind a stand-in for the two names that it imports."""
    core, connections = ModuleType("promptflow.core"), ModuleType("promptflow.connections")
    core.tool = lambda function: function  # type: ignore[attr-defined]
    connections.CustomConnection = Any  # type: ignore[attr-defined]
    for module in (ModuleType("promptflow"), core, connections):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    reference = ENDPOINT.model_copy(update={"scoring_url": f"{server.address}/score"})
    export(tmp_path, reference)
    made = runpy.run_path(str(tmp_path / "integrate_with_promptflow.py"))
    inputs = yaml.safe_load((tmp_path / FLOW_FILE).read_text())["nodes"][0]["inputs"]
    settled = {name: value for name, value in inputs.items() if "${" not in str(value)}

    def run(question: str, history: list[Any] | None = None, **changes: Any) -> str:
        node = made["integrate_with_promptflow"]
        return str(node(question, history or [], **{**settled, **changes}))

    return run


def test_the_flow_is_the_tutorials_and_whole(tmp_path: Path) -> None:
    export(tmp_path, ENDPOINT)
    flow = yaml.safe_load((tmp_path / FLOW_FILE).read_text())
    assert flow["inputs"]["input_data"]["default"] == "Who founded Microsoft?"
    assert [node["name"] for node in flow["nodes"]] == ["integrate_with_promptflow"]
    assert flow["outputs"]["answer"]["reference"] == "${integrate_with_promptflow.output}"
    assert (tmp_path / flow["nodes"][0]["source"]["path"]).is_file()
    assert (tmp_path / flow["environment"]["python_requirements_txt"]).is_file()
    for path in tmp_path.iterdir():
        left = path.read_text().replace("<user-input>", "")
        assert "<" not in left or path.suffix == ".txt", f"{path.name} has a place left empty"


def test_the_retirement_is_said_with_its_dates_and_its_successor(tmp_path: Path) -> None:
    export(tmp_path, ENDPOINT)
    assert notice() in (tmp_path / "README.md").read_text()
    for told in ("20 Apr 2026", "20 Apr 2027", "Microsoft Agent Framework"):
        assert told in notice()


def test_every_package_of_the_flow_is_pinned() -> None:
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if line and line[0] != "#"]
    assert lines
    assert all("==" in line.partition(";")[0] for line in lines)


def test_what_was_changed_by_hand_is_not_overwritten_unasked(tmp_path: Path) -> None:
    export(tmp_path, ENDPOINT)
    export(tmp_path, ENDPOINT)
    (tmp_path / FLOW_FILE).write_text("mine")
    with pytest.raises(SettingsError, match=FLOW_FILE):
        export(tmp_path, ENDPOINT)
    assert (tmp_path / FLOW_FILE).read_text() == "mine"
    export(tmp_path, ENDPOINT, overwrite=True)
    assert "Who founded Microsoft?" in (tmp_path / FLOW_FILE).read_text()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flow").write_text("")
    with pytest.raises(SettingsError):
        export(tmp_path / "flow", ENDPOINT)


def test_the_node_sends_the_chat_so_far_and_the_key_of_its_environment(
    server: StreamingServer, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESTACK_ENDPOINT_KEY", f"{KEY}\n")
    server.always = plain("Lisbon.")
    history = [{"inputs": {"input_data": "one"}, "outputs": {"answer": "two"}}]
    assert node("three", history, system_message="Be brief.") == "Lisbon."
    told = [(each["role"], each["content"]) for each in server.bodies[0]["messages"]]
    assert told == [
        ("system", "Be brief."), ("user", "one"), ("assistant", "two"), ("user", "three"),
    ]  # fmt: skip
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_a_connection_goes_before_the_environment(
    server: StreamingServer, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESTACK_ENDPOINT_KEY", "another")
    server.always = plain("Lisbon.")
    connection = ModuleType("connection")
    connection.key = KEY  # type: ignore[attr-defined]
    node("one", connection=connection)
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_the_node_says_what_is_missing_and_what_was_refused(
    server: StreamingServer, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUNESTACK_ENDPOINT_KEY", raising=False)
    with pytest.raises(RuntimeError, match="TUNESTACK_ENDPOINT_KEY is not set"):
        node("one")
    assert server.bodies == []
    monkeypatch.setenv("TUNESTACK_ENDPOINT_KEY", KEY)
    server.always = refused(401, "wrong key")
    with pytest.raises(RuntimeError, match=r"refused \(401\): .*wrong key") as caught:
        node("one")
    assert KEY not in str(caught.value)


def fake_promptflow(folder: Path, body: str) -> Path:
    """An environment whose `pf` is a shell script."""
    program = folder / "packages" / "bin" / "pf"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return folder / "packages"


def test_the_child_has_the_key_in_its_environment_alone_and_no_credential_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "the-persons-own")
    seen = tmp_path / "seen"
    packages = fake_promptflow(
        tmp_path,
        f'env > {seen}; echo "$@" > {seen}.argv\n'
        'mkdir "$4/.promptflow"\n'
        'echo \'{"answer": "Lisbon."}\' > "$4/.promptflow/flow.output.json"',
    )
    flow = tmp_path / "flow"
    export(flow, ENDPOINT)
    before = sorted(flow.iterdir())
    assert run_flow(flow, packages, tmp_path / "home", SecretStr(KEY), "one") == "Lisbon."
    told = seen.read_text()
    assert f"TUNESTACK_ENDPOINT_KEY={KEY}" in told
    assert "the-persons-own" not in told
    assert KEY not in (tmp_path / "seen.argv").read_text()
    assert sorted(flow.iterdir()) == before
    assert '"enabled": false' in (tmp_path / "home" / "pf.yaml").read_text()


def test_a_flow_that_fails_shows_why_without_the_key(tmp_path: Path) -> None:
    packages = fake_promptflow(tmp_path, 'echo "it broke: $TUNESTACK_ENDPOINT_KEY"; exit 3')
    export(tmp_path / "flow", ENDPOINT)
    with pytest.raises(UserError, match=r"it broke: \*\*\*"):
        run_flow(tmp_path / "flow", packages, tmp_path / "home", SecretStr(KEY))
    with pytest.raises(SettingsError, match=r"There is no flow\.dag\.yaml"):
        run_flow(tmp_path, packages, tmp_path / "home", SecretStr(KEY))


def test_packages_are_installed_once_and_what_fails_leaves_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    listed = tmp_path / "requirements.txt"
    listed.write_text("")
    folder = tmp_path / "environments"
    made = package_folder("nothing", listed, folder, dict(os.environ), said.append)
    assert (made / "bin" / "python").exists()
    assert package_folder("nothing", listed, folder, dict(os.environ), said.append) == made
    assert len(said) == 1
    listed.write_text("./a-package-that-is-not-there\n")
    with pytest.raises(PrerequisiteError, match="could not be installed"):
        package_folder("nothing", listed, folder, dict(os.environ), said.append)
    assert [path for path in folder.iterdir() if path.is_dir()] == [made]


@pytest.mark.slow
def test_without_uv_packages_are_installed_by_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow: `venv` with `pip` takes seconds."""
    monkeypatch.setattr("core.package_folder._uv", lambda: "")
    listed = tmp_path / "requirements.txt"
    listed.write_text("")
    made = package_folder("nothing", listed, tmp_path / "e", dict(os.environ), lambda _: None)
    assert (made / "bin" / "pip").exists()
