"""The flow run by the real promptflow, as a child process with packages of its own.

The child works on a copy of the flow, keeps its own affairs in a folder of this program's home,
tells Microsoft nothing and leaves no service behind. The key is in its environment and nowhere
else: not in its arguments, and not in what is said when it fails.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from core.errors import SettingsError, UserError
from deploy.flow.export import FLOW_FILE

VARIABLE = "TUNESTACK_ENDPOINT_KEY"
SECONDS = 300
TAIL_LINES = 15
PASSED = (
    "PATH", "LANG", "LC_ALL", "TMPDIR", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy",
    "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE",
)  # fmt: skip
"""What the child sees of this process's environment: the way to the endpoint, and no credential."""
QUIET = {"telemetry": {"enabled": False}, "trace": {"destination": "none"}}
"""promptflow's settings: without them it reports each run, and starts a service for traces."""


def run_flow(flow: Path, packages: Path, home: Path, secret: SecretStr, question: str = "") -> Any:
    """Run an exported flow on a question (empty: the flow's own) and give its answer.

    `packages` is the environment that has promptflow, `home` where promptflow may keep things.

    Raises:
        SettingsError: there is no flow in the folder.
        UserError: the flow failed; the end of what it said.
    """
    if not (flow / FLOW_FILE).is_file():
        raise SettingsError(f"There is no {FLOW_FILE} in {flow}.", hint="tunestack flow export")
    _write_settings(home)
    with tempfile.TemporaryDirectory() as work:
        copy, inputs = Path(work, "flow"), Path(work, "inputs.jsonl")
        shutil.copytree(flow, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        inputs.write_text(json.dumps({"input_data": question} if question else {}))
        argv = [str(packages / "bin" / "pf"), "flow", "test", "--flow", str(copy)]
        if question:
            argv += ["--input", str(inputs)]
        _run(argv, _environment(packages, home, secret), Path(work), secret)
        return _output(copy)


def promptflow_version(packages: Path) -> str:
    """Give the version of promptflow in an environment; empty where it is not told."""
    found = sorted(packages.glob("lib/python3.*/site-packages/promptflow-[0-9]*.dist-info"))
    return found[0].name.removeprefix("promptflow-").removesuffix(".dist-info") if found else ""


def _write_settings(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    # YAML reads JSON.
    (home / "pf.yaml").write_text(json.dumps(QUIET), encoding="utf-8")


def _environment(packages: Path, home: Path, secret: SecretStr) -> Mapping[str, str]:
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    return {
        **passed,
        "PATH": f"{packages / 'bin'}{os.pathsep}{passed.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(packages),
        "HOME": str(home),
        "PF_HOME_DIRECTORY": str(home),
        VARIABLE: secret.get_secret_value(),
    }


def _run(argv: list[str], environment: Mapping[str, str], work: Path, secret: SecretStr) -> None:
    try:
        done = subprocess.run(
            argv, env=dict(environment), cwd=work, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise UserError(f"The flow did not end in {SECONDS} s.") from error
    if done.returncode:
        said = done.stdout.replace(secret.get_secret_value(), "***").strip()
        tail = "\n".join(said.splitlines()[-TAIL_LINES:])
        raise UserError(f"promptflow could not run the flow:\n{tail}")


def _output(copy: Path) -> Any:
    try:
        outputs = json.loads((copy / ".promptflow" / "flow.output.json").read_text("utf-8"))
        return outputs["answer"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError("The flow has no output `answer`.") from error
