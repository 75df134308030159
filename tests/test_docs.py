"""What the documents say can be done, can be done: commands parse, links lead somewhere."""

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from cli import COMMANDS, help_text
from commands.root import command_line
from evaluation.gates.gate import parse_gate
from evaluation.suites.suite import parse_suite

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    page for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if page.is_file()
)
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
COMMAND = re.compile(r"^\s*(?:\$ )?(?:\.venv/bin/)?tunestack ([a-z].*?)\s*(?:#.*)?$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)")


def blocks(page: Path) -> str:
    """The text between fences."""
    return "\n".join(page.read_text().split("```")[1::2])


def parse(command: click.Command, words: list[str], name: str) -> None:
    """Hold a command line to what the command takes, without running it."""
    context = command.make_context(name, list(words), resilient_parsing=False)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        _, inner, rest = command.resolve_command(context, rest)
        assert inner is not None
        parse(inner, rest, inner.name or "")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_in_the_documents_parses(page: Path) -> None:
    for line in COMMAND.findall(blocks(page)):
        if "…" not in line:
            parse(command_line(COMMANDS, help_text()), shlex.split(line), "tunestack")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_suites_and_gates_in_the_documents_are_valid(page: Path) -> None:
    for block in page.read_text().split("```yaml\n")[1:]:
        text = block.partition("```")[0]
        if "require:" in text:
            parse_gate(text, page.name)
        elif "rules:" in text:
            parse_suite(text, page.name)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_to_files_of_the_project(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_files_that_the_architecture_names_exist() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    for name in re.findall(
        r"(?:tests|docs|core|infra|training|deploy|local|commands)/[\w./-]+", page
    ):
        assert (ROOT / name.rstrip(".")).exists(), name


def test_nothing_that_is_committed_names_a_registry_or_this_machine() -> None:
    named = re.compile(
        rb"--(?:extra-)?index-url|--find-links|https?://[\w.-]*pypi|/work/" + rb"main"
    )
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and path != Path(__file__):
            assert not named.search(path.read_bytes()), name
