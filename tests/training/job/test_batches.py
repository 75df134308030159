"""The order of the batches depends on the seed and the epoch alone, and every batch is full."""

from collections import Counter

LENGTHS = [(37 * n) % 101 for n in range(403)]


def _order(seed: int = 0, epoch: int = 0, batch_size: int = 8) -> list[int]:
    from batches import LikeLengths

    sampler = LikeLengths(LENGTHS, batch_size, seed)
    sampler.set_epoch(epoch)
    assert len(sampler) == len(list(sampler))
    return list(sampler)


def test_each_conversation_comes_once_an_epoch_and_few_fill_up_the_rest() -> None:
    counts = Counter(_order())
    assert counts.keys() == set(range(len(LENGTHS)))
    assert counts.total() == 408 and max(counts.values()) == 2
    again = {row for row, count in counts.items() if count == 2}
    assert again != {row for row, count in Counter(_order(epoch=1)).items() if count == 2}


def test_a_file_smaller_than_a_batch_still_fills_it() -> None:
    from batches import LikeLengths

    assert Counter(LikeLengths([5, 9, 7], 8, 0)).total() == 8


def test_the_order_is_the_same_after_a_restart_and_fresh_each_epoch() -> None:
    assert _order(epoch=3) == _order(epoch=3)
    assert _order(epoch=3) != _order(epoch=4)
    assert _order(seed=1) != _order(seed=2)


def test_batches_hold_conversations_of_a_like_length() -> None:
    order = _order()
    full = [order[i : i + 8] for i in range(0, 400, 8)]
    spread = [max(LENGTHS[i] for i in b) - min(LENGTHS[i] for i in b) for b in full]
    assert sum(value > 4 for value in spread) <= 1  # the last few of all lie apart
    firsts = [LENGTHS[batch[0]] for batch in full]
    assert firsts != sorted(firsts) and firsts != sorted(firsts, reverse=True)
