"""The one way in which the job ends badly: a reason that a person can act on, on one line."""

import errno
import logging

log = logging.getLogger("job")


class JobError(Exception):
    """The job cannot go on; the message is the reason, in the user's words."""


_DISK_FULL_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DISK_FULL_TEXTS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "PytorchStreamWriter failed writing",
    "inline_container.cc",  # `unexpected pos …`: torch wrote less than it meant to
)


def explain(error: BaseException) -> str:
    """Give the reason for an error on one line, in the user's words where they are known."""
    text = " ".join(str(error).split())
    if isinstance(error, JobError):
        return text
    if is_disk_full(error):
        return f"no space is left on the node's disk: {text}"
    if type(error).__name__ in ("OutOfMemoryError", "AcceleratorError") and "memory" in text:
        return (
            "the GPU's memory is not enough: lower training.batch_size or training.max_length,"
            f" or raise training.accumulation: {text[:300]}"
        )
    return f"{type(error).__name__}: {text[:1000]}"


def is_disk_full(error: BaseException) -> bool:
    """Tell whether a full disk is behind an error; torch and safetensors hide it in a text."""
    if isinstance(error, OSError) and error.errno in _DISK_FULL_CODES:
        return True
    return any(text in str(error) for text in _DISK_FULL_TEXTS)
