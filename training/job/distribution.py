"""What is checked of several processes: that they really train together."""

from accelerate import Accelerator
from accelerate.utils import DistributedType
from failure import JobError
from recipe_file import Recipe


def check_distribution(accelerator: Accelerator, recipe: Recipe) -> None:
    """Refuse processes that would each train alone.

    accelerate has been seen to run alone under a launcher that had started several; each would
    then save a model of its own over the others', without a word.
    """
    asked = recipe.training.processes * recipe.training.nodes
    alone = accelerator.distributed_type == DistributedType.NO
    if accelerator.num_processes != asked or (asked > 1) == alone:
        raise JobError(
            f"the recipe asks for {asked} processes that train together; accelerate runs"
            f" {accelerator.num_processes}, distributed: {accelerator.distributed_type.value}"
        )
