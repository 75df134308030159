"""A four-bit model in our engine against transformers bf16 `generate`, at Phi-3.5-mini's size.

    python bench/int4.py [NEW_TOKENS]

Random weights: speed and memory only. Each way runs in processes of its own on the same cores, in
turn; the best of three rounds counts, after a short answer to warm up, with a prompt of 256 tokens
that no round has seen before. Peak memory is that of all processes of a way, the weights that are
mapped from disk included. The first run makes 9.3 GB of weights and two environments below
tunestack's home (`TUNESTACK_HOME`), takes some minutes and 11 GB of memory, and asks the package
registry for what is not in uv's cache; later ones need no network. Needs the `rehearsal` extra.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SERVING = ROOT / "deploy" / "serving"
EXPORT = ROOT / "training" / "export"
ROUNDS = 3
PROMPT = 256
NEW = 64
VOCABULARY = 32_064
Report = dict[str, float]


def make_weights(target: Path) -> None:
    """Write Phi-3.5-mini's shapes with random bfloat16 weights, and a tokenizer of its size."""
    import torch
    from tokenizers import Tokenizer, decoders, models
    from transformers import Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    # The defaults are Phi-3-mini's, which has the same shapes; no longer text is asked here.
    model = Phi3ForCausalLM._from_config(Phi3Config(), dtype=torch.bfloat16)
    model.save_pretrained(target)
    raw = Tokenizer(models.BPE({f"w{index}": index for index in range(VOCABULARY)}, []))
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="w0")
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    tokenizer.save_pretrained(target)


def convert(source: Path, target: Path) -> None:
    """Make it a four-bit model as `models export` does."""
    sys.path.insert(0, str(EXPORT))
    from export_int4 import convert as to_four_bits

    to_four_bits(source, target)
    for path in (source / "tokenizer.json", source / "tokenizer_config.json"):
        shutil.copy(path, target)


