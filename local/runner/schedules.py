"""Runs the workflows that are due, and ends deployments whose time is over.

A workflow's requests go the way that everybody's go: out through the proxy with a token of its
identity, so that rights, faults and the log are those of any other client. An answer 202 is
followed to its end, as Logic Apps do. Their retries of an action (four, after 408, 429 and 5xx) are
not played: the next turn is the next try.
"""

import http
import json
import logging
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any

from local import clock
from local.access import identity_principal
from local.arm.ai_deployment_life import expire
from local.arm.workflows import RUNS, TIMER, put_off
from local.login.tokens import AUDIENCES, mint
from local.operations import Refusal
from local.state import Document
from local.world import World

log = logging.getLogger("local.schedules")
LOOK_SECONDS = 0.5
"""How long a schedule that is due waits at most until somebody looks."""

POLL_SECONDS = 0.2
MOST_SECONDS = 120.0
"""How long an action may take; Azure gives one that answers 202 far longer."""

Outcome = tuple[str, str]
"""Status and code of an action."""


class Schedules:
    """The thread that looks what is due."""

    def __init__(self, world: World) -> None:
        self._world, self._stopping = world, threading.Event()
        self._thread = threading.Thread(target=self._look, name="schedules", daemon=True)

    def start(self) -> None:
        """Begin to look; what became due while nothing ran is run now."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the request that goes on; returns when it has."""
        self._stopping.set()
        self._thread.join(5)

    def _look(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            for look in (self.run_due, lambda: expire(self._world)):
                try:
                    look()
                except Exception:  # neither keeps the other from its turn
                    log.exception("looking what is due failed")

    def run_due(self) -> None:
        """Run every workflow whose turn has come."""
        state = self._world.state
        timers = state.within(f"{TIMER}:")
        if not timers:
            return
        moment = clock.now(state)
        for id, timer in timers:
            workflow = state.get(timer["workflow"])
            if workflow is None:
                state.delete(id)
            elif timer["due"] <= moment:
                self._run(workflow, timer["due"])

    def _run(self, workflow: Document, due: float) -> None:
        state, id = self._world.state, workflow["id"]
        begun = clock.write(clock.now(state))
        actions = self._act(workflow)
        if self._stopping.is_set():
            return  # the proxy may have been gone already: the next start runs it again
        run = _told(begun, clock.write(clock.now(state)), actions)
        with state.transaction():
            after = state.get(id)
            if after is None:
                return
            state.put(f"{id}/runs/{_name()}", RUNS, run)
            if after["properties"]["state"] == "Enabled":
                put_off(state, after, due)
        log.info("%s: run %s", id, run["status"])

    def _act(self, workflow: Document) -> dict[str, Document]:
        """Do the actions in their order, each after those that it runs after."""
        done: dict[str, Document] = {}
        left: dict[str, Any] = dict(workflow["properties"]["definition"]["actions"])
        while left:
            ready = [name for name in left if set(left[name].get("runAfter") or {}) <= set(done)]
            if not ready:
                break  # they wait for one another
            name = ready[0]
            done[name] = self._action(workflow, left.pop(name), done)
        return done

    def _action(self, workflow: Document, action: Any, done: dict[str, Document]) -> Document:
        begun = clock.write(clock.now(self._world.state))
        wanted = (action.get("runAfter") or {}).items()
        if any(done[name]["status"] not in statuses for name, statuses in wanted):
            status, code = "Skipped", "ActionSkipped"
        else:
            status, code = self._request(workflow, action["inputs"])
        ended = clock.write(clock.now(self._world.state))
        return {"startTime": begun, "endTime": ended, "status": status, "code": code}

    def _request(self, workflow: Document, inputs: dict[str, Any]) -> Outcome:
        try:
            answer = self._follow(inputs)
        except (Refusal, OSError) as error:
            log.warning("%s: %s", workflow["id"], error)
            return "Failed", "BadRequest" if isinstance(error, Refusal) else "BadGateway"
        if answer == 202:
            return "TimedOut", "ActionTimedOut"
        code = http.HTTPStatus(answer).phrase.replace(" ", "") if answer != 200 else "OK"
        return ("Succeeded" if answer < 400 else "Failed"), code

    def _follow(self, inputs: dict[str, Any]) -> int:
        """Send a request and wait for its end; give the last status."""
        asked = inputs["authentication"]
        audience = AUDIENCES[asked["audience"].rstrip("/")]
        principal = identity_principal(self._world.state, asked["identity"])
        headers = {
            **(inputs.get("headers") or {}),
            "Authorization": f"Bearer {mint(self._world.folder, principal, audience)}",
        }
        query = urllib.parse.urlencode(inputs.get("queries") or {})
        url = f"{inputs['uri']}{'?' if query else ''}{query}"
        body = json.dumps(inputs["body"]).encode() if "body" in inputs else None
        deadline = time.monotonic() + MOST_SECONDS
        status, url = self._send(inputs["method"], url, headers, body)
        while status == 202 and url and time.monotonic() < deadline:
            if self._stopping.wait(POLL_SECONDS):
                break
            status, url = self._send("GET", url, headers, None, url)
        return status

    def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, last: str = ""
    ) -> tuple[int, str]:
        """Send one request; give its status, and where to ask on, which may stay as it was."""
        request = urllib.request.Request(url, body, headers, method=method)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with self._opener().open(request, timeout=60) as answer:
                return answer.status, answer.headers.get("Location") or last
        except urllib.error.HTTPError as error:
            told = error.read(2000).decode(errors="replace")
            log.info("%s %s: %s %s", method, url, error.code, told)
            return error.code, ""

    def _opener(self) -> urllib.request.OpenerDirector:
        trusted = ssl.create_default_context(cafile=str(self._world.ca_bundle))
        return urllib.request.build_opener(
            urllib.request.ProxyHandler({"https": self._world.proxy_url}),
            urllib.request.HTTPSHandler(context=trusted),
        )


def _told(begun: str, ended: str, actions: dict[str, Document]) -> Document:
    """Write a run: it failed where an action did, and says so as Logic Apps do."""
    is_done = all(one["status"] in ("Succeeded", "Skipped") for one in actions.values())
    run = {"startTime": begun, "endTime": ended, "actions": actions}
    if is_done:
        return {**run, "status": "Succeeded"}
    text = "An action failed. No dependent actions succeeded."
    error = {"code": "ActionFailed", "message": text}
    return {**run, "status": "Failed", "code": "ActionFailed", "error": error}


def _name() -> str:
    """Name a run; Azure's names say nothing either."""
    return f"{uuid.uuid4().hex.upper()}CU00"
