"""What a recipe may not ask for: contradictions, and methods that the node does not suit."""

import pytest

from core.errors import SettingsError
from training.recipes import fits_device, load_recipe, recipe_names


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["objective=dpo", "training.packing=true"], "training.packing: pairs of answers"),
        (["objective=dpo", "lora.dropout=0.1"], "lora.dropout: dpo compares two models"),
        (["lora.target_modules=[o_proj, lm_head]"], "lora.target_modules: lm_head carries no"),
        (["lora.target_modules=[]"], "lora.target_modules: name at least one"),
        (["training.max_steps=0"], "training.max_steps: 0 trains nothing"),
        (["training.max_steps=5", "training.eval_steps=6"], "training.eval_steps: 6 never comes"),
    ],
)
def test_a_contradiction_is_refused(overrides: list[str], reason: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_recipe("rehearsal", overrides)
    assert str(error.value).startswith(reason)


def test_all_contradictions_come_at_once() -> None:
    asked = ["objective=dpo", "training.packing=true", "lora.dropout=0.1", "training.max_steps=0"]
    with pytest.raises(SettingsError) as error:
        load_recipe("rehearsal", asked)
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize(
    "overrides",
    [
        ["objective=dpo"],
        ["objective=dpo", "method=full", "lora.dropout=0.1"],  # no adapters, no dropout of theirs
        ["training.max_steps=6", "training.eval_steps=6"],
        ["training.packing=true", "training.keep=best"],
    ],
)
def test_what_only_looks_like_one_is_taken(overrides: list[str]) -> None:
    load_recipe("rehearsal", overrides)


def test_four_bits_need_a_gpu_for_a_large_model_and_none_for_a_rehearsal() -> None:
    large = load_recipe("phi-3.5-mini-qlora")
    (reason,) = fits_device(large, "cpu")
    assert reason.startswith("method: qlora") and "--set method=lora" in reason
    assert fits_device(large, "gpu") == []
    assert fits_device(load_recipe("rehearsal", ["method=qlora"]), "cpu") == []


def test_every_other_recipe_of_ours_fits_both() -> None:
    for name in recipe_names("azureml"):
        recipe = load_recipe(name)
        assert recipe.method == "qlora" or fits_device(recipe, "cpu") == []
        assert fits_device(recipe, "gpu") == []


def test_there_is_a_recipe_for_each_method_and_objective() -> None:
    recipes = [load_recipe(name) for name in recipe_names("azureml")]
    assert {recipe.method for recipe in recipes} == {"full", "lora", "qlora"}
    assert {recipe.objective for recipe in recipes} == {"sft", "dpo"}
    assert all(recipe.description.endswith(".") for recipe in recipes)


def test_adapters_learn_ten_times_as_fast_as_whole_weights() -> None:
    """As the documentation of TRL on PEFT has it, at least."""
    for name in ("phi-3.5-mini", "phi-4-mini"):
        adapters = load_recipe(f"{name}-lora").training.learning_rate
        assert adapters >= 10 * load_recipe(name).training.learning_rate
