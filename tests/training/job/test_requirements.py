"""The job's pinned lists are whole, name no host, and hold what the job's parts agree on."""

import re

import pytest
from job_runs import JOB

LISTS = ("requirements.txt", "requirements-gpu.txt")


def _pins(name: str) -> dict[str, str]:
    lines = [line.strip() for line in (JOB / name).read_text().splitlines()]
    found = [re.fullmatch(r"([a-z0-9.-]+)==([\w.!+]+)", line) for line in lines]
    assert all(found), "every line is a pin and nothing else"
    return {match[1]: match[2] for match in found if match}


@pytest.mark.parametrize("name", LISTS)
def test_the_list_holds_mlflow_in_the_versions_that_azureml_takes(name: str) -> None:
    pins = _pins(name)
    assert pins["azureml-mlflow"].startswith("1.62.")
    assert _version(pins["mlflow-skinny"]) <= (3, 15, 99)
    assert _version(pins["azure-storage-blob"]) <= (12, 27, 1)


@pytest.mark.parametrize("name", LISTS)
def test_every_direct_requirement_is_pinned(name: str) -> None:
    lines = (JOB / "requirements.in").read_text().splitlines()
    direct = [re.match(r"[a-z0-9-]+", line) for line in lines if not line.startswith("#")]
    assert {match[0] for match in direct if match} <= _pins(name).keys()


def test_on_a_gpu_torch_is_built_for_a_cuda_that_older_drivers_know() -> None:
    gpu, cpu = _pins("requirements-gpu.txt"), _pins("requirements.txt")
    assert "nvidia-cuda-runtime-cu12" in gpu and "nvidia-cuda-runtime" not in gpu
    libraries = ("transformers", "trl", "peft", "datasets", "accelerate", "tokenizers")
    assert {n: gpu[n] for n in libraries} == {n: cpu[n] for n in libraries}


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
