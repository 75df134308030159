"""Rules about what torch, transformers and Python print when they give up."""

from training.explain.evidence import Confidence, rule
from training.explain.program import LESS_MEMORY

LIBRARIES = (
    rule(
        "oom-gpu",
        r"CUDA out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED",
        "the training does not fit into the memory of the GPU",
        LESS_MEMORY,
    ),
    rule(
        "oom-cpu",
        r"DefaultCPUAllocator: (can't allocate|not enough) memory|^MemoryError|"
        r"Cannot allocate memory",
        "the training does not fit into the memory of the node",
        LESS_MEMORY,
    ),
    # lllyasviel/Fooocus#1313 among many; the number is CUDA's: 11040 is 11.4.
    rule(
        "driver-too-old",
        r"NVIDIA driver on your system is too old \(found version (?P<version>\d+)\)",
        "the node's NVIDIA driver (CUDA {version}) is too old for this torch",
        "Take a torch built for an older CUDA in training/job/requirements-gpu.in, or a newer"
        " image in training/job/environment.json.",
    ),
    rule(
        "gpu-not-supported",
        r"no kernel image is available for execution on the device",
        "this torch was not built for the node's GPU",
        "Take a newer VM size, or a torch that was built for this GPU.",
    ),
    rule(
        "processes-apart",
        r"NCCL error|ncclSystemError|Watchdog caught collective operation timeout|"
        r"ProcessGroup\w+ .*timed out",
        "the processes of the job lost each other",
        "Look at the logs of the other processes for the first one that failed; try again.",
        Confidence.LIKELY,
    ),
    rule(
        "tracking",
        r"MlflowException|RestException|MLflow refused",
        "the tracking service refused or could not be reached",
        "Look for the refusal's words in the log: a missing role, or Azure was out of order.",
        Confidence.LIKELY,
    ),
    rule(
        "import-error",
        r"(ModuleNotFoundError: No module named '(?P<module>[^']+)'|"
        r"ImportError: (?P<what>.+))",
        "the job's environment lacks something that the program imports: {module}{what}",
        "Add it to training/job/requirements.in, compile the list anew as its first lines say, and"
        " submit again.",
    ),
    rule(
        "library-versions",
        r"TypeError: (?P<call>\S+) got an unexpected keyword argument '(?P<name>[^']+)'",
        "the installed libraries do not fit the program: {call} takes no {name}",
        "Use the versions of training/job/requirements.txt as they are pinned.",
        Confidence.LIKELY,
    ),
    rule(
        "shapes",
        r"size mismatch for|mat1 and mat2 shapes cannot be multiplied|"
        r"The size of tensor a .* must match",
        "weights and model do not have the same shapes",
        "Start from a base model and checkpoints of the same recipe; a new job has new ones.",
        Confidence.LIKELY,
    ),
)
