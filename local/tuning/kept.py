"""Checkpoints of a training that outlive it: adapters, linked as the program seals them.

The program keeps as many of its newest as a service offers of the last epochs, so that none is
lost however seldom somebody looks. What a pause has kept stays, too: it may be deployed.
"""

import contextlib
import json
import os
import shutil
from pathlib import Path

from local.tuning.model_folders import UNMERGED, link_files

SEAL = "whole.json"
"""What a checkpoint has that is written to its end (`training/job/checkpoints.py`)."""

ADAPTER = "adapter_"
"""What the names of an adapter's files begin with (PEFT)."""


class KeptFolders:
    """The kept checkpoints of one training, each a folder `step-N`."""

    def __init__(self, folder: Path) -> None:
        self._training, self._kept = folder, folder / "kept"
        self.per_epoch, self.most = 1, 1

    def folders(self) -> list[tuple[int, Path]]:
        """List them by step, the newest first."""
        found = [(int(path.name[5:]), path) for path in self._kept.glob("step-*")]
        return sorted((one for one in found if (one[1] / UNMERGED).exists()), reverse=True)

    def collect(self) -> None:
        """Keep what ends an epoch and is sealed; let go of the ends of epochs long past."""
        for step, checkpoint in self._sealed():
            if self._ends_epoch(step):
                self._keep(step, checkpoint)
        ends = [folder for step, folder in self.folders() if self._ends_epoch(step)]
        for folder in ends[self.most :]:
            shutil.rmtree(folder, ignore_errors=True)

    def collect_last(self) -> None:
        """Keep the newest one too, wherever in an epoch it is: what a stopped training reached."""
        self.collect()
        if sealed := self._sealed():
            self._keep(*sealed[-1])

    def _ends_epoch(self, step: int) -> bool:
        return step % self.per_epoch == 0

    def _sealed(self) -> list[tuple[int, Path]]:
        found = self._training.glob(f"checkpoints/checkpoint-*/{SEAL}")
        return sorted((int(seal.parent.name[11:]), seal.parent) for seal in found)

    def _keep(self, step: int, checkpoint: Path) -> None:
        target = self._kept / f"step-{step}"
        if target.exists():
            return
        making = self._kept / f"making-{step}"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        training = os.path.abspath(self._training)  # noqa: PTH100 - links stay as they are
        known = {"recipe": f"{training}/recipe.json", "base": f"{training}/base"}
        with contextlib.suppress(FileNotFoundError):  # the program has just deleted it
            link_files(checkpoint, making, lambda name: name.startswith(ADAPTER))
            if (checkpoint / SEAL).exists():
                (making / UNMERGED).write_text(json.dumps(known))
                making.rename(target)
                return
        shutil.rmtree(making, ignore_errors=True)
