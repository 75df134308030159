"""Which conversations share a batch: ones of a like length, in an order that a seed decides."""

import itertools
from collections.abc import Iterator

import torch
from torch.utils.data import Sampler
from transformers import TrainingArguments


def updates_of(lengths: list[int], settings: TrainingArguments) -> "LikeLengths":
    """Give the order for a trainer: batches of one update each, whatever they are split into."""
    per_process = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
    return LikeLengths(lengths, per_process * settings.world_size, settings.seed)


class LikeLengths(Sampler[int]):
    """Draw batches of a like length, in a fresh order each epoch.

    Every batch is full: the last one is filled up with rows of the same epoch. A rest would be
    an update of its own in which each row weighs more, and one that processes cannot share
    evenly; so the same rows make the same update, however a batch is split into processes and
    steps.

    The order depends on the seed and the epoch alone. transformers' own sampler takes it from
    whatever state chance is in, so that a resumed job would see other batches; and it goes from
    long to short, so that the loss goes up and down with it.
    """

    POOL = 50
    """Batches that are sorted together: more waste less padding, fewer mix better."""

    def __init__(self, lengths: list[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes; the trainer does, a resumed one too."""
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-len(self._lengths) // self._batch_size) * self._batch_size

    def __iter__(self) -> Iterator[int]:
        chance = torch.Generator().manual_seed(self._seed + self._epoch)
        order = torch.randperm(len(self._lengths), generator=chance).tolist()
        order = list(itertools.islice(itertools.cycle(order), len(self)))
        batches = self._batches(order)
        for index in torch.randperm(len(batches), generator=chance).tolist():
            yield from batches[index]

    def _batches(self, order: list[int]) -> list[list[int]]:
        pool = self.POOL * self._batch_size
        batches = []
        for start in range(0, len(order), pool):
            alike = sorted(order[start : start + pool], key=lambda index: self._lengths[index])
            batches += [
                alike[i : i + self._batch_size] for i in range(0, len(alike), self._batch_size)
            ]
        return batches
