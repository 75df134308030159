"""A four-bit model through OpenVINO GenAI: converted as `models export` does, and really served.

Slow: two environments of their own are built (one of them with torch, to convert), a tiny Phi-3 is
converted in the one and served in the other, first by the engine alone and then as a deployment.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.cloud import Cloud
from core.refs import EndpointRef, ModelRef, StackOutputs
from core.settings import Settings
from local.process import LocalAzure
from tests.deploy.conftest import write_manifest

ROOT = Path(__file__).resolve().parents[2]
EXPORT = ROOT / "training" / "export"
PINS = ROOT / "deploy" / "serving" / "requirements_openvino.txt"
PROGRAM = Path(__file__).with_name("four_bits_program.py")
AS_STARTED = dict(os.environ)
"""The environment before any test pointed this process at the local Azure's proxy."""

pytestmark = pytest.mark.slow


def build(folder: Path, pins: Path) -> Path:
    uv = [sys.executable, "-m", "uv"]
    venv = [*uv, "venv", "--quiet", "--no-project", "--python", sys.executable, folder]
    subprocess.run(venv, check=True, env=AS_STARTED)
    python = folder / "bin" / "python"
    install = [*uv, "pip", "install", "--quiet", "--python", python, "-r", pins]
    subprocess.run(install, check=True, env=AS_STARTED, cwd="/")
    return python


@pytest.fixture(scope="module")
def four_bits(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Phi-3 with four-bit weights, and a manifest that says so."""
    work = tmp_path_factory.mktemp("four_bits")
    python = build(work / "exporting", EXPORT / "requirements-int4.txt")
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from export_int4 import convert; convert(Path(sys.argv[2]), Path(sys.argv[3]))\n"
    )
    order = [python, "-c", program, EXPORT, model_folder, work / "model"]
    done = subprocess.run(order, env=AS_STARTED, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(model_folder / name, work / "model")
    write_manifest(work / "model", runtime="openvino", weights="int4")
    return work / "model"


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with exactly what requirements_openvino.txt lists."""
    return build(tmp_path_factory.mktemp("openvino") / "environment", PINS)


def ask_engine(interpreter: Path, serving: Path, folder: Path) -> dict[str, Any]:
    order = [interpreter, PROGRAM, serving, folder]
    done = subprocess.run(order, env=AS_STARTED, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_the_engine_answers_one_and_many_alike_and_repeats_itself_by_seed(
    interpreter: Path, serving: Path, four_bits: Path
) -> None:
    told = ask_engine(interpreter, serving, four_bits)
    assert told["torch"] is False
    assert told["again"] == told["alone"]
    assert all(tokens <= 24 and finish in ("stop", "length") for _, tokens, finish in told["alone"])
    assert any(text for text, *_ in told["alone"])
    assert [finish for *_, finish in told["at once"]] == [finish for *_, finish in told["alone"]]
    assert told["seeded"][0] == told["seeded"][1]
    assert len(set(told["unseeded"])) > 1
    text, _, finish = told["stopped"]
    assert finish == "stop"
    assert told["alone"][0][0].startswith(text)
    assert told["alone"][0][0][2:4] not in text


def test_a_model_that_computes_no_numbers_is_refused(
    interpreter: Path, serving: Path, four_bits: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(four_bits, tmp_path / "model")
    graph, weights = folder / "openvino_model.xml", folder / "openvino_model.bin"
    content = bytearray(weights.read_bytes())
    # All ones is NaN; the scales are such numbers.
    found = re.findall(r'element_type="f16"[^>]* offset="(\d+)" size="(\d+)"', graph.read_text())
    for offset, size in [tuple(map(int, pair)) for pair in found]:
        content[offset : offset + size] = b"\xff" * size
    weights.write_bytes(content)
    assert found
    assert "no number" in ask_engine(interpreter, serving, folder)["refused"]


def test_a_file_that_was_cut_is_refused(
    interpreter: Path, serving: Path, four_bits: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(four_bits, tmp_path / "model")
    graph = folder / "openvino_model.xml"
    graph.write_bytes(graph.read_bytes()[:2000])
    assert "cannot load the model" in ask_engine(interpreter, serving, folder)["refused"]


@pytest.fixture(scope="module")
def endpoint(
    local_azure: LocalAzure, four_bits: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cloud, StackOutputs, EndpointRef]]:
    """The model as a deployment on the local Azure, made by the product's own `deploy`."""
    from azure.ai.ml.entities import Model

    from deploy.endpoint import undeploy
    from deploy.releasing.order import DeployOrder
    from deploy.releasing.rollout import deploy
    from infra.in_process.engine import InProcess

    cloud = Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
        engine = InProcess(
            "fourbits", Settings(compute="cpu", person_type="ServicePrincipal"), cloud
        )
        outputs = engine.up(lambda event: None)
        asset = Model(
            name="tiny-int4", path=str(four_bits), type="custom_model", tags={"runtime": "openvino"}
        )
        made = cloud.workspace(outputs).models.create_or_update(asset)
        order = DeployOrder(
            ModelRef(name=str(made.name), version=str(made.version)), "Standard_E4s_v3"
        )
        yield cloud, outputs, deploy(cloud, outputs, order)
        undeploy(cloud, outputs)
        engine.destroy(lambda event: None)


def asked(text: str) -> dict[str, Any]:
    """A body that wants a stream."""
    turns = [{"role": "user", "content": text}]
    return {"messages": turns, "max_tokens": 200, "temperature": 0.8, "stream": True}


def require_whole(lines: list[str]) -> None:
    """Hold a stream's lines to what a whole answer has."""
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] in ("stop", "length")


def test_two_streams_at_once_from_a_deployment(
    endpoint: tuple[Cloud, StackOutputs, EndpointRef],
) -> None:
    """The second is asked and read to its end while the first is open and half read."""
    cloud, outputs, ref = endpoint
    key = cloud.workspace(outputs).online_endpoints.get_keys(ref.name).primary_key
    headers = {"Authorization": f"Bearer {key}"}
    with (
        httpx.Client(headers=headers, timeout=60) as client,
        client.stream("POST", ref.scoring_url, json=asked("Where to?")) as first,
    ):
        assert first.status_code == 200
        lines = (line for line in first.iter_lines() if line)
        begun = next(lines)
        with client.stream("POST", ref.scoring_url, json=asked("And then?")) as second:
            assert second.status_code == 200
            require_whole([line for line in second.iter_lines() if line])
        require_whole([begun, *lines])
