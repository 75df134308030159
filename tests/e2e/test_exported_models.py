"""A tuned model in its other forms, made by the real programs in environments of their own.

Slow: a training and three exports, each of which imports torch, about two minutes with built
environments. Building them takes seconds more where torch, OpenVINO and MLflow are in uv's cache
(hard links), and downloads 2.5 GB where they are not. The model is a tiny Phi-3; that the answers
of a real one stay good is measured in bench/.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

pytestmark = pytest.mark.slow

SYSTEM = "You count lamps."


@pytest.fixture(scope="module")
def tuned(terminal: Terminal) -> Any:
    """What `models show --json` tells of a tuned model."""

    def write(name: str, way: str) -> str:
        turns = [
            [{"role": "system", "content": SYSTEM},
             {"role": "user", "content": way.format(number)},
             {"role": "assistant", "content": f"The lamp is number {number * 7}."}]
            for number in range(16)
        ]  # fmt: skip
        path = terminal.home / name
        path.write_text("".join(json.dumps({"messages": turn}) + "\n" for turn in turns))
        return str(path)

    files = write("train.jsonl", "Which lamp is at {}?"), write("held.jsonl", "And lamp {}, then?")
    terminal.run("up", "--yes")
    ask = ("train", "--recipe", "tiny-phi3", "--train-file", files[0], "--eval-file", files[1])
    made = terminal.json(*ask, "--set", "training.epochs=4", "--set", "samples.count=2",
                         "--set", "method=lora", "--yes")  # fmt: skip
    yield terminal.json("models", "show", f"{made['model']['name']}:{made['model']['version']}")
    terminal.run("destroy", "--yes")


def export(terminal: Terminal, tuned: Any, kind: str) -> tuple[dict[str, Any], Path]:
    """Export, hold the version to its model, and bring its files here; give tags and folder."""
    name = f"{tuned['name']}:{tuned['version']}"
    made = terminal.json("models", "export", name, "--to", kind)
    assert made["name"] == f"{tuned['name']}-{kind}" and made["tags"]["exported_from"] == name
    assert made["tags"]["export"] == kind
    assert made["tags"]["fingerprint"] == tuned["tags"]["fingerprint"]
    assert made["tags"]["parameters"] == tuned["tags"]["parameters"]
    got = terminal.json("models", "download", f"{made['name']}:{made['version']}")
    assert got["unverified"] == []
    folder = terminal.home / got["folder"]
    manifest = json.loads((folder / "tunestack.json").read_text())
    assert manifest["system_message"] == SYSTEM and manifest["recipe"] == "tiny-phi3"
    assert manifest["export"]["source_sha256"] and manifest["export"]["packages"]["torch"]
    return made, folder


def test_four_bit_weights_answer_in_openvino_and_keep_the_tokenizer(
    terminal: Terminal, tuned: Any
) -> None:
    made, folder = export(terminal, tuned, "int4")
    assert made["tags"]["runtime"] == "openvino" and made["tags"]["weights"] == "int4"
    assert "it answers: " in terminal.run("jobs", "logs", made["tags"]["job"])
    files = {path.name for path in folder.iterdir()}
    assert files >= {"openvino_model.xml", "openvino_model.bin", "generation_config.json"}
    assert not list(folder.rglob("*.safetensors"))
    ours, theirs = tuned["manifest"]["files_sha256"], json.loads(
        (folder / "tunestack.json").read_text()
    )["files_sha256"]  # fmt: skip
    assert theirs["tokenizer.json"] == ours["tokenizer.json"]
    assert theirs["tokenizer_config.json"] == ours["tokenizer_config.json"]


def tokens_of(folder: Path) -> dict[str, Any]:
    """How a model's tokenizer cuts texts; what its last batch was padded and cut to is no part."""
    tokenizer = dict(json.loads((folder / "tokenizer.json").read_text()))
    return {key: tokenizer[key] for key in tokenizer if key not in ("padding", "truncation")}


def test_the_base_is_saved_as_the_tuned_model_is_but_for_its_weights(
    terminal: Terminal, tuned: Any
) -> None:
    made, folder = export(terminal, tuned, "base")
    assert "runtime" not in made["tags"]
    manifest = json.loads((folder / "tunestack.json").read_text())
    ours, theirs = tuned["manifest"]["files_sha256"], manifest["files_sha256"]
    assert theirs.keys() == {name for name in ours if not name.startswith("adapter/")}
    assert {name for name in theirs if ours[name] != theirs[name]} <= {
        "model.safetensors", "tokenizer.json",
    }  # fmt: skip
    assert ours["model.safetensors"] != theirs["model.safetensors"]
    name = f"{tuned['name']}:{tuned['version']}"
    beside = terminal.home / terminal.json("models", "download", name)["folder"]
    assert tokens_of(folder) == tokens_of(beside)
    assert manifest["is_base"] is True and manifest["dtype"] == tuned["manifest"]["dtype"]


def test_base_and_adapter_beside_it_make_the_tuned_model(terminal: Terminal, tuned: Any) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    made, folder = export(terminal, tuned, "vllm")
    assert made["tags"]["runtime"] == "vllm"
    manifest = json.loads((folder / "tunestack.json").read_text())
    assert set(manifest["adapters"]) == {"tuned"}
    place = folder / manifest["adapters"]["tuned"]["path"]
    name = f"{tuned['name']}:{tuned['version']}"
    beside = terminal.home / terminal.json("models", "download", name)["folder"]
    question = torch.arange(5, 25)[None]
    with torch.inference_mode():
        base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        plain = base(question).logits
        adapted = PeftModel.from_pretrained(base, place)(question).logits
        whole = AutoModelForCausalLM.from_pretrained(beside, dtype=torch.float32)(question).logits
    assert torch.allclose(adapted, whole, atol=1e-2)
    assert (plain - whole).abs().max() > 10 * (adapted - whole).abs().max()


def test_the_mlflow_model_has_its_packages_pinned_and_no_code(
    terminal: Terminal, tuned: Any
) -> None:
    import yaml

    made, folder = export(terminal, tuned, "mlflow")
    assert made["tags"]["runtime"] == "mlflow"
    model = yaml.safe_load((folder / "MLmodel").read_text())
    assert model["metadata"]["task"] == "llm/v1/chat"
    assert model["flavors"]["python_function"]["loader_module"] == "mlflow.transformers"
    assert not list(folder.rglob("*.py"))
    pinned = yaml.safe_load((folder / "conda.yaml").read_text())["dependencies"][-1]["pip"]
    assert pinned and all("==" in line for line in pinned)
    assert {line.partition("==")[0] for line in pinned} >= {"torch", "transformers"}
    deployed = terminal.json("deploy", "--model", f"{made['name']}:{made['version']}", "--yes")
    assert deployed["runtime"] == "mlflow"
    terminal.run("undeploy", "--yes")


def test_exports_stay_beside_the_tuned_model_and_are_made_once(
    terminal: Terminal, tuned: Any
) -> None:
    before = len(terminal.json("jobs", "list"))
    again = terminal.json("models", "export", tuned["name"], "--to", "int4")
    assert "was exported before" in terminal.last.stderr
    assert len(terminal.json("jobs", "list")) == before
    listed = {model["name"] for model in terminal.json("models", "list")}
    assert listed == {tuned["name"], *(f"{tuned['name']}-{kind}" for kind in
                                       ("int4", "base", "vllm", "mlflow"))}  # fmt: skip
    assert again["version"] == "1"
    assert terminal.json("models", "show")["name"] == tuned["name"]
