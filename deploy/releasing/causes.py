"""Why a deployment failed: from Azure's error and the container's log to a sentence and a fix.

Pure: whoever asks brings the texts. The rules are a table, from what is said for certain to what
is only likely; what no rule knows is called unknown, and never guessed at. The words were read in
people's own reports and in Microsoft's page how-to-troubleshoot-online-endpoints.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

UNKNOWN = "unknown"
LIST = "deploy/serving/requirements.in"


@dataclass(frozen=True)
class Cause:
    """Why, by which rule, and what to do."""

    rule: str
    why: str
    fix: str

    @property
    def is_known(self) -> bool:
        """Say whether a rule was found."""
        return self.rule != UNKNOWN

    def told(self) -> str:
        """Write the cause as a line."""
        return f"Cause: {self.why} [{self.rule}]" if self.is_known else self.why


@dataclass(frozen=True)
class Rule:
    """Words that tell of one cause; `{name}` in cause and fix is a group of the pattern."""

    id: str
    pattern: re.Pattern[str]
    why: str
    fix: str

    def cause(self, match: re.Match[str]) -> Cause:
        """Fill in what the words name."""
        named = {name: (value or "").strip(" .") for name, value in match.groupdict().items()}
        return Cause(self.id, self.why.format_map(named), self.fix.format_map(named))


def _rule(id: str, pattern: str, why: str, fix: str) -> Rule:
    return Rule(id, re.compile(pattern, re.IGNORECASE | re.MULTILINE), why, fix)


GRANTS = "tunestack up makes missing grants again; new ones take up to ten minutes. Then deploy."
LARGER = (
    "Take a --vm-size with more memory, or the model in four bits: tunestack models export NAME"
    " --to int4"
)

QUOTA = (
    "tunestack doctor says what is free; a smaller --vm-size, fewer --instances, or more quota:"
    " https://ml.azure.com > Quota."
)
OFFERED = "tunestack doctor lists sizes that are offered; take one of them as --vm-size."

RULES: tuple[Rule, ...] = (
    # MicrosoftDocs/azure-docs#107890: "BadArgument: Endpoint identity does not have pull
    # permission on the registry."
    _rule(
        "role-registry",
        r"does not have pull permission on the registry|registries/pull/read|"
        r"container registry authorization failure|unauthorized: authentication required|"
        r"ACRTokenExchange\w+",
        "the endpoint's identity may not pull images from the stack's registry (role AcrPull)",
        GRANTS,
    ),
    _rule(
        "role-storage",
        r"AuthorizationPermissionMismatch|blobs/read'|"
        r"not authorized to perform this operation|Startup task failed due to (an )?authorization|"
        r"incorrect role assignments",
        "the endpoint's identity may not read the stack's storage (role Storage Blob Data Reader)",
        GRANTS,
    ),
    # MicrosoftLearning/mslearn-azure-ml#30, word for word in local/ml/deployments.py.
    _rule(
        "quota",
        r"Not enough quota available for (?P<size>\S+).*?Additional needed: (?P<more>\d+)",
        "out of quota: {more} more cores than are free are needed for {size} in this region",
        QUOTA,
    ),
    _rule(
        "no-capacity",
        r"AllocationFailed|sufficient capacity|lack of Azure Machine Learning capacity|"
        r"Region-wide VM capacity",
        "Azure has no free machine of this VM size in the region now",
        "Try again later, or take another --vm-size.",
    ),
    _rule(
        "quota",
        r"\bOutOfQuota\b|oe-tsg#error-outofquota",
        "the subscription's quota in this region has no room for the deployment",
        QUOTA,
    ),
    _rule(
        "size-not-here",
        r"instance type '?(?P<size>\w+)'? is not supported",
        "this region does not offer {size} for endpoints",
        OFFERED,
    ),
    _rule(
        "size-not-here",
        r"SkuNotAvailable|requested (VM )?size .* is currently not available",
        "this region does not offer the VM size now",
        OFFERED,
    ),
    # Azure/azureml-examples#1931.
    _rule(
        "name-taken",
        r"already an endpoint with this name",
        "another endpoint in this region has the name",
        "tunestack init --set generation=2 gives the stack's resources other names.",
    ),
    # What deploy/serving itself says when it will not serve a model.
    _rule(
        "template-differs",
        r"chat template or its special tokens differ from those in training",
        "the model's chat template is not the one it was trained with, so it was refused",
        "Register the model again from its job: tunestack models register JOB; nobody may edit the"
        " files of a model afterwards.",
    ),
    _rule(
        "model-refused",
        r"(UnusableModel|This model cannot serve): (?P<what>.+)",
        "the scoring program refused the model: {what}",
        "tunestack models show tells what the model is; a model made by `tunestack train` or"
        " `tunestack models export` has what is needed.",
    ),
    _rule(
        "out-of-gpu-memory",
        r"CUDA out of memory|CUDA error: out of memory|No available memory for the cache blocks|"
        r"larger than the available KV cache memory",
        "the model does not fit into the memory of the GPU",
        LARGER,
    ),
    _rule(
        "out-of-memory",
        r"OOMKilled|PodOutOfMemory|exit(ed)?( with)? (code|status) (137|-9)\b|^Killed$|oom-kill|"
        r"can't allocate memory|not enough memory|^MemoryError|Cannot allocate memory|"
        r"(was sent|signal) SIGKILL",
        "the program was killed, as a system does when its memory is full",
        LARGER,
    ),
    _rule(
        "disk-full",
        r"No space left on device",
        "the disk of the machine is full",
        "Take a --vm-size with a larger disk.",
    ),
    _rule(
        "import-error",
        r"ModuleNotFoundError: No module named '(?P<module>[^']+)'|ImportError: (?P<what>.+)|"
        r"UserScriptImportError",
        "the container lacks something that the scoring program imports: {module}{what}",
        f"Add it to {LIST}, compile the list anew as its first lines say, and deploy again.",
    ),
    _rule(
        "image-pip-conflict",
        r"ResolutionImpossible|No solution found when resolving|conflicting dependencies|"
        r"requires a different Python",
        "the packages of the scoring program exclude one another, so no image could be built",
        f"Make them fit in {LIST}, compile the list anew as its first lines say, deploy again.",
    ),
    _rule(
        "image-package-missing",
        r"No matching distribution found for (?P<package>\S+)|"
        r"Could not find a version that satisfies the requirement (?P<wanted>\S+)",
        "the scoring program's list names a package or version that there is not:"
        " {package}{wanted}",
        f"Correct it in {LIST}, compile the list anew, and deploy again.",
    ),
    _rule(
        "image-tag-gone",
        r"manifest unknown|manifest for (?P<image>\S+) not found",
        "the base image is not in its registry any more: {image}",
        "Put a tag that is there into deploy/serving/environment.json; tunestack doctor checks it.",
    ),
    _rule(
        "image-build",
        r"image ?build ?fail\w*:? ?(?P<why>.*)",
        "the container's image could not be built: {why}",
        "The build's log above says what failed; network trouble passes: deploy again.",
    ),
    # Azure/azureml-examples#1595: "Image pull failed, retrying", "Model download failed, retrying".
    _rule(
        "image-pull",
        r"Image ?pull ?failed|Unable to download user container image",
        "Azure could not fetch the container's image from the stack's registry",
        GRANTS,
    ),
    _rule(
        "model-download",
        r"Model download failed|Unable to download user model|holds nothing\.",
        "the model's files could not be fetched from the stack's storage",
        "tunestack models show says where they are, and whether they are whole; if they are, "
        + GRANTS,
    ),
    _rule(
        "program-error",
        r"^(?P<error>(?!InternalServerError|UserError)[\w.]+(Error|Exception): .+)",
        "the scoring program ended with {error}",
        "The log above has its trace.",
    ),
    # Azure/mlops-v2#120: "User container has crashed or terminated: Liveness probe failed: HTTP
    # probe failed with statuscode: 502."
    _rule(
        "not-ready-in-time",
        r"probe failed|probes allow|"
        r"container initialization is taking too long",
        "the container did not answer its health probes in the time that they allow",
        "It is too slow to start on this size, or listens at another port: the log above has how"
        " far it came. Take a larger --vm-size.",
    ),
    _rule(
        "crashed",
        r"User container has crashed or terminated|exit code \d+",
        "the container ended before it was ready, and its log does not say why",
        "Read the log above; a larger --vm-size helps where memory was short without a word.",
    ),
)


def explain(error: str, log: Sequence[str] = ()) -> Cause:
    """Give the first rule that the error or the log speaks for; else one called unknown."""
    text = "\n".join((error, *(line.strip() for line in log)))
    for rule in RULES:
        # The last word counts: an earlier one may be of a start that was tried again.
        if found := list(rule.pattern.finditer(text)):
            return rule.cause(found[-1])
    return Cause(
        UNKNOWN,
        "No rule of tunestack knows this failure; what Azure and the log say is all that is known.",
        "Microsoft's page on it: https://aka.ms/oe-tsg",
    )
