"""Rules about what Azure says of a job: quota, capacity, roles, preemption, time."""

from training.explain.evidence import Confidence, rule

QUOTA = "tunestack doctor says what is free in which region; or take fewer nodes or a smaller VM."

SERVICE = (
    # MicrosoftLearning/mslearn-dp100#35 (JobNodeCountExceedsCoreQuota), ansible-collections/azure
    # #2209 (ClusterMinNodesExceedCoreQuota: "… vCPU quota of 6 and cannot accomodate …").
    rule(
        "quota",
        r"(has an? |a )(?P<family>[\w ]*?) ?vCPU quota of (?P<quota>\d+).*?(?P<needed>\d+) vCPUs",
        "quota: the job needs {needed} cores of {family}, the subscription has {quota}",
        f"Ask for more cores in the portal (Quotas, Machine Learning). {QUOTA}",
    ),
    # scylladb/scylla-cluster-tests#4994: "… exceeding approved LowPriorityCores quota".
    rule(
        "quota",
        r"exceeding approved (?P<family>[\w ]+?) quota(.*Additional Required: (?P<needed>\d+))?|"
        r"\w*CoreQuota\w*",
        "quota: the subscription has not enough free cores {family}",
        f"Ask for more cores in the portal (Quotas, Machine Learning). {QUOTA}",
    ),
    rule(
        "no-capacity",
        r"AllocationFailed|ZonalAllocationFailed|SkuNotAvailable|sufficient capacity",
        "Azure has no free machine of this VM size in the region now",
        "Try again later, or take another VM size or region: tunestack doctor ranks them.",
    ),
    # Azure/MachineLearningNotebooks#1242: "PreemptionError: Nodes of this job got pre-empted".
    rule(
        "preempted",
        r"PreemptionError|pre-?empted",
        "Azure took the low-priority node back",
        "Submit it again; its checkpoints are kept. A dedicated cluster is never preempted.",
    ),
    rule(
        "timeout",
        r"JobTimeout|longer than its limit|exceeded.{0,40}(duration|timeout|time limit)|"
        r"(?<!_)timed out after",
        "the job took longer than it was allowed",
        "Allow more with train --timeout HOURS, or train less: fewer epochs, packing, larger VM.",
    ),
    # Azure/azure-dev#7927: "… The requested identity has not been assigned to this resource".
    rule(
        "identity-missing",
        r"identity has not been assigned to this resource|no such user-assigned identity",
        "the job's identity is not assigned to the cluster that it runs on",
        "tunestack up assigns it.",
    ),
    rule(
        "role-data",
        r"(?P<who>[\w' ]+?) '(?P<name>[^']+)' with object id '[^']*' lacks the data action"
        r" '(?P<action>[^']+)' over scope '(?P<scope>[^']+)'",
        "{who} {name} may not do {action} on the storage (Storage Blob Data Contributor)",
        "tunestack up makes the missing grant again; new grants take up to ten minutes.",
    ),
    rule(
        "role-registry",
        r"(?P<who>[\w' ]+?) '(?P<name>[^']+)' with object id '[^']*' lacks the action"
        r" '(?P<action>[^']*registries/[^']+)'",
        "{who} {name} may not do {action} on the container registry (AcrPull, AcrPush)",
        "tunestack up makes the missing grant again; new grants take up to ten minutes.",
    ),
    # Azure/azure-sdk-for-python#28207: "The client 'ID' … does not have authorization to perform
    # action 'A' over scope 'S'".
    rule(
        "role-action",
        r"does not have authorization to perform action '(?P<action>[^']+)'"
        r"( over scope '(?P<scope>[^']+)')?|lacks the action '(?P<own>[^']+)'",
        "an identity of the stack lacks the right {action}{own}",
        "tunestack up makes missing grants again; tunestack plan lists who has which role and why.",
    ),
    # MicrosoftDocs/azure-docs#100163 and Azure/azureml-examples#2994.
    rule(
        "role-data",
        r"ScriptExecution\.(StreamAccess|WriteStreams)\.Authentication|"
        r"AuthorizationPermissionMismatch|not authorized to perform this operation using this perm",
        "the job's identity may not read or write the storage (Storage Blob Data Contributor)",
        "tunestack up makes the missing grant again; new grants take up to ten minutes.",
    ),
    rule(
        "data-missing",
        r"ScriptExecution\.StreamAccess\.NotFound|(?P<what>\S+) holds nothing|"
        r"There is no environment (?P<environment>\S+)",
        "something that the job reads is not in the workspace any more: {what}{environment}",
        "Submit it again with tunestack train, which uploads what is missing.",
    ),
    rule(
        "compute-gone",
        r"ComputeNotFound|compute was deleted|no longer exists.*comput",
        "the cluster was deleted while the job waited for it",
        "tunestack up makes the cluster, then submit the job again.",
    ),
    rule(
        "node-lost",
        r"NodeLost|the node was lost|node .{0,60}(unusable|unhealthy)|Heartbeat",
        "the machine that the job ran on was lost",
        "Submit it again; its checkpoints are kept.",
        Confidence.LIKELY,
    ),
    rule(
        "azure-fault",
        r"InternalError|InternalServerError|ServiceError|ServiceUnavailable",
        "a fault in the service, not in the job",
        "Submit it again; if it stays, ask Azure's support with the job's name.",
        Confidence.LIKELY,
    ),
)
