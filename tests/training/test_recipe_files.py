"""Recipes as files: found, overridden, and refused with every finding at once."""

from pathlib import Path

import pytest

from core.errors import SettingsError
from training.recipes import load_any_recipe, load_recipe, recipe_names

GOOD = """\
name: mine
description: A recipe of a person's own.
model_name: mine
base: {source: random, id: none}
method: full
training: {epochs: 1}
"""


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


def refused(*arguments: object) -> str:
    with pytest.raises(SettingsError) as error:
        load_recipe(*arguments)  # type: ignore[arg-type]
    return str(error.value)


def test_every_recipe_of_ours_loads_under_its_own_name() -> None:
    names = recipe_names()
    assert {"rehearsal", "tiny-phi3", "phi-3.5-mini", "phi-3-mini-4k", "phi-4-mini"} <= set(names)
    assert [load_any_recipe(name).name for name in names] == names


def test_every_hub_model_is_pinned() -> None:
    hub = [load_recipe(name).base for name in recipe_names("azureml")]
    assert all(len(base.revision) == 40 for base in hub if base.source == "hub")


def test_a_persons_own_file_is_taken(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path, GOOD)).name == "mine"


def test_overrides_change_parts_and_are_typed(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    recipe = load_recipe(
        path, ["training.epochs=2.5", "training.learning_rate=5e-6", "samples.count=0",
               "lora.target_modules=[q_proj, v_proj]", "method=lora"],
    )  # fmt: skip
    assert recipe.training.epochs == 2.5 and recipe.training.learning_rate == 5e-6
    assert recipe.samples.count == 0 and recipe.method == "lora"
    assert recipe.lora.target_modules == ["q_proj", "v_proj"]


def test_all_findings_come_at_once_with_what_was_meant(tmp_path: Path) -> None:
    text = GOOD.replace("epochs: 1", "epoch: 1, batch_size: four, warmup: 3") + "metod: lora\n"
    message = refused(write(tmp_path, text), ["training.epochs", "samples.count=-1"])
    for line in (
        "training.epoch: Extra inputs are not permitted Did you mean epochs?",
        "training.batch_size: Input should be a valid integer",
        "training.warmup: Input should be less than 1",
        "metod: Extra inputs are not permitted Did you mean method?",
        "samples.count: Input should be greater than or equal to 0",
        "--set training.epochs: not `path=value`",
    ):
        assert line in message
    assert len(message.splitlines()) == 6


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("training.epoch=2", "training.epoch: Extra inputs are not permitted Did you mean epochs?"),
        ("training.epochs=", "training.epochs: Input should be a valid number"),
        ("name.first=x", "name has no parts"),
        ("=3", "not `path=value`"),
        ("a..b=3", "not `path=value`"),
        ("training.epochs={", "the value is not YAML"),
    ],
)
def test_a_wrong_override_is_named(tmp_path: Path, override: str, reason: str) -> None:
    assert reason in refused(write(tmp_path, GOOD), [override])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a recipe is a mapping of keys, not an empty file"),
        ("- one\n", "not a list"),
        ("a: [1\nb: 2\n", "line 2: "),
        (GOOD + "method: lora\n", "line 7: 'method' is given twice"),
        (GOOD.replace("random", "hub"), "base: a hub model needs `revision`"),
        (GOOD.replace("random", "package"), "base: a packaged model needs `package` and `file`"),
        (GOOD.replace("name: mine", '"na\\nme": mine'), "Field required"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in refused(write(tmp_path, text))


def test_a_mistyped_name_is_recognised(tmp_path: Path) -> None:
    assert "Did you mean rehearsal?" in refused("rehearsel")
    assert "There is no recipe file" in refused(str(tmp_path / "none.yaml"))
    with pytest.raises(SettingsError) as error:
        load_recipe("zzz")
    assert "rehearsal" in error.value.hint
