"""Why a job failed: each rule on a text that was really printed, and none on what says nothing.

Where a text is not this project's own its source stands beside it. What Azure ML writes of a
killed, a too long and a disk-full job was not found published: those rules are tested on the
local Azure's words and on Linux's exit codes alone.
"""

import re

import pytest

from training.explain import RULES, Confidence, Evidence, explain


def on(error: str = "", *log: str, status: str = "Failed") -> tuple[str, str]:
    found = explain(Evidence(status, error, log))
    return found.rule, found.cause


PROGRAM_FAILED = (
    "UserError: The job's program failed: it ended with exit code 1. The last lines:\n{}"
)

# (rule, part of the cause, Azure's error, log lines)
CASES = [
    # MicrosoftLearning/mslearn-dp100 issue 35
    (
        "quota",
        "needs 4 cores of Standard DSv2 family, the subscription has 2",
        "Job submission to AzureML Compute encountered an Exception with status code"
        " JobNodeCountExceedsCoreQuota, The specified subscription has a Standard DSv2 family vCPU"
        " quota of 2 and is less than the requested job node count of 2 which maps to 4 vCPUs.",
        (),
    ),
    # ansible-collections/azure pull request 2209
    (
        "quota",
        "needs 8 cores of Standard DSv2 family, the subscription has 6",
        "ClusterMinNodesExceedCoreQuota: The specified subscription has a Standard DSv2 family"
        " vCPU quota of 6 and cannot accomodate for at least 1 requested managed compute nodes"
        " which maps to 8 vCPUs.",
        (),
    ),
    # Azure/mlops-v2 issue 81
    (
        "quota",
        "needs 2 cores of total, the subscription has 0",
        "BadRequest: The specified subscription has a total vCPU quota of 0 and cannot accomodate"
        " for at least 1 requested managed compute node which maps to 2 vCPUs.",
        (),
    ),
    # scylladb/scylla-cluster-tests issue 4994
    (
        "quota",
        "not enough free cores LowPriorityCores",
        "OperationNotAllowed: Operation could not be completed as it results in exceeding approved"
        " LowPriorityCores quota. Additional details - Deployment Model: Resource Manager,"
        " Location: eastus, Current Limit: 100, Current Usage: 100, Additional Required: 8",
        (),
    ),
    # Azure/MachineLearningNotebooks issue 1242
    (
        "preempted",
        "low-priority node",
        "UserError: AzureMLCompute job failed. PreemptionError: Nodes of this job got pre-empted."
        " Check if the run has failed or restarted. Reason: Received pre-emption warning signal",
        (),
    ),
    # Azure/MachineLearningNotebooks issue 1733
    (
        "role-registry",
        "AcrPull",
        "AzureMLCompute job failed. FailedPullingImage: Unable to pull docker image error: Run"
        " docker command to pull public image failed with error: Error response from daemon: Head"
        ' "https://x.azurecr.io/v2/custom/manifests/v1": unauthorized: authentication required',
        (),
    ),
    # MicrosoftDocs/azure-docs issue 100163
    (
        "role-data",
        "Storage Blob Data Contributor",
        "Error Code: ScriptExecution.StreamAccess.Authentication Failed Step: Error Message:"
        " ScriptExecutionException was caused by StreamAccessException.",
        (),
    ),
    # Azure/azureml-examples issue 2994
    (
        "role-data",
        "Storage Blob Data Contributor",
        "Error Code: ScriptExecution.WriteStreams.Authentication Native Error: An error occur when"
        " streaming data to output target.",
        (),
    ),
    # Azure/azure-dev pull request 7927
    (
        "identity-missing",
        "not assigned to the cluster",
        "CredentialUnavailableError: ManagedIdentityCredential authentication unavailable. The"
        " requested identity has not been assigned to this resource.",
        (),
    ),
    # Azure/azure-sdk-for-python issue 28207
    (
        "role-action",
        "Microsoft.MachineLearningServices/workspaces/datastores/read",
        "AuthorizationFailed: The client 'a' with object id 'a' does not have authorization to"
        " perform action 'Microsoft.MachineLearningServices/workspaces/datastores/read' over scope"
        " '/subscriptions/s' or the scope is invalid.",
        (),
    ),
    # Azure-Samples/mlops-enterprise-template issue 4
    (
        "image-build",
        "could not be built",
        "UserError: Image build failed. For more details, check log file"
        " azureml-logs/20_image_build_log.txt",
        ("something that nobody knows",),
    ),
    (
        "image-pip-conflict",
        "exclude one another",
        "ImageBuildFailure: `uv pip install …` ended with 1. The build's log is"
        " azureml-logs/20_image_build_log.txt.",
        (
            "  × No solution found when resolving dependencies:",
            "  ╰─▶ Because only click<=8.4 is available and you require click>=99, we can conclude",
        ),
    ),
    (
        "image-pip-conflict",
        "exclude one another",
        "Image build failed.",
        (
            "ERROR: Cannot install a==1 and b==2 because these package versions have conflicting"
            " dependencies.",
            "ERROR: ResolutionImpossible: for help visit pip's pages",
        ),
    ),
    (
        "image-package-missing",
        "torhc==2.15",
        "Image build failed.",
        (
            "ERROR: Could not find a version that satisfies the requirement torhc==2.15 (from"
            " versions: none)",
        ),
    ),
    # kubeflow/examples issue 654, Azure/acr issue 742
    (
        "image-tag-gone",
        "mcr.microsoft.com/azureml/openmpi4.1.0:old",
        "Image build failed.",
        (
            "Error response from daemon: manifest for mcr.microsoft.com/azureml/openmpi4.1.0:old"
            " not found: manifest unknown: manifest unknown",
        ),
    ),
    # huggingface/transformers issue 31367, wrapped as base_model.py does
    (
        "hub-gated",
        "gated",
        "",
        (
            "error: org/m at main cannot be loaded: You are trying to access a gated repo. Make"
            " sure to have access to it at https://huggingface.co/org/m. 403 Client Error.",
        ),
    ),
    (
        "hub-not-found",
        "no org/m at the revision r1",
        "",
        (
            "error: org/m at r1 cannot be loaded: org/m is not a local folder and is not a valid"
            " model identifier listed on 'https://huggingface.co/models'",
        ),
    ),
    (
        "hub-unreachable",
        "cannot reach huggingface.co",
        "",
        (
            "error: org/m at r1 cannot be loaded: We couldn't connect to 'https://huggingface.co'"
            " to load the files, and couldn't find them in the cached files.",
        ),
    ),
    # lllyasviel/Fooocus issue 1313
    (
        "driver-too-old",
        "CUDA 11040",
        PROGRAM_FAILED.format("x"),
        (
            "RuntimeError: The NVIDIA driver on your system is too old (found version 11040)."
            " Please update your GPU driver by downloading and installing a new version",
        ),
    ),
    # torch's own texts
    (
        "oom-gpu",
        "memory of the GPU",
        PROGRAM_FAILED.format("x"),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a"
            " total capacity of 79.10 GiB of which 1.25 GiB is free.",
        ),
    ),
    (
        "oom-cpu",
        "memory of the node",
        "",
        (
            "RuntimeError: [enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't"
            " allocate memory: you tried to allocate 400000000000 bytes. Error code 12",
        ),
    ),
    ("oom-cpu", "killed from outside", "UserError: it ended with exit code 137.", ("metrics",)),
    ("oom-cpu", "killed from outside", "", ("step 3", "Killed")),
    (
        "gpu-not-supported",
        "not built for the node's GPU",
        "",
        ("CUDA error: no kernel image is available for execution on the device",),
    ),
    (
        "import-error",
        "needs.a.module",
        "",
        ("Traceback", "ModuleNotFoundError: No module named 'needs.a.module'"),
    ),
    (
        "import-error",
        "cannot import name 'SFTTrainer'",
        "",
        ("ImportError: cannot import name 'SFTTrainer' from 'trl' (unknown location)",),
    ),
    (
        "library-versions",
        "SFTConfig.__init__() takes no max_seq_length",
        "",
        ("TypeError: SFTConfig.__init__() got an unexpected keyword argument 'max_seq_length'",),
    ),
    (
        "shapes",
        "same shapes",
        "",
        ("RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x8 and 16x2)",),
    ),
    ("crashed", "machine code", "UserError: it ended with exit code 139.", ()),
    ("compute-gone", "cluster was deleted", "ComputeNotFound: The compute was deleted while", ()),
    (
        "timeout",
        "longer than it was allowed",
        "JobTimeout: The job ran longer than its limit of 3 s and was ended.",
        (),
    ),
]


