"""What is sent with a job, without Azure."""

from pathlib import Path

import pytest

from core.errors import PrerequisiteError
from tests.training.quick import order, recipe
from training.assets import base_model_name, base_model_version, packaged_weights
from training.environment import JOB_FOLDER, build_environment
from training.submission import command_line, job_tags, stage_code


def test_the_command_names_every_argument_of_the_program() -> None:
    assert command_line(has_base_model=False) == (
        "python train.py --recipe recipe.json --train-file ${{inputs.train_file}}"
        " --eval-file ${{inputs.eval_file}} --output ${{outputs.model}}"
        " --checkpoints ${{outputs.checkpoints}} --report ${{outputs.report}}"
    )
    assert "--base-model ${{inputs.base_model}}" in command_line(has_base_model=True)


def test_the_upload_holds_program_recipe_and_fingerprint_and_no_litter(tmp_path: Path) -> None:
    job = tmp_path / "job"
    (job / "__pycache__").mkdir(parents=True)
    for name in ("train.py", "own.jinja", "requirements.txt", "requirements.in", ".hidden"):
        (job / name).write_text(name)
    made = order(tmp_path, recipe())
    code = stage_code(made.__class__(**{**vars(made), "code": job}), tmp_path)
    assert sorted(path.name for path in code.iterdir()) == [
        "overfit.py", "own.jinja", "recipe.json", "requirements.txt", "template_fingerprint.py",
        "train.py",
    ]  # fmt: skip
    assert type(made.recipe).model_validate_json((code / "recipe.json").read_text()) == made.recipe


def test_job_names_are_legal_and_never_the_same(tmp_path: Path) -> None:
    made = order(tmp_path, recipe(name="phi-3.5-mini"))
    names = {made.name() for _ in range(20)}
    assert len(names) == 20
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in names)


def test_tags_leave_out_what_is_empty(tmp_path: Path) -> None:
    tags = job_tags(order(tmp_path, recipe(base={"source": "random", "id": "none"})))
    assert "base_revision" not in tags and tags["base"] == "none"


def test_a_base_model_is_named_and_versioned_by_what_it_is() -> None:
    base = recipe(base={"source": "random", "id": "HuggingFaceTB/SmolLM2-135M"}).base
    assert base_model_name(base) == "base-huggingfacetb-smollm2-135m"
    assert base_model_version("ff" * 32) == str(0xFFFFFFF)
    assert base_model_version("0" * 64) == "0"


@pytest.mark.parametrize(
    ("package", "reason"), [("no_such_package", "is not installed"), ("json", "has no file w.gguf")]
)
def test_missing_weights_are_named_before_anything_is_sent(package: str, reason: str) -> None:
    base = {"source": "package", "id": "x", "package": package, "file": "w.gguf"}
    with pytest.raises(PrerequisiteError, match=reason):
        packaged_weights(recipe(base=base))


def test_the_environments_version_is_its_content(tmp_path: Path) -> None:
    def version(pins: str) -> str:
        (tmp_path / "requirements.txt").write_text(pins)
        (tmp_path / "environment.json").write_text(
            '{"python": "3.11", "image_cpu": "c", "image_gpu": "g"}'
        )
        return str(build_environment("cpu", tmp_path).version)

    assert version("a==1\n# why\n\nb==2  # too\n") == version("a==1\nb==2\n")
    assert version("a==1\n") != version("a==2\n")
    assert version("a==1\n") != build_environment("gpu", tmp_path).version


def test_the_real_jobs_environment_is_pinned_and_names_no_host() -> None:
    conda = build_environment("gpu", JOB_FOLDER).conda_file
    pins = conda["dependencies"][2]["pip"]
    assert len(pins) > 20
    assert all("==" in pin and "://" not in pin and not pin.startswith("-") for pin in pins)
