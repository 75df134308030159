"""Command lines, durations and conda files: what is read out of a job's texts."""

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from local.runner.command import fill, findings
from local.runner.durations import seconds
from local.runner.environments import BuildFailed, parse

words = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), max_size=20)


@settings(max_examples=60, deadline=None)
@given(words)
@example("a b'c\"d$(touch /nothing)`e`\\")
def test_a_value_stays_one_word_in_a_shell_whatever_it_is(value: str) -> None:
    around = ("{}", "'{}'", '"{}"', "'a '{}", "--x='{}'\\''b'")
    line = " ".join(each.format("${{inputs.x}}") for each in around)
    line = fill(f"printf '%s\\0' {line}", {"x": value}, {})
    shown = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout.decode()
    expected = [value, value, value, f"a {value}", f"--x={value}'b"]
    assert shown.split("\0")[:-1] == expected


@pytest.mark.parametrize(
    ("given", "filled"),
    [({"a": "1"}, "run 1 "), ({"a": "1", "b": "2"}, "run 1 --b 2")],
)
def test_an_optional_part_goes_with_its_input(given: dict[str, str], filled: str) -> None:
    line = "run ${{inputs.a}} $[[--b ${{inputs.b}}]]"
    assert fill(line, given, {}) == filled
    assert findings(line, given, {}) == []


def test_a_place_that_names_nothing_is_found() -> None:
    found = findings("x ${{inputs.a}} ${{outputs.b}}", {}, {"a": 1})
    assert [text.split(",")[0] for text in found] == [
        "The command names inputs.a",
        "The command names outputs.b",
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [("PT5S", 5), ("PT0.5S", 0.5), ("PT1H30M", 5400), ("P1DT2H", 93600), ("P21D", 1814400)],
)
def test_a_duration_is_so_many_seconds(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "P", "PT", "5", "5S", "PT5X"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(text)


def test_a_conda_file_gives_python_and_the_pip_list() -> None:
    read = parse(
        "dependencies: ['python=3.11', pip, {pip: ['b==2', 'a==1 ; python_version>\"3\"']}]"
    )
    assert (read.python, read.packages) == ("3.11", ('a==1 ; python_version>"3"', "b==2"))
    same = parse("dependencies: [{pip: ['a==1 ; python_version>\"3\"', 'b==2']}]")
    assert same.digest == read.digest, "the order of the list makes no other environment"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dependencies: ['python=3.11', 'gcc=12', numpy]", "gcc=12, numpy"),
        ("name: x", "no list of dependencies"),
        ("[", "no list of dependencies"),
    ],
)
def test_what_cannot_be_built_is_named(text: str, message: str) -> None:
    with pytest.raises(BuildFailed, match=message):
        parse(text)
