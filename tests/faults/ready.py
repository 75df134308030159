"""What a stage needs before its first cycle, and what `up` alone would not put into it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kills import rehearse
from stage import Stage

from core.arm import Arm
from core.cloud import Cloud
from core.long_running import RESOURCES_API
from core.refs import StackOutputs
from deploy.endpoint import ensure_endpoint


def ready(stage: Stage) -> None:
    """Go round once, undisturbed, in a subscription that has been used before."""
    with signed_in(stage) as cloud:
        use_once(cloud.arm, cloud.subscription_id)
    rehearse(stage, put_an_endpoint_up)


def use_once(arm: Arm, subscription: str) -> None:
    """Register the namespaces: what only a subscription's first `up` sends is not to be counted."""
    providers = f"/subscriptions/{subscription}/providers"
    for item in arm.get_list(providers, RESOURCES_API):
        path = f"{providers}/{item['namespace']}"
        arm.post(f"{path}/register", RESOURCES_API)
        # The local Azure gets on with it at every look.
        while (arm.get(path, RESOURCES_API) or {})["registrationState"] != "Registered":
            pass


@contextmanager
def signed_in(stage: Stage) -> Iterator[Cloud]:
    """Point this process at the stage's local Azure, too."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stage.start_azure().environment.items():
            patch.setenv(name, value)
        yield Cloud.sign_in(os.environ["AZURE_SUBSCRIPTION_ID"])


def put_an_endpoint_up(stage: Stage) -> None:
    """Let the teardown begin with what `up` did not make."""
    with signed_in(stage) as cloud:
        ensure_endpoint(cloud, StackOutputs(**stage.outputs), lambda told: None)
