"""From people's real words to a cause: each rule on what Azure, libraries or our programs wrote."""

import pytest

from deploy.releasing.causes import RULES, UNKNOWN, explain

QUOTA = (
    "BadRequest: The request is invalid. InferencingClientCreateDeploymentFailed:"
    ' InferencingClient HttpRequest error, error detail: {"errors": {"VmSize": ["Not enough quota'
    " available for Standard_DS3_v2 in SubscriptionId 1. Current usage/limit: 0/6. Additional"
    " needed: 8 Please see troubleshooting guide, available here:"
    ' https://aka.ms/oe-tsg#error-outofquota"]}}'
)
"""MicrosoftLearning/mslearn-azure-ml#30."""
CRASH = "ResourceNotReady: User container has crashed or terminated: "
PROBE = f"{CRASH}Liveness probe failed: HTTP probe failed with statuscode: 502."
"""Azure/mlops-v2#120."""
DENIED = (
    "UserError: The endpoint's identity 'id-x' with object id 'y' lacks the {} over scope '/z'."
)
FINGERPRINT = (
    "model_folder.UnusableModel: The chat template or its special tokens differ from those in"
    " training: tunestack.json says a, the files give b. Answers would be wrong without a sign."
)
CASES = [
    # MicrosoftDocs/azure-docs#107890
    ("role-registry",
     "BadArgument: Endpoint identity does not have pull permission on the registry.", ""),
    ("role-registry", DENIED.format("action 'Microsoft.ContainerRegistry/registries/pull/read'"),
     ""),
    ("role-storage",
     DENIED.format("data action 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/"
                   "read'"), ""),
    # Azure/azure-sdk-for-python#37546
    ("role-storage", PROBE,
     "This request is not authorized to perform this operation using this permission.\n"
     "ErrorCode:AuthorizationPermissionMismatch"),
    ("quota", QUOTA, ""),
    ("quota", "OutOfQuota: Not enough subscription CPU quota.", ""),
    ("no-capacity", "Failed: AllocationFailed", ""),
    ("size-not-here", "BadRequest: The instance type 'Standard_none' is not supported in eastus2.",
     ""),
    # Azure/pcs-cli#147
    ("size-not-here", "SkuNotAvailable: The requested size for resource '/s/x' is currently not"
     " available in location 'centralus' for subscription 'y'.", ""),
    # Azure/azureml-examples#1931
    ("name-taken", '"errors":"":["There is already an endpoint with this name, Endpoint name needs'
     ' to be unique within a region. Try some other name."]', ""),
    ("template-differs", PROBE, FINGERPRINT),
    ("model-refused", PROBE,
     "model_folder.UnusableModel: Expected one folder with tunestack.json below /m; found: none."),
    ("out-of-gpu-memory", PROBE, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2"),
    ("out-of-memory", f"{CRASH}(exit code 137).", ""),
    ("out-of-memory", PROBE, "loading\nKilled"),
    ("out-of-memory", PROBE, "[ERROR] Worker (pid:31) was sent SIGKILL! Perhaps out of memory?"),
    ("disk-full", PROBE, "OSError: [Errno 28] No space left on device"),
    ("import-error", PROBE, "ModuleNotFoundError: No module named 'sampling'"),
    # MicrosoftLearning/mslearn-azure-ml#41
    ("image-pip-conflict", "ImageBuildFailure: see the log",
     "Pip subprocess error:\nERROR: Package 'setuptools' requires a different Python: 3.7.13 not"
     " in '>=3.8'"),
    ("image-package-missing", "ImageBuildFailure: see the log",
     "ERROR: No matching distribution found for torch==99"),
    ("image-tag-gone", "ImageBuildFailure: manifest for mcr.microsoft.com/x:1 not found", ""),
    ("image-build", "ImageBuildFailure: the build log is in the workspace blob store", ""),
    # Azure/azureml-examples#1595
    ("image-pull", PROBE, "Message: Image pull failed, retrying. Please check image-fetcher log"),
    ("model-download", PROBE, "Message: Model download failed, retrying. Please check model-mount"),
    ("program-error", f"{CRASH}(exit code 3).", "RuntimeError: this model has no wish to serve"),
    ("not-ready-in-time", PROBE, "Server started"),
    ("not-ready-in-time", "ResourceNotReady: The container did not answer within 100 s, which is"
     " what its readiness and liveness probes allow.", ""),
    ("crashed", f"{CRASH}(exit code 3).", "loading"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "error", "log"), CASES)
def test_real_words_are_explained_by_their_rule(rule: str, error: str, log: str) -> None:
    cause = explain(error, log.splitlines())
    assert cause.rule == rule
    assert cause.told() and cause.fix and "{" not in cause.told() + cause.fix


def test_every_rule_was_tried_on_real_words() -> None:
    assert {rule.id for rule in RULES} == {rule for rule, _, _ in CASES}


def test_what_the_words_name_is_in_the_cause() -> None:
    assert "8 more cores" in explain(QUOTA).why and "Standard_DS3_v2" in explain(QUOTA).why
    assert "'" not in explain("", ["ModuleNotFoundError: No module named 'sampling'"]).why
    assert "sampling" in explain("", ["ModuleNotFoundError: No module named 'sampling'"]).why


def test_the_last_error_counts_where_a_start_was_tried_again() -> None:
    log = ["ValueError: first", "starting again", "KeyError: 'second'"]
    assert "second" in explain(CRASH, log).why


@pytest.mark.parametrize("text", ["", "InternalServerError: try later", "Liveness: fine"])
def test_what_no_rule_knows_is_called_unknown(text: str) -> None:
    cause = explain(text, ["loading the model", "ready"])
    assert (cause.rule, cause.is_known) == (UNKNOWN, False)
    assert "aka.ms/oe-tsg" in cause.fix
