"""What the commands say of grants: after `up`, and of what a failed job or deployment lacks."""

from pathlib import Path
from typing import Any

import pytest
from recorded_arm import FakeCloud, engine, ignore, settings

import commands.deploying
import commands.train.run
from commands.grants import bring_up, naming_missing_grants
from commands.session import Session
from core.errors import CloudError, Interrupted, JobFailed, SettingsError, UserError
from core.refs import ModelRef
from deploy.releasing.order import DeployOrder
from infra import granted
from infra.effective import Effective
from tests.training.quick import order, recipe

FAILED = CloudError("Azure refused to upload.", hint="Request id 1.", status=403)


@pytest.fixture
def session(cloud: FakeCloud) -> Session:
    """A stack that is up, as a command opens it."""
    session, work = Session("local"), engine(cloud)
    outputs = work.up(ignore)
    session.__dict__.update(settings=settings(), cloud=cloud, engine=work, outputs=outputs)
    return session


def fail(*_: Any, **__: Any) -> Any:
    raise CloudError(str(FAILED), hint=FAILED.hint, status=FAILED.status)


def take_away(session: Session, name: str) -> None:
    (found,) = [item for item in session.engine.resources() if item.name == name]
    assert session.cloud.arm.delete(found.id, "2022-04-01")


def hint_of(session: Session, error: UserError) -> str:
    with pytest.raises(type(error)) as caught, naming_missing_grants(session):
        raise error
    return caught.value.hint


def test_a_failed_upload_of_train_names_what_is_missing_and_keeps_its_own_hint(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    take_away(session, "person-storage-blob-data-contributor-storage-account")
    monkeypatch.setattr(commands.train.run, "submit", fail)
    with pytest.raises(CloudError) as caught:
        commands.train.run.train_model(session, order(tmp_path, recipe()))
    person, again, own = caught.value.hint.splitlines()
    assert "The person" in person and "lacks Storage Blob Data Contributor" in person
    assert again == "tunestack up --stack local makes it again."
    assert own == FAILED.hint


def test_a_failed_deployment_names_what_the_endpoint_lacks(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away(session, "endpoint-acrpull-container-registry")
    monkeypatch.setattr(commands.deploying, "deploy_to_endpoint", fail)
    with pytest.raises(CloudError) as caught:
        commands.deploying.deploy_model(session, DeployOrder(ModelRef(name="m", version="1"), "x"))
    assert "endpoint identity (id-local-endpoint) lacks AcrPull" in caught.value.hint
    assert "`tunestack deploy`" in caught.value.hint


def test_a_job_that_failed_for_another_reason_keeps_its_hint(session: Session) -> None:
    assert hint_of(session, JobFailed("loss is nan", hint="the log")) == "the log"
    assert hint_of(session, CloudError("no", hint="own", status=403)) == "own"


def test_a_refusal_of_minutes_after_up_says_that_azure_takes_time(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(granted.Granted, "is_young", lambda self, now: True)
    assert "tunestack up --stack local waits for them" in hint_of(
        session, CloudError("no", status=403)
    )
    assert hint_of(session, CloudError("busy", status=409)) == ""


def test_wrong_requests_ask_azure_nothing(session: Session) -> None:
    session.cloud.arm.requests.clear()  # type: ignore[attr-defined]
    assert hint_of(session, SettingsError("wrong", hint="right")) == "right"
    assert session.cloud.arm.requests == []  # type: ignore[attr-defined]


def test_grants_that_cannot_be_read_hide_nothing_of_the_failure(session: Session) -> None:
    session.cloud.arm.refuse = lambda method, path: method == "GET"  # type: ignore[attr-defined]
    assert hint_of(session, JobFailed("it failed", hint="the log")) == "the log"


def test_ctrl_c_while_waiting_says_that_everything_is_made(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Effective, "wait", interrupted)
    with pytest.raises(Interrupted, match="Everything is made") as caught:
        bring_up(session, ignore)
    assert caught.value.hint == "tunestack up --stack local goes on waiting."
