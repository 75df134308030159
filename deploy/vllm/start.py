"""Start vLLM for the mounted model: compare template and manifest first, then become its server.

Runs in the container that the Dockerfile beside it makes. vLLM then serves OpenAI's routes below
`/v1`, and `/score` through `scoring_route.py`. Argument names: vLLM 0.33, `vllm serve --help`.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from model_folder import UnusableModel, find_model, read_manifest

PORT = 8000
MOST_CONTEXT = 16_384
"""Tokens of question and answer, as everywhere; vLLM would keep room for the model's own most."""
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes as the largest rank of an adapter."""

log = logging.getLogger("tunestack")


def command(folder: Path, manifest: dict[str, Any], context: int) -> list[str]:
    """Give the command line that serves a model of so many tokens of context.

    A folder that holds a base model and adapters serves each under its own name; `base` is the
    model without any.
    """
    adapters: dict[str, dict[str, Any]] = manifest.get("adapters") or {}
    argv = ["vllm", "serve", str(folder), "--host", "0.0.0.0", "--port", str(PORT)]
    argv += ["--served-model-name", "base" if adapters else "tuned"]
    argv += ["--max-model-len", str(min(context, MOST_CONTEXT))]
    argv += ["--middleware", "scoring_route.ScoringRoute"]
    if not adapters:
        return argv
    argv += ["--enable-lora", "--max-loras", str(len(adapters))]
    argv += ["--max-lora-rank", str(_rank(max(int(each["rank"]) for each in adapters.values())))]
    modules = [f"{name}={folder / each['path']}" for name, each in sorted(adapters.items())]
    return [*argv, "--lora-modules", *modules]


def _rank(rank: int) -> int:
    for allowed in RANKS:
        if rank <= allowed:
            return allowed
    raise UnusableModel(f"The adapter has rank {rank}; vLLM takes at most {RANKS[-1]}.")


def main() -> None:
    """Check the model and start the server in this process's place."""
    from prompts import Prompts

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        folder = find_model(Path(os.environ["AZUREML_MODEL_DIR"]))
        manifest = read_manifest(folder)
        prompts = Prompts.load(folder, manifest)
        argv = command(folder, manifest, prompts.context)
    except UnusableModel as error:
        log.error("%s", error)
        sys.exit(3)
    log.info("starting: %s", " ".join(argv))
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main()
