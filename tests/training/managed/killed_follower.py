"""Follow a job in a process of its own, that a test kills: a line for each event."""

import os
import sys
import time

from core.cloud import Cloud
from core.refs import StackOutputs
from training.managed.following import follow
from training.managed.openai.service import OpenAITuning


def main() -> None:
    outputs, job = StackOutputs.model_validate_json(sys.argv[1]), sys.argv[2]
    service = OpenAITuning(Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"]), outputs)
    for event in follow(service, job, wait=lambda seconds: time.sleep(0.05)):
        print(event, flush=True)


if __name__ == "__main__":
    main()
