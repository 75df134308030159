"""`pulumi up` runs infra/__main__.py with the stack's config; so does this, without its engine."""

import asyncio
import contextvars
import runpy
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from recorded_arm import FakeCloud, engine, ignore

from core.errors import SettingsError
from core.home import PROJECT
from core.refs import StackOutputs
from infra.arm import outputs, request
from infra.arm_types import TYPES

SUBSCRIPTION = "0a1b2c3d-0000-4000-8000-00000000000f"


def run_main(config: dict[str, str]) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """Run the entry as Pulumi's language host does; give its exports and its resources."""
    import pulumi
    from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks, set_mocks
    from pulumi.runtime.settings import get_root_resource
    from pulumi.runtime.stack import wait_for_rpcs

    registered: list[tuple[str, dict[str, Any]]] = []

    class Recorder(Mocks):
        def call(self, args: MockCallArgs) -> Any:
            return {"subscriptionId": SUBSCRIPTION, "objectId": "o", "tenantId": "t"}

        def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
            if args.typ not in TYPES:
                return "", {}
            registered.append((args.typ, args.inputs))
            made = request(args.typ, args.inputs, SUBSCRIPTION)
            answer = {**made.body, "id": made.path, "name": made.path.rsplit("/", 1)[-1]}
            if args.typ.endswith("UserAssignedIdentity"):
                answer["properties"] = {"principalId": f"p-{args.name}"}
            return made.path, outputs(args.typ, answer)

    exports: dict[str, Any] = {}
    failures: list[Exception] = []

    def run() -> None:
        try:
            run_in_this_context()
        except Exception as error:  # noqa: BLE001 — raised again below
            failures.append(error)

    def run_in_this_context() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        set_mocks(Recorder(), project="tunestack", stack="dev", preview=False)
        pulumi.runtime.set_all_config({f"tunestack:{k}": v for k, v in config.items()})
        try:
            runpy.run_path(str(PROJECT / "infra"), run_name="__main__")
        finally:
            loop.run_until_complete(wait_for_rpcs())

        async def resolved() -> Any:
            return await pulumi.Output.all(**get_root_resource().outputs).future()  # type: ignore

        exports.update(loop.run_until_complete(resolved()))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    before = list(sys.path)
    thread = threading.Thread(target=contextvars.Context().run, args=(run,))
    thread.start()
    thread.join()
    sys.path[:] = before
    if failures:
        raise failures[0]
    return exports, registered


def test_the_entry_exports_the_stacks_outputs() -> None:
    exports, registered = run_main({"location": "westus3", "maxNodes": "3"})
    found = StackOutputs(**exports)
    assert (found.location, found.cluster) == ("westus3", "gpu-nc24ads-a100-v4")
    (cluster,) = (inputs for token, inputs in registered if token.endswith(":Compute"))
    scale = cluster["properties"]["properties"]["scaleSettings"]
    assert (scale["minNodeCount"], scale["maxNodeCount"]) == (0, 3)


def test_config_as_pulumi_hands_it_over_is_understood() -> None:
    _, registered = run_main(
        {"tags": '["team=nlp"]', "vmSize": "", "purgeProtection": "true", "generation": "2"}
    )
    (vault,) = (inputs for token, inputs in registered if token.endswith(":Vault"))
    assert vault["tags"] == {"team": "nlp", "tunestack-stack": "dev"}
    assert vault["properties"]["enablePurgeProtection"] is True


def test_both_engines_run_the_same_program(cloud: FakeCloud, own_home: Path) -> None:
    engine(cloud, stack="dev").up(ignore)
    _, registered = run_main({})
    theirs = {
        made.path.lower(): made.body
        for token, inputs in registered
        if "RoleAssignment" not in token
        for made in [request(token, inputs, SUBSCRIPTION)]
    }
    ours = {
        path.lower(): body
        for path, body in cloud.arm.bodies.items()
        if "roleAssignments" not in path
    }
    for body in (*theirs.values(), *ours.values()):
        body.get("tags", {}).pop("tunestack-engine", None)
        body.get("properties", {}).pop("tenantId", None)
    assert theirs == ours


def test_a_wrong_setting_stops_the_entry() -> None:
    with pytest.raises(SettingsError, match="maxNodes"):
        run_main({"maxNodes": "0"})
