"""The real engine with the policy pack: a preview passes, and a broken promise stops it by name.

The tests of this file run in order on one stack.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_rig import ROOT, Project

STACK = "held"
PREVIEW = ("preview", "-s", STACK, "--policy-pack", "policy")


@pytest.fixture(scope="module", autouse=True)
def stack(project: Project) -> None:
    project.add_policy_pack()
    project.init(STACK)


@pytest.fixture
def own_program(project: Project) -> Iterator[Path]:
    """The program as a copy that may be changed; afterwards it is the checkout's again."""
    link = project.folder / "infra"
    link.unlink()
    link.mkdir()
    for path in (ROOT / "infra").rglob("*.py"):
        copy = link / path.relative_to(ROOT / "infra")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    yield link
    for path in sorted(link.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    link.rmdir()
    link.symlink_to(ROOT / "infra")


def change(program: Path, module: str, before: str, after: str) -> None:
    file = program / module
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, after))


def policies(project: Project) -> str:
    """What the engine tells of the policies: all of its output, on one line."""
    return re.sub(r"\s+", " ", project.last.stdout + project.last.stderr)


def test_a_preview_of_the_unmodified_program_passes(project: Project) -> None:
    project.pulumi(*PREVIEW)
    told = policies(project)
    assert "tunestack@" in told and "[mandatory]" not in told
    unknown = re.findall("can't run policy '([^']+)'", told)
    assert set(unknown) == {"grant-within-a-group"}, "every other rule holds before `up`"


def test_a_program_with_shared_keys_and_a_standing_node_is_stopped_with_both_names(
    project: Project, own_program: Path
) -> None:
    change(
        own_program, "stores.py", "allow_shared_key_access=False", "allow_shared_key_access=True"
    )
    change(own_program, "compute.py", "min_node_count=0", "min_node_count=1")
    project.pulumi(*PREVIEW, fails=True)
    told = policies(project)
    assert "[mandatory]" in told
    assert "storage-no-shared-keys" in told and "A key opens everything" in told
    assert "cluster-no-standing-nodes" in told and "is 1.0, not 0" in told


def test_a_mere_warning_stops_nothing(project: Project, own_program: Path) -> None:
    change(own_program, "stores.py", "daily_quota_gb=DAILY_LOG_GB", "daily_quota_gb=-1")
    project.pulumi(*PREVIEW)
    assert "[advisory]" in policies(project) and "logs-have-a-daily-cap" in policies(project)


def test_up_is_stopped_before_the_resource_that_breaks_a_promise(
    project: Project, own_program: Path
) -> None:
    change(own_program, "stores.py", "admin_user_enabled=False", "admin_user_enabled=True")
    up = ("up", "--yes", "--skip-preview", "-s", STACK, "--policy-pack", "policy")
    project.pulumi(*up, fails=True)
    assert "registry-no-admin" in policies(project)
    made = {row["type"] for row in project.resources(STACK)}
    assert "azure-native:containerregistry:Registry" not in made


def test_with_the_pack_the_stack_is_made_and_its_grants_are_seen_whole(project: Project) -> None:
    project.pulumi("up", "--yes", "--skip-preview", "-s", STACK, "--policy-pack", "policy")
    project.pulumi(*PREVIEW)
    assert "can't be known" not in policies(project)
    project.pulumi("destroy", "--yes", "--skip-preview", "--run-program", "-s", STACK)
