"""Rules about the job's image: its packages, its base image and pulling it."""

from training.explain.evidence import Confidence, rule

AGAIN = "then give the same command again"

IMAGE = (
    # pip's words, and uv's where the local Azure builds the environment.
    rule(
        "image-pip-conflict",
        r"ResolutionImpossible|No solution found when resolving|"
        r"ERROR: Cannot install .*conflicting dependencies",
        "the packages in the job's requirements exclude one another, so no image could be built",
        "Make them fit in training/job/requirements.in, compile the list anew as its first lines"
        f" say, {AGAIN}.",
    ),
    rule(
        "image-package-missing",
        r"No matching distribution found for (?P<package>\S+)|"
        r"Could not find a version that satisfies the requirement (?P<wanted>\S+)",
        "the job's requirements name a package or version that there is not: {package}{wanted}",
        f"Correct it in training/job/requirements.in, compile the list anew, {AGAIN}.",
    ),
    # Azure/acr#742 and kubeflow/examples#654: "manifest for NAME not found: manifest unknown".
    rule(
        "image-tag-gone",
        r"manifest unknown|manifest for (?P<image>\S+) not found|"
        r"(?P<tag>mcr\.microsoft\.com/\S+): not found",
        "the base image is not in its registry any more: {image}{tag}",
        "Put a tag that is there into training/job/environment.json (tunestack doctor checks it),"
        f" {AGAIN}.",
    ),
    # Azure/MachineLearningNotebooks#1733: "FailedPullingImage: Unable to pull docker image …
    # unauthorized: authentication required".
    rule(
        "role-registry",
        r"FailedPullingImage.*unauthorized|unauthorized: authentication required",
        "the cluster's identity may not pull images from the stack's container registry (AcrPull)",
        "tunestack up makes the missing grant again; new grants take up to ten minutes.",
    ),
    rule(
        "image-build-network",
        r"Temporary failure in name resolution|Failed to fetch: |error sending request for url|"
        r"Could not fetch URL|ReadTimeoutError|Network is unreachable",
        "the image's build could not reach a package index or registry",
        "Try again; behind a private network see what it lets out: tunestack plan.",
        Confidence.LIKELY,
    ),
    rule(
        "image-disk-full",
        r"No space left on device",
        "the image's build filled its disk",
        "Leave out packages that the job does not need, in training/job/requirements.in.",
    ),
    # Azure-Samples/mlops-enterprise-template#4: "Image build failed. For more details, check log
    # file azureml-logs/20_image_build_log.txt".
    rule(
        "image-build",
        r"image ?build ?fail\w*:? ?(?P<why>.*)",
        "the job's image could not be built: {why}",
        "The build's log is the first part of the job's: its last lines say what failed.",
    ),
)
