"""Compares what the program sends with Azure's published types, where their folder is there.

`PYTHONPATH=. python tests/infra/fidelity.py` writes docs/fidelity.md with the figures and the date.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from recorded_arm import FakeCloud, engine, ignore

from infra.arm import Request
from infra.arm_types import BY_ARM_TYPE

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "fidelity.md"
VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"compute": "cpu"},
    {"maxNodes": 4, "idleSeconds": 5400, "purgeProtection": True},
    {"personType": "ServicePrincipal", "generation": 7, "tags": ["team=nlp", "cost=42"]},
    {"lowPriority": True, "clusters": "Standard_NC40ads_H100_v5*2:lowPriority,Standard_E4s_v3"},
    {"hardened": True, "allowedIps": "203.0.113.7"},
    {"privateNetwork": True},
    {"privateNetwork": True, "hardened": True, "allowedIps": "203.0.113.7,198.51.100.0/31"},
    {"budget": 250, "alertEmails": ["nlp@example.com", "cfo@example.com"]},
    {"monitoring": True},
    {"monitoring": True, "alertEmails": ["nlp@example.com"], "compute": "cpu"},
    {"github": "octo-org/travel", "person": "0a1b2c3d-0000-4000-8000-0000000000ff"},
    {"hub": True},
    {"foundry": True},
    {"hub": True, "foundry": True, "generation": 3, "tags": ["team=nlp"]},
)


def shared_azure() -> Path | None:
    """Find the folder of published types: TUNESTACK_SHARED/azure, or ../shared/azure."""
    folder = Path(os.environ.get("TUNESTACK_SHARED") or ROOT.parent / "shared") / "azure"
    return folder if (folder / "check_arm.py").is_file() else None


def sent(variants: tuple[dict[str, Any], ...] = VARIANTS) -> list[Request]:
    """Run `up` in every variant of the settings; give each request that it sent."""
    found = []
    for chosen in variants:
        is_person = chosen.get("personType", "User") == "User"
        cloud = FakeCloud(is_person=is_person)
        with tempfile.TemporaryDirectory() as home, environment(TUNESTACK_HOME=home):
            engine(cloud, **chosen).up(ignore)
        found += [request_of(path, body) for path, body in cloud.arm.bodies.items()]
    return found


def request_of(path: str, body: dict[str, Any]) -> Request:
    """Find the type of a request that was sent."""
    if "/providers/" not in path:
        return Request(BY_ARM_TYPE["microsoft.resources/resourcegroups"], path, body)
    parts = path.rsplit("/providers/", 1)[1].split("/")
    return Request(BY_ARM_TYPE["/".join([parts[0], *parts[1::2]]).lower()], path, body)


@contextmanager
def environment(**chosen: str) -> Iterator[None]:
    """Set environment variables for a while."""
    before = dict(os.environ)
    os.environ.update(chosen)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def as_templates(requests: list[Request]) -> list[dict[str, Any]]:
    """Write requests as check_arm.py takes them."""
    rows = []
    for request in requests:
        row = {
            "type": request.kind.arm_type,
            "apiVersion": request.kind.api_version,
            "name": request.name,
            "body": request.body,
        }
        if request.kind.title == "grant":
            row["scope"] = request.path.partition("/providers/Microsoft.Authorization")[0]
        rows.append(row)
    return rows


def findings(folder: Path, rows: list[dict[str, Any]], scratch: Path) -> list[Any]:
    """Run check_arm.py --strict over them."""
    file = scratch / "bodies.json"
    file.write_text(json.dumps(rows))
    script = str(folder / "check_arm.py")
    done = subprocess.run(
        [sys.executable, script, str(file), "--strict", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return list(json.loads(done.stdout))


def load(file: Path) -> ModuleType:
    """Import a script by its path."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def figures(rows: list[dict[str, Any]], found: list[Any]) -> str:
    """Say in one line how much was compared and what was found."""
    kinds = {row["type"] for row in rows}
    variants = len(VARIANTS)
    return (
        f"{len(rows)} bodies of {len(kinds)} resource types, from {variants} variants of the"
        f" settings: {len(found)} findings."
    )


def main() -> None:
    """Write docs/fidelity.md."""
    folder = shared_azure()
    if folder is None:
        raise SystemExit("Azure's published types are not here.")
    with tempfile.TemporaryDirectory() as scratch:
        rows = as_templates(sent())
        found = findings(folder, rows, Path(scratch))
    day = datetime.now(UTC).date().isoformat()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(
        "# How faithful the requests are\n\n"
        "Every body that the Pulumi program makes is compared with Azure's published types, at the"
        " API versions that\n`pulumi_azure_native` sends (`check_arm.py --strict`: unknown and"
        " missing properties, enums, types, name rules).\nNothing here was ever sent to Azure:"
        " a body without findings may still be refused for quota, policy or region.\n\n"
        f"- {figures(rows, found)}\n"
        f"- Measured {day}. `PYTHONPATH=. python tests/infra/fidelity.py` measures again; a test"
        " compares the figures wherever\n  the types are there.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
