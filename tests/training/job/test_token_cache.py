"""Tokens are made once for what they depend on, and a write that was killed is made again."""

import json
import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chat_families import tokenizer_of
from conversations import read_conversations
from failure import JobError
from job_runs import conversations, write_jsonl

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast


@pytest.fixture
def tokenizer() -> "PreTrainedTokenizerFast":
    return tokenizer_of("phi3_5", eats_space=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "talks.jsonl", conversations(12))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count how often something is tokenised."""
    import dataset

    calls: list[str] = []
    whole = dataset.tokens_by_line
    monkeypatch.setattr(
        dataset, "tokens_by_line", lambda *given: calls.append("tokenised") or whole(*given)
    )
    return calls


def _tokens(
    file: Path, tokenizer: "PreTrainedTokenizerFast", folder: Path, max_length: int = 512
) -> "Dataset":
    from dataset import tokenise
    from templates import training_template

    return tokenise(
        read_conversations(file),
        tokenizer,
        training_template(tokenizer),
        max_length=max_length,
        may_split=False,
        name=file.name,
        folder=folder,
    )


def test_the_second_run_tokenises_nothing_and_finds_the_same(
    file: Path, tokenizer: "PreTrainedTokenizerFast", tmp_path: Path, made: list[str]
) -> None:
    first = _tokens(file, tokenizer, tmp_path / "tokens")
    again = _tokens(file, tokenizer, tmp_path / "tokens")
    assert made == ["tokenised"]
    assert again[:] == first[:] and len(again) == 12
    assert again.column_names == ["input_ids", "labels"]
    assert again.cache_files and "tokens" in again.cache_files[0]["filename"]  # mapped, not read


def test_lengths_are_checked_against_tokens_that_were_kept(
    file: Path, tokenizer: "PreTrainedTokenizerFast", tmp_path: Path, made: list[str]
) -> None:
    _tokens(file, tokenizer, tmp_path / "tokens")
    with pytest.raises(JobError, match=r"line 1 \(\d+ tokens\)"):
        _tokens(file, tokenizer, tmp_path / "tokens", max_length=16)
    assert made == ["tokenised"]


def test_other_data_another_tokenizer_or_template_share_nothing(
    file: Path, tokenizer: "PreTrainedTokenizerFast", tmp_path: Path, made: list[str]
) -> None:
    rows = len(_tokens(file, tokenizer, tmp_path / "tokens")[0]["input_ids"])
    write_jsonl(file, conversations(13))
    assert len(_tokens(file, tokenizer, tmp_path / "tokens")) == 13
    tokenizer.chat_template = tokenizer_of("phi3_small").chat_template
    assert len(_tokens(file, tokenizer, tmp_path / "tokens")[0]["input_ids"]) == rows + 1
    tokenizer.add_tokens(["lighthouse"])
    _tokens(file, tokenizer, tmp_path / "tokens")
    assert len(made) == 4


def test_the_key_does_not_depend_on_who_tokenised_last(
    tokenizer: "PreTrainedTokenizerFast",
) -> None:
    from templates import training_template
    from token_cache import key_of

    template = training_template(tokenizer)
    before = key_of("data", tokenizer, template)
    tokenizer(["one", "two of them"], padding=True, truncation=True, max_length=2)
    assert key_of("data", tokenizer, template) == before
    assert key_of("data", tokenizer, template + " ") != before


def test_a_write_that_is_killed_is_made_again(
    file: Path, tokenizer: "PreTrainedTokenizerFast", tmp_path: Path, made: list[str]
) -> None:
    import dataset

    folder = tmp_path / "tokens"
    child = os.fork()
    if not child:  # killed in the middle of its file
        whole = dataset._column
        calls: list[int] = []

        def dies(rows: list[object]) -> object:
            calls.append(len(rows))
            if len(calls) == 4:  # the labels of the second batch
                os.kill(os.getpid(), signal.SIGKILL)
            return whole(rows)

        dataset.BATCH = 4
        dataset._column = dies
        _tokens(file, tokenizer, folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    (part,) = folder.iterdir()
    assert part.suffix == ".part" and part.stat().st_size > 0
    assert len(_tokens(file, tokenizer, folder)) == 12
    assert made == ["tokenised"]


@pytest.mark.parametrize("harm", ["cut", "note gone", "note cut"])
def test_an_entry_that_is_not_whole_is_made_again(
    harm: str, file: Path, tokenizer: "PreTrainedTokenizerFast", tmp_path: Path, made: list[str]
) -> None:
    folder = tmp_path / "tokens"
    first = _tokens(file, tokenizer, folder)[:]
    (arrow,), (note,) = folder.glob("*.arrow"), folder.glob("*.json")
    if harm == "cut":
        kept = arrow.read_bytes()[:-200]
        arrow.unlink()
        arrow.write_bytes(kept)
    elif harm == "note gone":
        note.unlink()
    else:
        note.write_text(note.read_text()[:5])
    assert _tokens(file, tokenizer, folder)[:] == first
    assert len(made) == 2
    assert json.loads(note.read_text())["rows"] == 12


def test_a_full_disk_leaves_no_entry_behind(
    file: Path,
    tokenizer: "PreTrainedTokenizerFast",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("token_cache._to_disk", full)
    with pytest.raises(OSError, match="No space"):
        _tokens(file, tokenizer, tmp_path / "tokens")
    assert list((tmp_path / "tokens").iterdir()) == []


def test_memory_does_not_grow_with_the_file(
    tokenizer: "PreTrainedTokenizerFast", tmp_path: Path
) -> None:
    def peak(count: int) -> int:
        path = tmp_path / f"{count}.jsonl"
        lines = path.parent / "lines.jsonl"
        write_jsonl(lines, conversations(20))
        path.write_text(lines.read_text() * (count // 20))
        before, after = os.pipe()
        child = os.fork()
        if not child:
            _tokens(path, tokenizer, tmp_path / f"tokens{count}")
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            os.write(after, str(used).encode())
            os._exit(0)
        os.waitpid(child, 0)
        return int(os.read(before, 20)) // 1024

    small, large = peak(2_000), peak(20_000)
    assert large - small < 20  # MiB; measured: 7. As Python lists the tokens alone take 20
