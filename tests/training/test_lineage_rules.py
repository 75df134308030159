"""What names a model's parts, and when two models count as the same: without a job."""

from pathlib import Path
from typing import Any

import pytest

from core.errors import UserError
from tests.training.quick import chats
from training.artifacts import BlobFolder
from training.data.check import check_file
from training.job.hashes import code_sha256, folder_sha256
from training.lineage import Change, Lineage
from training.model_files import download
from training.models import TAG_LENGTH, Paid, model_tags
from training.recipes import load_recipe
from training.reproduction import judge, staged_code_sha256
from training.submission import Order, stage_code


def test_what_goes_to_a_node_has_the_hash_that_the_node_computes(tmp_path: Path) -> None:
    files = [check_file(chats(tmp_path / f"{name}.jsonl", range(12))) for name in "ab"]
    order = Order(load_recipe("tiny-phi3"), *files, "cpu")
    staged = stage_code(order, tmp_path / "work")
    assert code_sha256(staged) == staged_code_sha256(order)
    (staged / "__pycache__").mkdir()
    (staged / "__pycache__" / "train.pyc").write_bytes(b"compiled")
    (staged / "outputs").mkdir()
    (staged / "recipe.json").write_text("{}")
    assert code_sha256(staged) == staged_code_sha256(order), "what came while it ran counts"
    (staged / "train.py").write_text("another program")
    assert code_sha256(staged) != staged_code_sha256(order)


def test_the_files_of_a_base_model_are_named_by_their_hashes(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "base.gguf").write_bytes(b"GGUF")
    found = folder_sha256(tmp_path)
    assert list(found) == ["deep/base.gguf"] and len(found["deep/base.gguf"]) == 64
    assert folder_sha256(tmp_path / "deep" / "base.gguf") == {"base.gguf": found["deep/base.gguf"]}


def test_tags_stay_short_and_few_whatever_the_manifest_holds() -> None:
    manifest = {
        "fingerprint": "f" * 16, "code_sha256": "c" * 64, "train_loss": 0.123456, "parameters": 7,
        "machine": {"gpus": ["NVIDIA A100 80GB PCIe"] * 64, "driver": "d" * 4000, "torch": "2"},
        "metrics": {"tokens": 12, "tokens_per_second": 3.25, "seconds": None},
        "packages": {f"p{number}": "1" for number in range(400)},
    }  # fmt: skip
    tags = model_tags("job-1", {"recipe": "r"}, manifest, Paid(1.23456, "s" * 1000))
    assert len(tags) < 50 and max(map(len, tags.values())) == TAG_LENGTH
    assert tags["price_usd"] == "1.2346" and tags["parameters"] == "7"
    assert tags["tokens"] == "12" and "seconds" not in tags
    assert all(isinstance(value, str) for value in tags.values())


class Stored(BlobFolder):
    """A folder of blobs that is nowhere."""

    def __init__(self, files: dict[str, bytes]) -> None:
        object.__setattr__(self, "files", files)

    def sizes(self) -> dict[str, int]:
        return {name: len(content) for name, content in self.files.items()}

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def fetch(self, name: str, target: Path) -> int:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.write_bytes(self.files[name])


def test_a_blob_that_marks_a_folder_is_no_file_and_no_name_leads_out(tmp_path: Path) -> None:
    done = download(Stored({"sub": b"", "sub/deep/weights.bin": b"w"}), tmp_path)
    assert done.fetched == done.unverified == ("sub/deep/weights.bin",)
    with pytest.raises(UserError, match="names a file outside its folder"):
        download(Stored({"../escaped": b"w"}), tmp_path)
    assert not (tmp_path.parent / "escaped").exists()


def known(curve: tuple[float, ...], weights: str, **manifest: Any) -> Lineage:
    """What is known of a model that nobody trained."""
    points = [{"step": step, "loss": loss} for step, loss in enumerate(curve, 1)]
    model = {"name": "m", "version": "1", "tags": {}}
    hashes = {"files_sha256": {"model.safetensors": weights}} if weights else {}
    return Lineage(model, {**manifest, **hashes}, None, points)


@pytest.mark.parametrize(
    ("first", "second", "verdict", "difference"),
    [
        (((3.0, 1.0), "a"), ((3.0, 1.0), "a"), "byte-identical", 0),
        (((3.0, 1.0), "a"), ((3.0, 1.0 + 9e-7), "b"), "equal losses, other bytes", 9e-7),
        (((3.0, 1.0), "a"), ((3.0, 1.0 + 2e-6), "b"), "differs", 2e-6),
        (((3.0, 1.0), "a"), ((3.0, 1.0, 0.5), "b"), "differs", float("inf")),
        (((), ""), ((), ""), "not known", None),
        (((), "a"), ((), "b"), "not known", None),
    ],
)
def test_losses_and_bytes_decide_how_two_models_compare(
    first: Any, second: Any, verdict: str, difference: float | None
) -> None:
    found = judge(known(*first), known(*second))
    assert found.verdict == verdict
    assert found.loss_difference == pytest.approx(difference)
    assert found.is_reproduced is (verdict in ("byte-identical", "equal losses, other bytes"))


def test_what_is_known_to_have_differed_is_listed() -> None:
    machine = {"gpus": ["T4"], "driver": "550"}
    first = known((), "a", packages={"torch": "2.15.0", "trl": "1"}, machine=machine)
    machine = machine | {"gpus": ["A100"]}
    second = known((), "b", packages={"torch": "2.15.1", "trl": "1"}, machine=machine)
    found = judge(first, second).known
    assert found["libraries"] == [Change("torch", "2.15.0", "2.15.1")]
    assert found["machine"] == [Change("gpus", ["T4"], ["A100"])]
    assert found["inputs"] == []