@pytest.mark.parametrize(("rule", "part", "error", "log"), CASES)
def test_a_failure_is_explained_by_its_rule(
    rule: str, part: str, error: str, log: tuple[str, ...]
) -> None:
    found, cause = on(error, *log)
    assert found == rule
    assert part in cause and "\n" not in cause


@pytest.mark.parametrize(
    ("error", "log"),
    [
        ("", ()),
        ("UserError: something", ("Traceback", "KeyError: 'x'")),
        (PROGRAM_FAILED.format("KeyError: 'x'"), ("KeyError: 'x'",)),
        ("", ("the quota of patience", "memory lane", "preempted my thoughts")),
    ],
)
def test_what_no_rule_knows_is_called_unknown(error: str, log: tuple[str, ...]) -> None:
    found = explain(Evidence("Failed", error, log))
    assert not found.is_known and found.confidence is Confidence.NONE
    assert "No rule of tunestack knows" in found.lines()[0]


def test_the_programs_last_word_outweighs_what_its_log_said_before() -> None:
    rule, cause = on(
        PROGRAM_FAILED.format("x"),
        "memory is not enough: going on with batches of 2 x 4: CUDA out of memory",
        "error: the loss is nan at step 12: lower training.learning_rate",
    )
    assert rule == "loss-broken" and "step 12" in cause


def test_a_log_that_an_error_quotes_is_not_azures_word() -> None:
    quoted = PROGRAM_FAILED.format("ServiceError and PreemptionError were printed by the program")
    assert on(quoted, "ValueError: odd")[0] == "unknown"


def test_a_job_that_somebody_stopped_is_said_to_be_stopped() -> None:
    assert on(status="Canceled")[0] == "canceled"


def test_a_guess_says_that_it_is_one() -> None:
    assert "probably" in explain(Evidence("Failed", "ended with exit code 137", ())).lines()[0]
    sure = explain(Evidence("Failed", "", ("error: the loss is nan at step 1: x",)))
    assert "probably" not in sure.lines()[0]


def test_the_evidence_is_the_lines_that_speak_for_the_rule() -> None:
    line = "error: the loss is nan at step 1: lower it"
    assert explain(Evidence("Failed", "", ("a", line, "b"))).evidence == (line,)


def test_every_rule_has_a_fix_and_names_only_groups_that_it_has() -> None:
    for rule in RULES:
        groups = dict.fromkeys(rule.pattern.groupindex, "it")
        assert rule.cause.format_map(groups) and rule.fix.format_map(groups).endswith((".", ")"))
        assert re.fullmatch(r"[a-z][a-z-]+", rule.id)