def transformers_bf16(folder: Path, new: int) -> Report:
    """Measure one `generate` at a time."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.generation.streamers import BaseStreamer

    class Times(BaseStreamer):  # type: ignore[misc]
        def __init__(self) -> None:
            self.at: list[float] = []

        def put(self, value: Any) -> None:
            self.at.append(time.perf_counter())

        def end(self) -> None:
            pass

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()

    def write(tokens: list[int], length: int) -> Iterable[float]:
        times = Times()
        with torch.inference_mode():
            model.generate(
                torch.tensor([tokens]),
                attention_mask=torch.ones(1, len(tokens), dtype=torch.long),
                max_new_tokens=length,
                min_new_tokens=length,
                do_sample=False,
                streamer=times,
            )
        return times.at[1:]  # the first is the prompt's

    return _measure(write, new) | {"peak_mib": _peak_mib(["self"])}


def our_engine(folder: Path, new: int) -> Report:
    """Measure one question at a time, through the engine and its process."""
    sys.path.insert(0, str(SERVING))
    sys.path.insert(0, str(ROOT / "core"))
    from engine import Question
    from openvino_engine import OpenVinoEngine
    from prompts import Prompts
    from sampling import Sampling
    from transformers import AutoTokenizer

    prompts = Prompts(AutoTokenizer.from_pretrained(folder), context=4096, end_tokens=())
    engine = OpenVinoEngine.load(folder, {}, prompts)

    def write(tokens: list[int], length: int) -> Iterable[float]:
        sampling = Sampling(max_new_tokens=length)
        question = Question(tuple(tokens), sampling, time.monotonic() + 600)
        return [time.perf_counter() for piece in engine.write(question) if piece.tokens]

    told = _measure(write, new)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    told |= {"peak_mib": _peak_mib(["self", *children])}
    engine.close()
    return told


def _measure(write: Callable[[list[int], int], Iterable[float]], new: int) -> Report:
    list(write(_prompt(), 8))
    began = time.perf_counter()
    at = list(write(_prompt(), new))
    if len(at) < new:
        raise SystemExit(f"{len(at)} tokens came one by one, not {new}")
    return {
        "prefill": PROMPT / (at[0] - began),
        "decode": (new - 1) / (at[new - 1] - at[0]),
    }


def _prompt() -> list[int]:
    return random.SystemRandom().choices(range(1, VOCABULARY), k=PROMPT)


def _peak_mib(processes: list[str]) -> float:
    """Give the most memory that each of these processes ever held, together (Linux)."""
    peaks = []
    for process in processes:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        peaks += [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return sum(peaks)


WAYS: dict[str, Callable[[Path, int], Report]] = {
    "transformers": transformers_bf16,
    "tunestack": our_engine,
}


def prepare(work: Path) -> dict[str, tuple[str, Path]]:
    """Make what is not there yet; give the Python and the model folder of each way."""
    serving = _environment(work / "serving", SERVING / "requirements_openvino.txt")
    weights, four_bits = work / "bf16", work / "int4"
    if not (weights / "done").exists():
        _run(sys.executable, "--weights", weights)
        (weights / "done").touch()
    if not (four_bits / "done").exists():
        exporting = _environment(work / "exporting", EXPORT / "requirements-int4.txt")
        _run(exporting, "--convert", weights, four_bits)
        (four_bits / "done").touch()
    return {"transformers": (sys.executable, weights), "tunestack": (serving, four_bits)}


def _environment(folder: Path, pins: Path) -> str:
    """Build an environment of its own from a list, unless this very list was built."""
    kept = folder / "pins.txt"
    if not kept.exists() or kept.read_text() != pins.read_text():
        shutil.rmtree(folder, ignore_errors=True)
        uv = [sys.executable, "-m", "uv"]
        python = ["--python", sys.executable]
        subprocess.run([*uv, "venv", "--quiet", "--no-project", *python, folder], check=True)
        install = [*uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python"]
        subprocess.run([*install, "-r", pins], check=True, cwd="/")
        kept.write_text(pins.read_text())
    return str(folder / "bin" / "python")


def _run(python: str, *arguments: str | Path) -> str:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, __file__, *map(str, arguments)],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def main() -> None:
    """Run both ways in turn and print the comparison."""
    from core.home import home

    new = int(sys.argv[1]) if len(sys.argv) > 1 else NEW
    ways = prepare(home() / "bench" / "int4")
    runs: dict[str, list[Report]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way, (python, folder) in ways.items():
            told = _run(python, "--measure", way, folder, str(new))
            runs[way].append(json.loads(told.splitlines()[-1]))
    print(f"{PROMPT} tokens of question, {new} of answer; {time.strftime('%Y-%m-%d')},"
          f" {os.cpu_count()} cores, best of {ROUNDS}")  # fmt: skip
    best = {
        way: {name: max(run[name] for run in found) for name in ("prefill", "decode", "peak_mib")}
        for way, found in runs.items()
    }
    for way, figures in best.items():
        print(f"{way:<14}{figures['prefill']:8.1f} tokens/s read {figures['decode']:7.2f} written"
              f" {figures['peak_mib'] / 1024:7.2f} GiB at most")  # fmt: skip
    theirs, ours = best["transformers"], best["tunestack"]
    print(f"read {ours['prefill'] / theirs['prefill']:.2f} times as fast (goal 3.5), written"
          f" {ours['decode'] / theirs['decode']:.2f} times (goal 3),"
          f" memory {ours['peak_mib'] / theirs['peak_mib']:.2f} of theirs (goal 0.5)")  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--weights"]:
        make_weights(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--convert"]:
        convert(Path(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1:2] == ["--measure"]:
        print(json.dumps(WAYS[sys.argv[2]](Path(sys.argv[3]), int(sys.argv[4]))))
    else:
        sys.path.insert(0, str(ROOT))
        main()
