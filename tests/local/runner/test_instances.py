"""Which instance gets the next request, who takes over from whom, and how an end is told."""

import random
import threading
from collections import Counter
from pathlib import Path

import pytest

from local.ml.scoring import _by_weight
from local.runner.environments import BuildFailed, parse
from local.runner.instance_life import how_it_ended
from local.runner.instances import Instance, Serving
from local.runner.no_code import SERVER, environment
from local.runner.processes import Processes
from local.runner.tasks import Task


def instance(serving: Serving, number: int, **more: int) -> Instance:
    one = Instance(f"d/instances/{number}", number=number, **more)
    serving.parts.append(one)
    return one


def test_the_ready_instance_with_the_fewest_requests_is_next() -> None:
    serving = Serving("d")
    busy, idle, down = (
        instance(serving, 0, port=1, in_flight=2),
        instance(serving, 1, port=2),
        instance(serving, 2),
    )
    assert [serving.take() for _ in range(2)] == [idle, idle]
    assert idle.in_flight == 2
    assert serving.take([idle]) is busy
    assert serving.take([idle, busy]) is None and down.in_flight == 0
    serving.give_back(idle)
    assert idle.in_flight == 1


def test_an_instance_that_leaves_gets_nothing_more_and_is_waited_for() -> None:
    serving = Serving("d")
    leaves = instance(serving, 0, port=1, in_flight=1)
    waiting = threading.Thread(target=serving.drain, args=([leaves], 60))
    waiting.start()
    while not leaves.is_leaving:
        pass
    assert serving.take() is None and waiting.is_alive()
    serving.give_back(leaves)
    waiting.join(10)
    assert not waiting.is_alive()


def test_what_runs_answers_until_the_next_takes_over_and_comes_back_where_that_fails(
    tmp_path: Path,
) -> None:
    processes, ends = Processes(tmp_path), [threading.Event() for _ in range(4)]
    runs = [Serving("/ws/d") for _ in ends]

    def begin(number: int) -> None:
        def live(task: Task) -> None:
            ends[number].wait()

        processes.run(runs[number], live, replaces=True)

    begin(0)
    begin(1)
    begin(2)
    assert runs[2].answering is runs[0]
    ends[1].set()
    assert runs[1].thread is not None
    runs[1].thread.join()
    assert runs[2].answering is runs[0], "the one between has failed"
    ends[2].set()
    assert runs[2].thread is not None
    runs[2].thread.join()
    assert processes.task("/ws/d") is runs[0]
    begin(3)
    runs[3].take_over()
    assert runs[3].answering is runs[3] and runs[0].is_retiring
    for end in ends:
        end.set()
    processes.end("/ws/d")
    assert processes.task("/ws/d") is None


def test_weights_share_the_requests() -> None:
    random.seed(7)
    endpoint = {"properties": {"traffic": {"blue": 90, "green": 10, "red": 0}}}
    found = Counter(_by_weight(endpoint) for _ in range(20_000))
    assert abs(found["green"] - 2000) < 5 * (20_000 * 0.1 * 0.9) ** 0.5 and found["red"] == 0
    assert _by_weight({"properties": {"traffic": {"blue": 0}}}) == ""


@pytest.mark.parametrize(
    ("code", "was_for_memory", "words"),
    [
        (3, False, "exit code 3)."),
        (3, True, "exit code 3)."),
        (137, True, "killed for memory (OOMKilled)"),
        (137, False, "SIGKILL, as is done when memory runs out"),
    ],
)
def test_an_end_for_want_of_memory_is_told_as_such(
    code: int, was_for_memory: bool, words: str
) -> None:
    told = how_it_ended(code, was_for_memory=was_for_memory)
    assert words in told and ("memory" in told) == (code == 137)


def test_a_model_without_code_gets_its_own_packages_and_the_server(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# made by MLflow\nmlflow==3.1\n\npandas\n")
    listed = parse(environment(tmp_path)["condaFile"])
    assert listed.packages == tuple(sorted(["mlflow==3.1", "pandas", SERVER]))
    (tmp_path / "conda.yaml").write_text(
        "channels: [conda-forge]\ndependencies:\n- python=3.11.9\n- pip<=24.0\n"
        "- pip:\n  - mlflow==3.2\nname: mlflow-env\n"
    )
    by_conda = parse(environment(tmp_path)["condaFile"])
    assert by_conda.python == "3.11.9"
    assert by_conda.packages == tuple(sorted(["mlflow==3.2", SERVER]))
    (tmp_path / "conda.yaml").write_text("dependencies: 3")
    with pytest.raises(BuildFailed, match=r"conda\.yaml cannot be read"):
        environment(tmp_path)


def test_a_model_that_names_no_packages_cannot_be_built(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"neither conda\.yaml nor requirements\.txt"):
        environment(tmp_path)
