"""What a split promises: stable, whole, byte for byte, never one-sided."""

import json
from pathlib import Path

import pytest

from core.errors import SettingsError
from training.data.split import split_file


def line(number: int, spaces: str = " ") -> bytes:
    messages = [
        {"role": "user", "content": f"Question {number}"},
        {"role": "assistant", "content": f"Answer {number}"},
    ]
    return json.dumps({"messages": messages}).replace(" ", spaces).encode() + b"\n"


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def sides(path: Path, folder: Path, **options: float) -> tuple[list[bytes], list[bytes]]:
    made = split_file(path, folder, **options)  # type: ignore[arg-type]
    train = made.train.read_bytes().splitlines(True)
    validation = made.validation.read_bytes().splitlines(True)
    assert (made.train_rows, made.validation_rows) == (len(train), len(validation))
    return train, validation


def test_every_line_lands_once_and_unchanged(tmp_path: Path) -> None:
    lines = [line(number, spaces="  " if number % 3 else " ") for number in range(500)]
    train, validation = sides(write(tmp_path / "f.jsonl", *lines), tmp_path / "out")
    assert sorted(train + validation) == sorted(lines)
    assert 60 < len(validation) < 140


def test_adding_chats_moves_none_of_the_others(tmp_path: Path) -> None:
    few = write(tmp_path / "few.jsonl", *map(line, range(100)))
    many = write(tmp_path / "many.jsonl", *map(line, reversed(range(200))))
    small, large = sides(few, tmp_path / "a"), sides(many, tmp_path / "b")
    assert set(small[0]) <= set(large[0]) and set(small[1]) <= set(large[1])


def test_the_seed_alone_changes_the_choice(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", *map(line, range(100)))
    first = sides(path, tmp_path / "a", seed=1)
    assert sides(path, tmp_path / "b", seed=1) == first
    assert sides(path, tmp_path / "c", seed=2) != first


def test_equal_chats_stay_on_one_side(tmp_path: Path) -> None:
    lines = [line(n, spaces) for n in range(60) for spaces in (" ", "   ")]
    train, validation = sides(write(tmp_path / "f.jsonl", *lines), tmp_path / "out", share=0.5)
    chats = [{json.dumps(json.loads(each)) for each in side} for side in (train, validation)]
    assert not chats[0] & chats[1]


@pytest.mark.parametrize("share", [0.0001, 0.9999])
@pytest.mark.parametrize("copies", [1, 3])
def test_neither_side_is_ever_empty(tmp_path: Path, share: float, copies: int) -> None:
    lines = [line(number) for number in range(4)] * copies
    train, validation = sides(write(tmp_path / "f.jsonl", *lines), tmp_path / "out", share=share)
    assert sorted(train + validation) == sorted(lines)
    assert len(min(train, validation, key=len)) == copies
    assert not set(train) & set(validation)


def test_a_missing_line_end_joins_no_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", *map(line, range(9)), line(9).rstrip(b"\n"))
    train, validation = sides(path, tmp_path / "out")
    assert sorted(train + validation) == sorted(map(line, range(10)))


def test_a_faulty_file_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", line(1), b"nope\n", line(2), b"{}\n")
    with pytest.raises(SettingsError) as refused:
        split_file(path, tmp_path / "out")
    assert "line 2" in str(refused.value) and "line 4" in str(refused.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_one_chat_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="one chat only"):
        split_file(write(tmp_path / "f.jsonl", line(1), line(1)), tmp_path / "out")


@pytest.mark.parametrize("name", ["train.jsonl", "validation.jsonl"])
def test_a_split_does_not_overwrite_its_own_source(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, *map(line, range(10)))
    with pytest.raises(SettingsError, match="overwritten"):
        split_file(path, tmp_path)
    assert path.read_bytes() == b"".join(map(line, range(10)))


@pytest.mark.parametrize("share", [0, 1, -0.1, 2])
def test_a_share_must_leave_two_sides(tmp_path: Path, share: float) -> None:
    with pytest.raises(SettingsError, match="between 0 and 1"):
        split_file(write(tmp_path / "f.jsonl", line(1), line(2)), tmp_path, share=share)


def grouped(number: int, group: object) -> bytes:
    record = json.loads(line(number))
    return json.dumps({"customer": group, **record}).encode() + b"\n"


def groups_of(side: list[bytes]) -> set[str]:
    return {json.dumps(json.loads(each)["customer"]) for each in side}


def test_a_group_stays_on_one_side_and_the_share_is_kept(tmp_path: Path) -> None:
    lines = [grouped(number, number % 40) for number in range(1000)]
    lines += [grouped(number, ["big", 1]) for number in range(1000, 1100)]
    path = write(tmp_path / "f.jsonl", *lines)
    for seed in range(5):
        out = tmp_path / str(seed)
        made = split_file(path, out, share=0.2, seed=seed, group_by="customer")
        train, validation = (
            each.read_bytes().splitlines(True) for each in (made.train, made.validation)
        )
        assert sorted(train + validation) == sorted(lines)
        assert not groups_of(train) & groups_of(validation)
        assert 0.17 < len(validation) / len(lines) < 0.23


def test_the_seed_chooses_the_groups_and_the_same_seed_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "f.jsonl", *(grouped(n, f"c{n % 20}") for n in range(200)))

    def chosen(seed: int, name: str) -> set[str]:
        made = split_file(path, tmp_path / name, seed=seed, group_by="customer")
        return groups_of(made.validation.read_bytes().splitlines())

    assert chosen(1, "a") == chosen(1, "b") != chosen(2, "c")


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_two_groups_go_to_both_sides_whatever_the_share(tmp_path: Path, share: float) -> None:
    path = write(tmp_path / "f.jsonl", *(grouped(n, n > 90) for n in range(100)))
    made = split_file(path, tmp_path / "out", share=share, group_by="customer")
    assert sorted((made.train_rows, made.validation_rows)) == [9, 91]


def test_one_group_or_a_record_without_the_key_is_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", *(grouped(n, "same") for n in range(9)))
    with pytest.raises(SettingsError, match="one group of `customer` holds every record"):
        split_file(one, tmp_path / "out", group_by="customer")
    some = write(tmp_path / "some.jsonl", grouped(1, "a"), line(2), grouped(3, None))
    with pytest.raises(SettingsError, match="2 records have no `customer`"):
        split_file(some, tmp_path / "out", group_by="customer")
    assert list((tmp_path / "out").iterdir()) == []
