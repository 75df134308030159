"""Train a model from a recipe: what the job runs on its node.

    python train.py --recipe recipe.json --train-file F.jsonl --eval-file F.jsonl
        [--base-model DIR] --output DIR --checkpoints DIR --report DIR

Ends with 0 when the model is saved, 1 with a line `error: …` when it cannot be, 2 when the
arguments are wrong.
"""

import argparse
import logging
import os
import sys
import warnings
from pathlib import Path

from failure import JobError, explain
from recipe_file import check_world_size, is_first_process, read_recipe
from run_metrics import Clock, end_mlflow

log = logging.getLogger("job")


def main(arguments: list[str]) -> int:
    """Run the job and give its exit code."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING, force=True)
    log.setLevel(logging.INFO if is_first_process() else logging.WARNING)
    warnings.simplefilter("ignore", FutureWarning)
    warnings.filterwarnings("ignore", message="Could not find a config file")  # of a GGUF base
    order = parse(arguments)
    try:
        train(order)
    except Exception as error:
        log.log(logging.DEBUG if isinstance(error, JobError) else logging.ERROR, "", exc_info=True)
        log.error("error: %s", explain(error))
        if os.environ.get("MLFLOW_TRACKING_URI") and "mlflow" in sys.modules:
            end_mlflow("FAILED")
        return 1
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="train.py", description="Train a model from a recipe.")
    for name in ("recipe", "train-file", "eval-file", "output", "checkpoints", "report"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--base-model", type=Path, help="Folder of the base model's files.")
    return parser.parse_args(arguments)


def train(order: argparse.Namespace) -> None:
    """Go through the phases of the job."""
    clock = Clock()
    recipe = read_recipe(order.recipe)
    check_world_size(recipe)
    with clock.phase("imports"):
        from base_model import load_base
        from callbacks import TellMlflow
        from checkpoints import Before
        from dataset import tokenised
        from device import choose_device
        from learning import learn
        from material import read_material
        from result import leave_result
        from samples import answers

    device = choose_device(recipe.training.precision)
    for folder in (order.output, order.checkpoints, order.report):
        folder.mkdir(parents=True, exist_ok=True)
    with clock.phase("reading the data"):
        material = read_material(order)
    with clock.phase("loading the base model"):
        model, tokenizer = load_base(recipe, order.base_model, material.texts, device)
    with clock.phase("tokenising"):
        data = tokenised(material, tokenizer, recipe)

    before = Before(order.checkpoints)
    with clock.phase("answers of the base model"):
        if is_first_process() and "answers" not in before:
            asked = material.asked(recipe.samples.count)
            before.keep("answers", answers(model, tokenizer, asked, recipe.samples))

    tell = TellMlflow(recipe, material.hashes["train"])
    with clock.phase("training"):
        learned = learn(recipe, device, (model, tokenizer), data, order.checkpoints, [tell])
    if is_first_process():
        leave_result(order, recipe, device, material, before, learned, tokenizer, clock)
        log.info("done in %.0f s", sum(clock.seconds.values()))


if __name__ == "__main__":
    # What these imports compile is kept: 6 s instead of 17 s the next time on the same machine.
    sys.dont_write_bytecode = False
    # Large pages: fewer faults on the first touch of a gigabyte, which cost seconds on a laptop.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    # Addresses of the tracking service's own pages; the command line shows the studio's.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("TQDM_DISABLE", "1")
    sys.exit(main(sys.argv[1:]))
