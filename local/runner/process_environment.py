"""The environment variables of what runs: what Azure sets, and the way to this Azure only.

A process gets nothing of the person's own environment but PATH and the language: a node would
not have it either.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.access import Principal
from local.login.tokens import ML_AUDIENCE, mint
from local.ml.runs import begin_job_run
from local.ml.workspace import document_at, region
from local.runner.job_record import read
from local.world import World

TOKEN_SECONDS = 21 * 86400
"""As long as a job may run; Azure renews a shorter token inside the node."""

MALLOC = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}
"""Not Azure's: on small virtual machines they end page-fault storms that slow training tenfold
(2026-11-21, two cores). They change no result."""


def base_environment(world: World, environment: Path) -> dict[str, str]:
    """Give what jobs and deployments share: their packages, and a network of this Azure only."""
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"))
    bundles = dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"))
    return {
        "PATH": f"{environment / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(environment),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "HF_HOME": str(world.folder / "hub-cache"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **dict.fromkeys(proxies, world.proxy_url),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1"),
        **dict.fromkeys(bundles, str(world.ca_bundle)),
        **MALLOC,
    }


def job_environment(
    world: World, id: str, job: dict[str, Any], principal: Principal, environment: Path
) -> dict[str, str]:
    """Give a job's variables: who it is, where it logs to, and what its author set."""
    owner = document_at(world.state, id.rpartition("/jobs/")[0])
    name, parts = id.rpartition("/")[2], owner["id"].split("/")
    host = f"https://{region(owner)}.api.azureml.ms"
    run = begin_job_run(world, owner["id"], read(world, id))
    return {
        **base_environment(world, environment),
        "AZUREML_RUN_ID": name,
        "AZUREML_ROOT_RUN_ID": name,
        "AZUREML_EXPERIMENT_NAME": job["experimentName"],
        "AZUREML_ARM_SUBSCRIPTION": parts[2],
        "AZUREML_ARM_RESOURCEGROUP": parts[4],
        "AZUREML_ARM_WORKSPACE_NAME": owner["name"],
        "MLFLOW_TRACKING_URI": f"{host}/mlflow/v2.0{owner['id']}",
        "MLFLOW_TRACKING_TOKEN": mint(world.folder, principal, ML_AUDIENCE, lifetime=TOKEN_SECONDS),
        "MLFLOW_RUN_ID": name,
        "MLFLOW_EXPERIMENT_ID": run["experiment_id"],
        **{key: str(value) for key, value in (job.get("environmentVariables") or {}).items()},
    }


def rank_environments(job: dict[str, Any]) -> Iterator[tuple[int, dict[str, str], int]]:
    """Give, for each process of a job: its rank, its own variables, and how many there are.

    As Azure does for PyTorch, the command runs once per process and finds the others by these
    variables. All nodes are this machine; its cores are divided between the processes.
    """
    distribution = job.get("distribution")
    nodes = int((job.get("resources") or {}).get("instanceCount") or 1)
    if not distribution:
        yield 0, {}, 1
        return
    each = int(distribution.get("processCountPerInstance") or 1)
    count, port = nodes * each, free_port()
    threads = {} if count == 1 else {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count))}
    for rank in range(count):
        own = {
            "RANK": rank,
            "WORLD_SIZE": count,
            "LOCAL_RANK": rank % each,
            "LOCAL_WORLD_SIZE": each,
            "NODE_RANK": rank // each,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        yield rank, {**threads, **{key: str(value) for key, value in own.items()}}, count


def free_port() -> int:
    """Give a loopback port that nobody listens on at the moment."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
