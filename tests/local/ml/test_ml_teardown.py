"""What goes when the resource group goes: processes, folders and every document."""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from azure.identity import DefaultAzureCredential
from azure_group import API, Group
from ml_stack import make_stack

from core.arm import Arm
from local.process import LocalAzure


def test_a_deleted_group_leaves_no_process_no_folder_and_no_document(
    local_azure: LocalAzure,
    azure_folder: Path,
    tmp_path: Path,
    code: Callable[..., Path],
) -> None:
    credential = DefaultAzureCredential()
    arm = Arm(credential)
    id = f"/subscriptions/{os.environ['AZURE_SUBSCRIPTION_ID']}/resourceGroups/g-goes-away"
    arm.put(id, API, {"location": "eastus2"})
    stack = make_stack(Group(arm, id), azure_folder, credential)
    job = stack.submit(code(x=""), "echo $$; exec sleep 600")
    log = stack.artifacts(job.name) / "user_logs" / "std_log.txt"
    deadline = time.monotonic() + 30
    while not (log.exists() and log.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pid = int(log.read_text().split()[0])
    assert psutil.pid_exists(pid)

    assert arm.delete(id, API)

    assert not psutil.pid_exists(pid)
    assert not list((azure_folder / "nodes").glob(f"{job.name}*"))
    assert not (azure_folder / "blobs" / stack.storage["name"]).exists()
    rows = sqlite3.connect(azure_folder / "state.sqlite")
    found = rows.execute("SELECT id FROM documents WHERE id LIKE ?", (f"{id}%",)).fetchall()
    rows.close()
    assert found == []
