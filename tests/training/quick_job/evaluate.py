"""Keeps the evaluation program's contract in a second, without asking a model.

A case whose question is `hold PATH` waits until the file is there; `fail` ends the program.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from urllib.parse import quote


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("order", "cases", "answers"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("base-model", "checkpoints", "train-file"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--model", action="append", default=[])
    asked = parser.parse_args()
    order = json.loads(asked.order.read_text())
    cases = [json.loads(line) for line in asked.cases.read_text().splitlines()]
    models = dict(text.split("=", 1) for text in asked.model)
    for side in order["sides"]:
        weights = weights_of(side, models, asked.checkpoints)
        for number, case in enumerate(cases):
            if side["name"] not in case.get("sides", [side["name"]]):
                continue
            question = case["messages"][-1]["content"]
            hold(question)
            if question == "fail":
                print("error: the node is too small", flush=True)
                return 1
            folder = asked.answers / quote(side["name"], safe="")
            folder.mkdir(parents=True, exist_ok=True)
            line = {
                "case": case["id"], "text": f"{weights}: {question}", "finish": "stop",
                "tokens": 3, "prompt_tokens": 5, "seconds": 0.25, "nll": 1.5,
                "scored_tokens": 2, "correct_tokens": 1,
            }  # fmt: skip
            (folder / f"{number:05}.jsonl").write_text(json.dumps(line) + "\n" + '{"case": "cut')
            print(f"evaluate {side['name']} {number + 1}/{len(cases)}  9.9 answers/s", flush=True)
    return 0


def weights_of(side: dict[str, object], models: dict[str, str], checkpoints: Path | None) -> str:
    if side["kind"] == "model":
        manifest = json.loads((Path(models[str(side["model"])]) / "tunestack.json").read_text())
        return f"{manifest['recipe']} of {manifest['steps']} steps"
    if side["kind"] == "checkpoint":
        assert checkpoints is not None
        return (checkpoints / f"checkpoint-{side['step']}").read_text()
    return "base"


def hold(question: str) -> None:
    until = time.monotonic() + 30
    while question.startswith("hold ") and not Path(question.removeprefix("hold ")).exists():
        time.sleep(0.02)
        if time.monotonic() > until:
            raise SystemExit("nobody let go")


if __name__ == "__main__":
    sys.exit(main())
