"""Rules about what the job program itself says last, in its line `error: …`.

The texts are training/job's own; tests run the program into them.
"""

from training.explain.evidence import rule

LESS_MEMORY = (
    "Lower training.batch_size (and raise training.accumulation) or training.max_length, set"
    " training.gradient_checkpointing, or take method lora or qlora, or a VM with more memory."
)

PROGRAM = (
    rule(
        "driver-too-old",
        r"this node has a GPU \(driver (?P<driver>[^)]+)\) that torch (?P<torch>\S+), built for"
        r" CUDA (?P<cuda>\S+), cannot use",
        "the node's NVIDIA driver ({driver}) is too old for torch {torch}, built for CUDA {cuda}",
        "Take a torch built for an older CUDA in training/job/requirements-gpu.in, or a newer"
        " image in training/job/environment.json.",
    ),
    rule(
        "oom-gpu",
        r"^error: the GPU's memory is not enough|^error: memory is not enough(?!.*DefaultCPU)",
        "the training does not fit into the memory of the GPU",
        LESS_MEMORY,
    ),
    rule(
        "oom-cpu",
        r"^error: memory is not enough.*DefaultCPU",
        "the training does not fit into the memory of the node",
        LESS_MEMORY,
    ),
    rule(
        "hub-gated",
        r"gated repo|awaiting a review|is restricted\. You must",
        "the base model on the hub is gated: its owner has to let you in first",
        "Accept its terms on huggingface.co, or bring the files: base.source folder or package.",
    ),
    rule(
        "hub-not-found",
        r"error: (?P<model>\S+) at (?P<revision>\S+) cannot be loaded:.*(not a valid model"
        r" identifier|404|RepositoryNotFound|RevisionNotFound|not a valid git identifier|"
        r"does not appear to have a file named)",
        "the hub has no {model} at the revision {revision}, or not these files",
        "Correct base.id and base.revision in the recipe.",
    ),
    rule(
        "hub-unreachable",
        r"error: (?P<model>\S+) at \S+ cannot be loaded:.*(couldn't connect|offline|LocalEntryNot|"
        r"Max retries|timed out|name resolution|cached files)",
        "the node cannot reach huggingface.co, from where it wants {model}",
        "Let the network out to huggingface.co, or upload the base model: base.source in the"
        " recipe.",
    ),
    rule(
        "base-model",
        r"error: (?P<what>the base model (is not there|\S+ did not reach the job).*|"
        r"\S+ at \S+ cannot be loaded:.*)",
        "{what}",
        "Check base in the recipe (tunestack doctor --recipe asks the hub), then submit it again.",
    ),
    rule(
        "data-too-long",
        r"error: (?P<file>\S+) has (?P<count>\d+) (?P<what>conversations|pairs) longer than"
        r" training\.max_length (?P<limit>\d+)",
        "{count} {what} in {file} are longer than training.max_length {limit}",
        "Raise training.max_length, set training.packing, or shorten them; nothing is cut off.",
    ),
    rule(
        "data-bad",
        r"error: (?P<what>\S+ has \d+ bad lines?|\S+ holds no (conversation|pair of answers)|"
        r"\S+ cannot be read)",
        "bad data: {what}",
        "tunestack data check FILE names every bad line and why.",
    ),
    rule(
        "disk-full",
        r"error: no space is left|no space is left for|DiskFullError|disk is full",
        "the disk is full",
        "Save less often (training.save_steps), take a VM with a larger disk, or a smaller model.",
    ),
    rule(
        "loss-broken",
        r"error: the (?P<which>eval_loss|loss) is (?P<value>nan|inf|-inf) at step (?P<step>\d+)"
        r"(?P<source>; it comes from [^:;]+)?",
        "the {which} became {value} at step {step}{source}",
        "Lower training.learning_rate or training.max_grad_norm, raise training.warmup, and look"
        " for odd records: tunestack data check.",
    ),
    rule(
        "loss-broken",
        r"error: the weights are no numbers any more at step (?P<step>\d+)",
        "the weights became no numbers at step {step}",
        "Lower training.learning_rate or training.max_grad_norm.",
    ),
    rule(
        "template-without-marks",
        r"chat template has no \{% generation %\} marks|has no chat template of its own|"
        r"no chat template is known",
        "the base model's chat template does not say which words are the assistant's",
        "Take the instruct version of the model, or add NAME.jinja and NAME_training.jinja to"
        " training/job/ as templates.py there says.",
    ),
    rule(
        "template-differs",
        r"marked chat template (does not render|leaves out)",
        "the marked chat template is not the model's own any more, so training would teach"
        " another text",
        "Correct NAME_training.jinja in training/job/; only the marks may differ.",
    ),
    rule(
        "world-size",
        r"error: the recipe asks for (?P<asked>\d+) processes.*WORLD_SIZE is (?P<running>\d+)",
        "{running} processes were started where the recipe asks for {asked}",
        "Set training.processes to the GPUs of a node and training.nodes to the nodes.",
    ),
    rule(
        "world-size",
        r"error: the recipe asks for (?P<asked>\d+) processes that train together; accelerate runs"
        r" (?P<running>\d+)",
        "{running} processes train together where the recipe asks for {asked}",
        "Set training.processes to the GPUs of a node and training.nodes to the nodes.",
    ),
    rule(
        "recipe-misfit",
        r"error: (?P<what>lora\.\w+: .+)",
        "the recipe does not fit the base model: {what}",
        "Correct it in the recipe, or for once with --set.",
    ),
    rule(
        "recipe-unreadable",
        r"error: the recipe \S+ (cannot be read|is not a JSON)",
        "the recipe did not reach the job whole",
        "Submit it again with tunestack train.",
    ),
)
