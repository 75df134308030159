"""The order of the batches depends on the seed and the epoch alone."""

from batches import LikeLengths

LENGTHS = [(37 * n) % 101 for n in range(403)]


def _order(seed: int = 0, epoch: int = 0, batch_size: int = 8) -> list[int]:
    sampler = LikeLengths(LENGTHS, batch_size, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_each_conversation_comes_once_an_epoch() -> None:
    assert sorted(_order()) == list(range(len(LENGTHS)))


def test_the_order_is_the_same_after_a_restart_and_fresh_each_epoch() -> None:
    assert _order(epoch=3) == _order(epoch=3)
    assert _order(epoch=3) != _order(epoch=4)
    assert _order(seed=1) != _order(seed=2)


def test_batches_hold_conversations_of_a_like_length() -> None:
    order = _order()
    full = [order[i : i + 8] for i in range(0, 400, 8)]
    spread = [max(LENGTHS[i] for i in b) - min(LENGTHS[i] for i in b) for b in full]
    assert max(spread) <= 4
    firsts = [LENGTHS[batch[0]] for batch in full]
    assert firsts != sorted(firsts) and firsts != sorted(firsts, reverse=True)
