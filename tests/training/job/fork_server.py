"""Run jobs one after another, each in a fork of a process that has imported torch once.

    python fork_server.py        reads a JSON order a line, answers with a JSON line each

An order says the job's arguments, the file for its log, and when it kills itself: at the n-th
thing it does to the files under its checkpoints, as Python's audit events see them, or half-way
through the n-th file of weights or states, which C++ and Rust write without telling Python.
"""

import ctypes
import io
import json
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from job_runs import JOB  # noqa: F401  (puts the job's folder on the path)

CHANGES = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "os.fsync")

NEW_USERS, NEW_MOUNTS = 0x10000000, 0x00020000
NO_DISK = 98
"""The code of a fork that may not mount anything."""


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_change(number: int, folder: str, count_file: Path) -> None:
    """Die right before the n-th change below `folder`; how many there were is written down."""
    seen = 0

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal seen
        if event not in CHANGES or not given or not str(given[0]).startswith(folder):
            return
        if event == "open" and not _is_written(given):
            return
        seen += 1
        os.pwrite(count, f"{seen:6d}".encode(), 0)
        if seen == number:
            kill_itself()

    count = os.open(count_file, os.O_RDWR | os.O_CREAT)
    sys.addaudithook(hook)


def _is_written(given: tuple[Any, ...]) -> bool:
    return bool(given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def kill_half_way(kind: str, number: int, folder: str) -> None:
    """Die when half of the n-th such file under `folder` is written."""
    import safetensors.torch
    import torch
    from transformers import modeling_utils

    seen = 0

    def at(path: str, content: bytes) -> None:
        nonlocal seen
        if not str(path).startswith(folder):
            return
        seen += 1
        if seen == number:
            Path(path).write_bytes(content[: len(content) // 2])
            kill_itself()

    def save(value: object, path: str, *rest: Any, **named: Any) -> None:
        content = io.BytesIO()
        whole_save(value, content, *rest, **named)
        at(path, content.getvalue())
        whole_save(value, path, *rest, **named)

    def save_weights(tensors: Any, path: str, *rest: Any, **named: Any) -> None:
        at(path, safetensors.torch.save(dict(tensors)))
        whole_weights(tensors, path, *rest, **named)

    if kind == "states":
        whole_save, torch.save = torch.save, save
    else:
        import peft.peft_model

        whole_weights = safetensors.torch.save_file
        modeling_utils.safe_save_file = save_weights
        peft.peft_model.safe_save_file = save_weights


def do(order: dict[str, Any]) -> int:
    """Run one job as the fork that this is."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    folder = order["folder"]
    if "change" in order:
        kill_at_change(order["change"], folder, Path(order["count"]))
    if "half" in order:
        kill_half_way(*order["half"], folder)
    if "small_disk" in order:
        mount_small_disk(*order["small_disk"])
    import train as program

    try:
        return program.main(order["arguments"])
    except BaseException:  # noqa: BLE001  (the fork ends here)
        traceback.print_exc()
        return 99
    finally:
        if "small_disk" in order:  # it goes when this process does
            shutil.copytree(order["small_disk"][0], order["rescued"])


def mount_small_disk(folder: str, size: int) -> None:
    """Put a real file system of `size` bytes there, seen by this process alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(NEW_USERS | NEW_MOUNTS):
        os._exit(NO_DISK)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    Path(folder).mkdir(parents=True, exist_ok=True)
    if libc.mount(b"small", folder.encode(), b"tmpfs", 0, f"size={size}".encode()):
        os._exit(NO_DISK)


def serve() -> None:
    """Answer orders until there are no more."""
    import datasets  # noqa: F401
    import learning  # noqa: F401
    import peft  # noqa: F401
    import torch

    torch.set_num_threads(1)  # a fork has no threads of its parent's pool
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(do(json.loads(line)))
        answers.write(json.dumps({"pid": child}) + "\n")
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        answers.write(json.dumps({"status": status}) + "\n")


if __name__ == "__main__":
    serve()
