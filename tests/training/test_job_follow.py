"""How a growing log becomes events, and what following does when Azure stumbles."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import CloudError, JobFailed
from training import follow as following
from training.follow import JobLost, LogLine, Metrics, Status, follow

LOG = "user_logs/std_log.txt"


class Azure:
    """A job told as a list of looks: its state, and what each file holds by then."""

    def __init__(self, *looks: tuple[str, dict[str, bytes]] | CloudError) -> None:
        self.looks = list(looks)
        self.files: dict[str, bytes] = {}
        self.waits: list[float] = []

    def find_job(self, *_: object) -> Any:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, CloudError):
            raise look
        status, self.files = look
        return SimpleNamespace(name="j", status=status, studio_url="")

    def sizes(self) -> dict[str, int]:
        return {name: len(content) for name, content in self.files.items()}

    def read_from(self, name: str, offset: int) -> bytes:
        return self.files[name][offset:]

    def follow(self) -> Any:
        return follow(None, None, "j", wait=self.waits.append)  # type: ignore[arg-type]


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Azure]:
    def make(*looks: Any) -> Azure:
        fake = Azure(*looks)
        monkeypatch.setattr(following, "find_job", fake.find_job)
        monkeypatch.setattr(following, "log_folder", lambda *_: fake)
        monkeypatch.setattr(following, "failure_reason", lambda *_: "UserError: no right")
        return fake

    return make


def test_lines_are_given_whole_and_once(azure: Callable[..., Azure]) -> None:
    told = azure(
        ("Queued", {}),
        ("Running", {LOG: b"one\ntw"}),
        ("Running", {LOG: b"one\ntwo\n"}),
        ("Completed", {LOG: b"one\ntwo\nno end"}),
    )
    assert list(told.follow()) == [
        Status("Queued"),
        Status("Running"),
        LogLine("one"),
        LogLine("two"),
        LogLine("no end"),
        Status("Completed"),
    ]


def test_text_cut_inside_a_character_is_put_together(azure: Callable[..., Azure]) -> None:
    whole = "Zürich\n".encode()
    told = azure(("Running", {LOG: whole[:2]}), ("Completed", {LOG: whole}))
    assert LogLine("Zürich") in list(told.follow())


def test_a_progress_bar_counts_with_its_last_state(azure: Callable[..., Azure]) -> None:
    told = azure(("Completed", {LOG: b"10%\r50%\r100%\r\nplain\r\n"}))
    assert list(told.follow())[:2] == [LogLine("100%"), LogLine("plain")]


def test_metrics_are_told_from_text_that_looks_alike(azure: Callable[..., Azure]) -> None:
    log = b'metrics {"step": 1, "loss": 2.5}\nmetrics nonsense\nmetrics [1]\n'
    assert list(azure(("Completed", {LOG: log})).follow())[:3] == [
        Metrics({"step": 1, "loss": 2.5}),
        LogLine("metrics nonsense"),
        LogLine("metrics [1]"),
    ]


def test_build_and_first_process_are_shown_and_nothing_else(azure: Callable[..., Azure]) -> None:
    files = {
        "azureml-logs/20_image_build_log.txt": b"building\n",
        "user_logs/std_log_process_0.txt": b"first\n",
        "user_logs/std_log_process_1.txt": b"second\n",
        "system_logs/x.txt": b"system\n",
        "outputs/model.bin": b"\n",
    }
    events = list(azure(("Completed", files)).follow())
    assert events == [LogLine("building"), LogLine("first"), Status("Completed")]


def test_waits_grow_while_nothing_happens_and_start_anew_with_the_log(
    azure: Callable[..., Azure],
) -> None:
    quiet = [("Running", {})] * 6
    told = azure(*quiet, ("Running", {LOG: b"x\n"}), ("Completed", {LOG: b"x\n"}))
    list(told.follow())
    assert told.waits[:6] == sorted(told.waits[:6]) and max(told.waits) == 5.0
    assert told.waits[6] == 1.0


@pytest.mark.parametrize("status", [429, 503, 0])
def test_a_stumble_is_waited_out(azure: Callable[..., Azure], status: int) -> None:
    fault = CloudError("busy", status=status)
    told = azure(("Running", {}), fault, fault, fault, fault, ("Completed", {LOG: b"end\n"}))
    assert list(told.follow())[-2:] == [LogLine("end"), Status("Completed")]


def test_a_lasting_fault_names_the_command_that_resumes(azure: Callable[..., Azure]) -> None:
    with pytest.raises(CloudError) as error:
        list(azure(("Running", {}), CloudError("down", status=503)).follow())
    assert "The job goes on. Resume: tunestack jobs logs j --follow" in error.value.hint


def test_a_refusal_is_not_tried_again(azure: Callable[..., Azure]) -> None:
    told = azure(("Running", {}), CloudError("no right", status=403))
    with pytest.raises(CloudError):
        list(told.follow())
    assert len(told.waits) == 1


@pytest.mark.parametrize("status", ["Failed", "Canceled", "NotResponding"])
def test_what_did_not_complete_has_failed(azure: Callable[..., Azure], status: str) -> None:
    log = b"".join(b"line %d\n" % number for number in range(40))
    with pytest.raises(JobFailed) as failed:
        list(azure((status, {LOG: log})).follow())
    assert f"ended as {status}. UserError: no right." in str(failed.value)
    assert "line 39" in str(failed.value) and "line 24" not in str(failed.value)


def test_a_log_that_begins_anew_is_read_from_its_start(azure: Callable[..., Azure]) -> None:
    told = azure(
        ("Running", {LOG: b"first\nsecond\nhalf a li"}),
        ("Queued", {}),
        ("Running", {LOG: b"again\n"}),
        ("Completed", {LOG: b"again\nend\n"}),
    )
    lines = [event.text for event in told.follow() if isinstance(event, LogLine)]
    assert lines == ["first", "second", "again", "end"]


def test_a_preempted_job_is_lost_and_any_other_end_is_none(
    azure: Callable[..., Azure], monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "UserError: AzureMLCompute job failed. PreemptionError: Nodes got pre-empted."
    told = azure(("Failed", {LOG: b"x\n"}))
    monkeypatch.setattr(following, "failure_reason", lambda *_: reason)
    with pytest.raises(JobLost) as lost:
        list(told.follow())
    assert lost.value.job == "j" and "tunestack jobs resume j" in lost.value.hint


def test_a_job_whose_node_was_lost_can_be_resumed(
    azure: Callable[..., Azure], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = azure(("Failed", {}))
    monkeypatch.setattr(following, "failure_reason", lambda *_: "NodeLost: the server ended")
    with pytest.raises(JobFailed) as failed:
        list(told.follow())
    assert not isinstance(failed.value, JobLost)
    assert "tunestack jobs resume j" in failed.value.hint
