"""What a job of the same kind really did, to put an estimate right."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """A job's own figures."""

    job: str
    vm_size: str
    tokens_per_second: float
    """Of training alone, without evaluations, over all processes of the job."""
    peak_memory: int | None = None
    """Bytes of the fullest processor; None where the job did not say."""
    tokens: int = 0
    """Tokens that it trained on: few mean a rough figure."""
    seconds_around: float | None = None
    """Seconds of the job outside the training: imports, loading, samples, saving."""
