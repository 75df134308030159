"""The house rules that imports can show. ARCHITECTURE.md names this file beside each of them."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOUR = ("infra", "training", "deploy", "evaluation")
MAY_IMPORT = {
    "core": {"core"},
    "infra": {"core", "infra"},
    "training": {"core", "training"},
    "deploy": {"core", "deploy"},
    "evaluation": {"core", "evaluation"},
    "local": {"core", "local"},
    "commands": {"core", "commands", "local", *FOUR},
}
OURS = {"cli", *MAY_IMPORT}
ON_THE_NODE = (
    "training/job/",
    "training/export/",
    "deploy/serving/",
    "deploy/vllm/",
    "deploy/flow/template/",
    "local/runner/node.py",
    "local/runner/serve.py",
    "local/tuning/servable.py",
)
HEAVY = {"pulumi", "pulumi_azure_native", "azure", "torch", "transformers", "mlflow", "datasets"}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def is_on_the_node(path: Path) -> bool:
    return str(path.relative_to(ROOT)).startswith(ON_THE_NODE)


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module.split(".")[0]]
    return []


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Names of the top-level packages that a file imports; `if TYPE_CHECKING:` does not count."""
    tree = ast.parse(path.read_text())
    if top_level_only:
        return {name for node in tree.body for name in imported(node)}
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    return {name for node in ast.walk(tree) if node not in guarded for name in imported(node)}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_go_down_only(folder: str) -> None:
    for path in sources(folder):
        wrong = (imports(path) & OURS) - MAY_IMPORT[folder]
        assert not is_on_the_node(path) or not imports(path) & OURS
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_what_runs_on_a_node_imports_nothing_of_ours() -> None:
    for path in filter(is_on_the_node, sources("training", "deploy", "local")):
        assert not imports(path) & OURS, path


@pytest.mark.parametrize("module", ["template_fingerprint", "overfit"])
def test_what_of_core_is_copied_to_a_node_is_standard_library_only(module: str) -> None:
    assert imports(ROOT / f"core/{module}.py") <= set(sys.stdlib_module_names)


def test_only_infra_imports_pulumi() -> None:
    for path in sources("core", "commands", "training", "deploy", "evaluation", "local"):
        assert not imports(path) & {"pulumi", "pulumi_azure_native"}, path


def test_the_policy_pack_imports_nothing_of_ours_and_its_rules_nothing_of_pulumis() -> None:
    """So that it can hold a changed program to the promises, in an environment of its own."""
    for path in sources("policy"):
        assert not imports(path) & OURS, path
    for path in sources("policy/promises"):
        assert imports(path) <= set(sys.stdlib_module_names), path


@pytest.mark.parametrize("folder", ["core", "commands", "training", "deploy", "evaluation"])
def test_heavy_packages_are_imported_inside_the_call_that_needs_them(folder: str) -> None:
    for path in sources(folder):
        if not is_on_the_node(path):
            assert not imports(path, top_level_only=True) & HEAVY, path


def test_nobody_but_the_entry_exits_or_prints() -> None:
    programs = {"cli.py", "local/server.py", "local/coverage.py", "infra/picture.py"}
    for path in sources(*MAY_IMPORT):
        name = str(path.relative_to(ROOT))
        if name in programs or is_on_the_node(path):
            continue
        nodes = ast.walk(ast.parse(path.read_text()))
        names = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        assert not names & {"print", "sys.exit", "exit", "quit"}, name


def test_no_drawer_for_leftovers() -> None:
    leftovers = {"utils", "helpers", "common", "manager", "misc"}
    for path in sources(*MAY_IMPORT, "tests"):
        assert not leftovers & set(path.relative_to(ROOT).with_suffix("").parts), path


def test_modules_stay_readable() -> None:
    for path in sources(*MAY_IMPORT):
        lines = len(path.read_text().splitlines())
        assert lines <= 330, f"{path.relative_to(ROOT)} has {lines} lines: split it by subject"
