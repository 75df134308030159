"""Have models answer cases and score the references: what an evaluation's job runs on its node.

    python evaluate.py --order evaluation.json --cases cases.jsonl [--base-model DIR]
        [--model NAME=DIR …] [--checkpoints DIR] [--train-file F.jsonl] --answers DIR

A case that has its line is not asked again: started anew, the job does what is left. Ends as
node_program.py says; 0 means that every case has a line.
"""

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import Any

from evaluation_files import Answered, read_cases
from node_program import run, settle
from recipe_file import Recipe, read_recipe

log = logging.getLogger("job")


def main(arguments: list[str]) -> int:
    """Run the job and give its exit code."""
    order = parse(arguments)
    return run(lambda: evaluate(order), stopped="what was answered is kept, start the job again")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="evaluate.py", description="Answer and score cases.")
    for name in ("order", "cases", "answers"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("base-model", "checkpoints", "train-file"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--model", action="append", default=[], metavar="NAME=DIR", type=_named)
    order = parser.parse_args(arguments)
    order.model = dict(order.model)
    return order


def _named(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not name or not folder:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=DIR")
    return name, Path(folder)


def evaluate(order: argparse.Namespace) -> None:
    """Ask one side after the other what it has no line for yet."""
    began = time.monotonic()
    asked = read_recipe(order.order)
    recipe = asked.recipe
    cases = read_cases(order.cases, _system_message(asked, order.train_file))
    left = {}
    for side in asked.sides:
        there = Answered(order.answers, side.name).cases()
        ours = [case for case in cases if case.is_for(side.name)]
        left[side.name] = [case for case in ours if case.id not in there]
        log.info("%s: %d cases, %d to ask", side.name, len(ours), len(left[side.name]))

    from answering import Decoding
    from asking import ask_side
    from device import choose_device
    from evaluated_weights import fingerprint, load_side

    device = choose_device(recipe.training.precision)
    decoding = Decoding(**asked.decoding.as_dict())
    templates: dict[str, str] = {}
    for side in asked.sides:
        if not left[side.name]:
            continue
        said = _texts(recipe, order.train_file)
        model, tokenizer = load_side(side, recipe, order, said, device)
        templates[fingerprint(tokenizer)] = side.name
        if len(templates) > 1:
            log.warning("not the same chat template: %s", ", ".join(templates.values()))
        answered = Answered(order.answers, side.name)
        ask_side(side.name, (model, tokenizer), left[side.name], decoding, answered)
        del model
    log.info("done in %.0f s", time.monotonic() - began)


def _system_message(asked: Recipe, train_file: Path | None) -> str:
    """Give what every training conversation began with, so that models are asked as trained."""
    if asked.system_message is not None or train_file is None:
        return asked.system_message or ""
    return str(_training(asked.recipe, train_file).system_message)


def _texts(recipe: Recipe, train_file: Path | None) -> Any:
    """Give what a random model's tokenizer was made from; other models bring their own."""
    if recipe.base.source != "random" or train_file is None:
        return ()
    return _training(recipe, train_file).texts


def _training(recipe: Recipe, train_file: Path) -> Any:
    if recipe.objective == "dpo":
        from preferences import read_pairs

        return read_pairs(train_file)
    from conversations import read_conversations

    return read_conversations(train_file)


if __name__ == "__main__":
    settle()
    sys.exit(main(sys.argv[1:]))
