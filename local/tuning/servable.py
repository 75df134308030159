"""Make a folder that can be served: the base model, or the base with an adapter worked in.

    python servable.py --recipe F --base-model DIR [--adapter DIR] --output DIR

A program beside the modules of `training/job`, in that program's environment; it imports nothing
else of ours. It loads and saves by the same modules as the training: same tokenizer, same
template, same number format.
"""

import argparse
import logging
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Write the folder, its manifest last."""
    from base_model import load_base  # type: ignore[import-not-found]
    from device import choose_device  # type: ignore[import-not-found]
    from recipe_file import read_recipe  # type: ignore[import-not-found]
    from saved_model import merged, save_model, write_manifest  # type: ignore[import-not-found]

    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    parser = argparse.ArgumentParser(prog="servable.py")
    for name in ("recipe", "base-model", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--adapter", type=Path)
    order = parser.parse_args(arguments)
    recipe = read_recipe(order.recipe)
    device = choose_device(recipe.training.precision)
    model, tokenizer = load_base(recipe, order.base_model, (), device, in_full=True)
    if order.adapter:
        from peft import PeftModel

        model = merged(PeftModel.from_pretrained(model, order.adapter))
    save_model(model, tokenizer, order.output, recipe)
    unmeasured = dict.fromkeys(("steps", "train_loss", "eval_loss_after"))
    write_manifest(order.output, recipe, device, {"is_base": order.adapter is None}, unmeasured)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
