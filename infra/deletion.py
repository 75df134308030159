"""Deletes one resource by a plain ARM request, and tells of it as an engine does."""

import time
from typing import TYPE_CHECKING

from infra.arm_types import ArmType
from infra.engine import Change, Event, Existing, Report

if TYPE_CHECKING:
    from core.arm import Arm


def delete(arm: "Arm", item: Existing, kind: ArmType, report: Report) -> bool:
    """Delete a resource and wait; False where it was gone already, which is no error."""
    began = time.monotonic()
    report(Event(item.name, item.title, Change.GONE, is_done=False, id=item.id))
    there = arm.delete(item.id + kind.delete_query, kind.api_version)
    change, seconds = Change.GONE if there else Change.SAME, time.monotonic() - began
    report(Event(item.name, item.title, change, True, seconds, id=item.id))
    return there
