"""Train a model from a recipe: what the job runs on its node.

    python train.py --recipe recipe.json --train-file F.jsonl --eval-file F.jsonl
        [--base-model DIR] --output DIR --checkpoints DIR --report DIR [--save-total-limit N]

Ends with 0 when the model is saved, 1 with a line `error: …` when it cannot be, 2 when the
arguments are wrong, 75 with a line `stopped by the node: …` when SIGTERM ended it.
"""

import argparse
import logging
import os
import sys
import warnings
from pathlib import Path

from checkpoints import KEPT, kept_steps
from failure import JobError, explain, is_disk_full
from notice import EXIT_CODE as STOPPED
from notice import Stopped, notice
from recipe_file import check_world_size, is_first_process, read_recipe
from run_metrics import Clock, end_mlflow

log = logging.getLogger("job")


def main(arguments: list[str]) -> int:
    """Run the job and give its exit code."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING, force=True)
    log.setLevel(logging.INFO if is_first_process() else logging.WARNING)
    warnings.simplefilter("ignore", FutureWarning)
    warnings.filterwarnings("ignore", message="Could not find a config file")  # of a GGUF base
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it misses kernels of the hub's
    order = parse(arguments)
    try:
        with notice.heard():
            train(order)
    except Stopped:
        steps = kept_steps(order.checkpoints)
        log.info("stopped by the node: %d steps are kept, start the job again", steps)
        _end_tracking("KILLED")
        return STOPPED
    except Exception as error:
        log.log(logging.DEBUG if isinstance(error, JobError) else logging.ERROR, "", exc_info=True)
        log.error("error: %s%s", explain(error), _room_hint(error, order.checkpoints))
        _end_tracking("FAILED")
        return 1
    return 0


def _room_hint(error: Exception, checkpoints: Path) -> str:
    if not is_disk_full(error):
        return ""
    return f"; {kept_steps(checkpoints)} steps are kept: make room, then start the job again"


def _end_tracking(status: str) -> None:
    if os.environ.get("MLFLOW_TRACKING_URI") and "mlflow" in sys.modules:
        end_mlflow(status)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="train.py", description="Train a model from a recipe.")
    for name in ("recipe", "train-file", "eval-file", "output", "checkpoints", "report"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--base-model", type=Path, help="Folder of the base model's files.")
    limit = "Newest checkpoints that stay; one more where the best is older."
    parser.add_argument("--save-total-limit", type=int, default=KEPT, help=limit)
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
        from dataset import read_conversations, tokenised
        from device import choose_device
        from learning import Task, learn
        from material import read_material
        from preferences import read_pairs, tokenised_pairs
        from report import RunReport
        from result import leave_result
        from samples import answers

    device = choose_device(recipe.training.precision)
    for folder in (order.output, order.checkpoints, order.report):
        folder.mkdir(parents=True, exist_ok=True)
    with clock.phase("reading the data"):
        is_dpo = recipe.objective == "dpo"
        material = read_material(order, read_pairs if is_dpo else read_conversations)
    with clock.phase("loading the base model"):
        model, tokenizer = load_base(recipe, order.base_model, material.texts, device)
    with clock.phase("tokenising"):
        data = (tokenised_pairs if is_dpo else tokenised)(material, tokenizer, recipe)

    before = Before(order.checkpoints)
    with clock.phase("answers of the base model"):
        if is_first_process() and "answers" not in before:
            asked = material.asked(recipe.samples.count)
            before.keep("answers", answers(model, tokenizer, asked, recipe.samples))

    tell = TellMlflow(recipe, material.hashes["train"])
    report = RunReport(order.report, recipe, material.hashes, device)
    with clock.phase("training"), report.told():
        task = Task(
            device,
            data,
            order.checkpoints,
            [tell, report],
            load_again=lambda: load_base(recipe, order.base_model, material.texts, device),
            lines=lambda: (number for number, _ in material.talks["train"].items()),
            save_total_limit=order.save_total_limit,
        )
        learned = learn(recipe, (model, tokenizer), task)
    if is_first_process():
        with report.told():
            metrics = leave_result(
                order, recipe, device, material, before, learned, tokenizer, clock
            )
        report.finish(order.report / "samples.jsonl", metrics)
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
