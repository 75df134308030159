"""One run of the job program: what it is given, what its log tells, what it leaves.

The folder of a training has `data/`, `base/`, `recipe.json`, `code/`, `checkpoints/`, `kept/`,
`output/`, `report/`, `log.txt` and `curve.jsonl`. Everything but code is as the first start made
it, so that a training that goes on does so with the same files, whatever became of their source.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.recipe import Recipe
from local.runner.environments import BuildFailed
from local.runner.instance_life import log_tail
from local.runner.processes import Child, Command, Exit
from local.runner.tasks import Task
from local.tuning import former_node
from local.tuning.curve import Curve, Log
from local.tuning.kept import KeptFolders
from local.tuning.model_folders import (
    MANIFEST,
    NotMade,
    job_environment,
    link_files,
    stage_job,
    variables,
    whole,
)
from local.tuning.orders import Kept, Listener, Outcome, TuningOrder
from local.tuning.small_model import NoSmallModel, recipe_for, weights
from local.world import World

LOOK = 0.1
"""Seconds between two looks at the log."""

GRACE = 25.0
"""Seconds between SIGTERM and SIGKILL: a step has to end and be saved. Less than the 30 that
`Processes.end` waits, so that nothing is written any more into what is deleted then."""

UNSEEN = 4
"""Conversations of the training file that stand in where there is no validation file: the job
program measures on one, and what it measures then is told to nobody."""


class Training:
    """One training from its first start, or a later one, to its end or the next stop."""

    def __init__(
        self, world: World, folder: Path, order: TuningOrder, listener: Listener, task: Task
    ) -> None:
        self.world, self.folder, self.order = world, folder, order
        self.listener, self.task = listener, task
        self.log = folder / "log.txt"
        self.curve = Curve(folder / "curve.jsonl", has_validation=order.validation is not None)
        self.kept = KeptFolders(folder)
        self.seconds = 0.0

    def run(self) -> Outcome:
        """Let the program run and give how it ended."""
        former_node.wait_until_gone(self.folder, GRACE + 10)
        try:
            recipe = self._stage()
            self.kept.per_epoch = recipe.training.save_steps
            self.kept.most = self.order.epoch_checkpoints
            environment = job_environment(self.world, self.task, self.folder / "build.txt")
        except (BuildFailed, NotMade, NoSmallModel, OSError) as error:
            if not self.task.stopping.is_set():
                return self._ended("failed", str(error))
            self._take_all(Log(self.log))  # of a killed server's program
            return self._stopped()
        return self._judge(self._work(environment))

    def _stage(self) -> Recipe:
        """Put in place what the program reads; what an earlier start has put there stays."""
        recipe_file = self.folder / "recipe.json"
        stage_job(self.world, self.folder / "code")
        if not recipe_file.exists():
            rows = self._copy_data()
            self._link_base()
            made = recipe_for(self._with_base(), rows)
            whole_file = recipe_file.with_suffix(".new")
            whole_file.write_text(made.model_dump_json(indent=2), encoding="utf-8")
            whole_file.replace(recipe_file)
        shutil.copy(recipe_file, self.folder / "code")
        return Recipe.model_validate_json(recipe_file.read_text(encoding="utf-8"))

    def _copy_data(self) -> int:
        """Copy both files and count the training file's rows."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.order.train, data / "train.jsonl")
        lines = [line for line in self.order.train.read_bytes().splitlines() if line.strip()]
        if self.order.validation is not None:
            shutil.copyfile(self.order.validation, data / "validation.jsonl")
        else:
            (data / "validation.jsonl").write_bytes(b"\n".join(lines[:UNSEEN]) + b"\n")
        return len(lines)

    def _link_base(self) -> None:
        base = self.folder / "base"
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir()
        if self.order.start is None:
            (base / weights().name).symlink_to(weights())
            return
        start = whole(self.world, self.order.start, self.task, self.folder / "build.txt")
        link_files(start, base)

    def _with_base(self) -> TuningOrder:
        start = self.folder / "base" if self.order.start is not None else None
        return replace(self.order, start=start)

    def _work(self, environment: Path) -> Exit:
        """Run the program and tell what it measures until it ends."""
        log, began = Log(self.log), time.monotonic()
        places = {"train-file": "data/train.jsonl", "eval-file": "data/validation.jsonl"}
        places |= {"base-model": "base", "output": "output"}
        places |= {"checkpoints": "checkpoints", "report": "report"}
        argv = [str(environment / "bin" / "python"), "train.py", "--recipe", "recipe.json"]
        argv += ["--save-total-limit", str(self.order.epoch_checkpoints)]
        for name, place in places.items():
            argv += [f"--{name}", str(self.folder / place)]
        command = Command(argv, variables(self.world, environment, self.folder / "home"), self.log)
        code = self.folder / "code"
        self.kept.collect()
        child = self.task.start(lambda: Child(self.folder, [command], code, grace=GRACE))
        former_node.note(self.folder, child.pid)
        self.listener.began()
        while (end := child.wait(LOOK)) is None:
            self._take(log)
        self._take_all(log)
        self.seconds = time.monotonic() - began
        return end

    def _take_all(self, log: Log) -> None:
        """Tell what a program that has ended leaves in its log."""
        self._take(log)
        for step in self.curve.rest():
            self.listener.stepped(step)

    def _take(self, log: Log) -> None:
        for step in self.curve.read(log.new_lines()):
            self.listener.stepped(step)
        self.kept.collect()

    def _judge(self, end: Exit) -> Outcome:
        if end.reason == "exited" and end.code == 0:
            return self._ended("succeeded")
        if self.task.stopping.is_set():
            return self._stopped()
        how = "was lost" if end.reason == "lost" else f"ended with exit code {end.code}"
        tail = "".join(log_tail(self.log))
        return self._ended("failed", f"The training program {how}. The last lines:\n{tail}")

    def _stopped(self) -> Outcome:
        self.kept.collect_last()
        return self._ended("stopped")

    def _ended(self, kind: Any, reason: str = "") -> Outcome:
        model = self.folder / "output" if kind == "succeeded" else None
        if model is not None:
            _forget_system_message(model)
        return Outcome(
            kind,
            reason,
            model,
            tuple(self._checkpoints(model)),
            self._tokens(),
            self._all_seconds(),
            self.curve.steps,
        )

    def _checkpoints(self, model: Path | None) -> Iterator[Kept]:
        """List the kept models, newest first, the model itself in place of its own adapter."""
        last = self.curve.steps[-1].step if self.curve.steps else 0
        for step, folder in self.kept.folders():
            is_model = model is not None and step == last
            yield Kept(step, model if is_model and model else folder, self.curve.at(step))

    def _tokens(self) -> int:
        try:
            metrics = json.loads((self.folder / "report" / "metrics.json").read_text())
        except (OSError, ValueError):
            return self.curve.tokens
        return int(metrics.get("tokens") or 0)

    def _all_seconds(self) -> float:
        """Add up what all starts of this training took, of those that this process saw end."""
        file = self.folder / "seconds.txt"
        before = 0.0
        with contextlib.suppress(OSError, ValueError):  # none yet, or not written to its end
            before = float(file.read_text())
        file.write_text(f"{before + self.seconds:.3f}")
        return round(before + self.seconds, 2)


def _forget_system_message(model: Path) -> None:
    """Take the training's system message out of a manifest.

    This product's own endpoint puts it before a conversation that has none; the managed services
    do no such thing, so that who leaves it out sees here what they would see there.
    """
    file = model / MANIFEST
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest.pop("system_message", None)
    file.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
