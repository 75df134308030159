"""Azure ML, its blobs and its endpoints under every fault, through the product's own operations.

The clients are azure-ai-ml, azure-storage-blob and httpx, unmodified, each with the retry policy
that it comes with: three more tries for what is read, put and deleted. What is POSTed they send
again only when the answer says that it was not done (429, 500, 503, 504); the product then tells
the person to give the command again, which does no harm.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from meetings import FAILING, FAULTS, meeting
from quick import order, recipe

from core.azure_errors import AGAIN
from core.cloud import Cloud
from core.environments import ensure_environment, pinned_environment
from core.errors import CloudError
from core.refs import EndpointRef, ModelRef, StackOutputs
from core.settings import Settings
from deploy.endpoint import ensure_endpoint, find, undeploy
from deploy.releasing.order import DeployOrder
from deploy.releasing.rollout import deploy
from deploy.talking.chat import Conversation, open_conversation
from infra.in_process.engine import InProcess
from local import faults
from local.faults import Fault
from local.process import LocalAzure
from training.artifacts import log_folder
from training.assets import ensure_data
from training.follow import follow
from training.jobs import find_job
from training.metrics import metric_history
from training.submission import submit

TESTS = Path(__file__).resolve().parents[1]
POSTED = frozenset(("502", "cut-before", "cut-after"))
"""After these azure-core does not know whether a POST was done, and does not repeat it."""
SAMPLE = ("503", "cut-after")
LOG = "user_logs/std_log.txt"

_numbers = itertools.count(1)


@dataclass
class Bench:
    """A stack with a finished job in it, and a folder for what is uploaded."""

    cloud: Cloud
    outputs: StackOutputs
    folder: Path
    job: str = ""
    number: int = 0
    conversation: Conversation | None = None

    @property
    def name(self) -> str:
        """A name of this test's own."""
        return f"faulty-{self.number}"

    @property
    def client(self) -> Any:
        return self.cloud.workspace(self.outputs)

    def fresh(self) -> Path:
        """A folder with files of this test's own content."""
        folder = self.folder / self.name
        folder.mkdir(exist_ok=True)
        (folder / f"{self.name}.jsonl").write_text(json.dumps({"number": self.number}))
        (folder / "word.txt").write_text("hello")
        (folder / "requirements.txt").write_text(f"# {self.name}\n")
        image = json.dumps({"python": "3.11", "image_cpu": "cpu:1", "image_gpu": "gpu:1"})
        (folder / "environment.json").write_text(image)
        return folder

    def put_data(self) -> None:
        file = self.fresh() / f"{self.name}.jsonl"
        ensure_data(self.cloud, self.outputs, self.name, file, f"{self.number:064}")

    def put_environment(self) -> None:
        environment = pinned_environment(self.name, "", self.fresh(), "cpu")
        ensure_environment(self.cloud, self.outputs, environment)

    def put_model(self) -> None:
        from azure.ai.ml.entities import Model

        model = Model(name=self.name, path=str(self.fresh()), type="custom_model")
        self.client.models.create_or_update(model)

    def submit(self) -> str:
        chosen = recipe(name=self.name)
        return submit(self.cloud, self.outputs, order(self.fresh(), chosen)).name

    def submit_new_code(self) -> None:
        """Submit a program that was not uploaded before."""
        code = self.fresh()
        (code / "train.py").write_text(f"print({self.number})\n")
        changed = order(code, recipe(name=self.name)).__dict__ | {"code": code}
        submit(self.cloud, self.outputs, type(order(code, recipe()))(**changed))

    def jobs(self) -> int:
        """How many jobs this test has made."""
        names = [str(job.name) for job in self.client.jobs.list()]
        return sum(name.startswith(f"{self.name}-") for name in names)

    def ensure_endpoint(self) -> None:
        ensure_endpoint(self.cloud, self.outputs, lambda told: None)

    def endpoint(self) -> str:
        found = find(self.cloud, self.outputs)
        return found.state if found else ""

    def undeploy(self) -> None:
        undeploy(self.cloud, self.outputs)


def nothing(bench: Bench) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Kind:
    """A kind of request: what sends it, which it is, what must be true then."""

    act: Callable[[Bench], Any]
    meant: Fault
    is_done: Callable[[Bench], bool]
    prepare: Callable[[Bench], Any] = nothing
    gives_up: frozenset[str] = frozenset()
    """Faults after which the person is told to give the command again."""


def one_version(of: str) -> Callable[[Bench], bool]:
    """Hold a test to having made one version of its asset."""
    return lambda bench: len(list(getattr(bench.client, of).list(name=bench.name))) == 1


KINDS = {
    "data": Kind(Bench.put_data, Fault("PUT", path="*/data/faulty-*"), one_version("data")),
    "environment": Kind(
        Bench.put_environment,
        Fault("PUT", path="*/environments/faulty-*"),
        one_version("environments"),
    ),
    "model": Kind(Bench.put_model, Fault("PUT", path="*/models/faulty-*"), one_version("models")),
    "job": Kind(Bench.submit, Fault("PUT", path="*/jobs/faulty-*"), lambda b: b.jobs() == 1),
    "code": Kind(
        Bench.submit_new_code,
        Fault("POST", path="*/startPendingUpload"),
        lambda b: b.jobs() == 1,
        gives_up=POSTED,
    ),
    "job-read": Kind(
        lambda b: find_job(b.cloud, b.outputs, b.job),
        Fault("GET", path="*/jobs/*"),
        lambda b: True,
    ),
    "metrics": Kind(
        lambda b: metric_history(b.cloud, b.outputs, b.job, "loss"),
        Fault("GET", host="*.api.azureml.ms"),
        lambda b: True,
    ),
    "endpoint": Kind(
        Bench.ensure_endpoint,
        Fault("PUT", path="*/onlineEndpoints/*"),
        lambda b: b.endpoint() == "Succeeded",
        Bench.undeploy,
    ),
    "endpoint-poll": Kind(
        Bench.ensure_endpoint,
        Fault("GET", path="*/mfeOperationsStatus/*"),
        lambda b: b.endpoint() == "Succeeded",
        Bench.undeploy,
    ),
    "endpoint-gone": Kind(
        Bench.undeploy,
        Fault("DELETE", path="*/onlineEndpoints/*"),
        lambda b: b.endpoint() == "",
        Bench.ensure_endpoint,
    ),
}


@pytest.fixture(scope="module")
def bench(local_azure: LocalAzure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    cloud = Cloud.sign_in(local_azure.environment["AZURE_SUBSCRIPTION_ID"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESTACK_HOME", str(tmp_path_factory.mktemp("home")))
        engine = InProcess(
            "mlfaults", Settings(compute="cpu", person_type="ServicePrincipal"), cloud
        )
        bench = Bench(cloud, engine.up(lambda event: None), tmp_path_factory.mktemp("files"))
        bench.job = bench.submit()
        list(follow(cloud, bench.outputs, bench.job))
        yield bench
        bench.undeploy()
        engine.destroy(lambda event: None)


@pytest.fixture(autouse=True)
def cleared(bench: Bench, azure_folder: Path) -> Iterator[None]:
    """Give every test its number; leave no fault behind."""
    bench.number = next(_numbers)
    yield
    faults.clear(azure_folder)


def hit(bench: Bench, azure: Path, kind: Kind, fault: str) -> None:
    """Do what sends a kind of request while a fault hits it once."""
    kind.prepare(bench)
    if fault not in kind.gives_up:
        with meeting(azure, kind.meant, FAULTS[fault], times=1):
            kind.act(bench)
    else:
        meets = meeting(azure, kind.meant, FAULTS[fault], times=1)
        with meets, pytest.raises(CloudError) as caught:
            kind.act(bench)
        assert AGAIN in caught.value.hint
        kind.act(bench)
    assert kind.is_done(bench)


@pytest.mark.parametrize("fault", SAMPLE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_is_got_over(bench: Bench, azure_folder: Path, kind: str, fault: str) -> None:
    hit(bench, azure_folder, KINDS[kind], fault)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in SAMPLE])
@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_got_over(bench: Bench, azure_folder: Path, kind: str, fault: str) -> None:
    """Slow: seventy runs, one of them of a second wherever Azure asks for it."""
    hit(bench, azure_folder, KINDS[kind], fault)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["503", "cut-before", "cut-after"])
def test_an_upload_is_got_over(bench: Bench, azure_folder: Path, fault: str) -> None:
    """Slow: the blob client tries again after 15 seconds. (It knows no 429; blobs answer 503.)"""
    upload = Kind(
        Bench.put_data,
        Fault("PUT", "*.blob.*", f"*/{bench.name}.jsonl"),
        one_version("data"),
    )
    hit(bench, azure_folder, upload, fault)


@pytest.mark.slow
def test_an_upload_of_code_whose_answer_was_lost_is_got_over(
    bench: Bench, azure_folder: Path
) -> None:
    """Slow: the blob client tries again after 15 seconds."""
    code = Kind(
        Bench.submit_new_code, Fault("PUT", "*.blob.*", "*/train.py"), lambda b: b.jobs() == 1
    )
    hit(bench, azure_folder, code, "cut-after")


@pytest.mark.slow
def test_a_download_is_got_over(bench: Bench, azure_folder: Path) -> None:
    """Slow: the blob client tries again after 15 seconds; every fault at once, side by side."""
    folder = log_folder(bench.cloud, bench.outputs, bench.job)
    content = folder.read(LOG)
    assert content
    met = [name for name in FAULTS if name != "429"]  # blobs never answer it
    for name in met:
        folder.container.upload_blob(folder.prefix + name, content)
        where = {"method": "GET", "host": "*.blob.*", "path": f"*/{name}"}
        faults.add(azure_folder, replace(FAULTS[name], **where))
    with ThreadPoolExecutor(len(met)) as pool:
        read = list(pool.map(folder.read, met))
    assert read == [content] * len(met)
    assert [rule.hits for rule in faults.rules(azure_folder)] == [1] * len(met)


@pytest.fixture(scope="module")
def conversation(bench: Bench) -> Conversation:
    """A conversation with a deployment that answers."""
    bench.number = next(_numbers)
    bench.put_model()
    program = TESTS / "deploy" / "quick_serving"
    ref: EndpointRef = deploy(
        bench.cloud, bench.outputs,
        DeployOrder(ModelRef(name=bench.name, version="1"), "Standard_E4s_v3"), program=program,
    )  # fmt: skip
    bench.conversation = open_conversation(bench.cloud, bench.outputs, ref)
    return bench.conversation


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_question_is_asked_again_or_the_person_is_told(
    conversation: Conversation, azure_folder: Path, fault: str
) -> None:
    """Slow: it takes a deployment. A question is not remembered unless it was answered."""
    conversation.forget()
    meant = Fault("POST", "*.inference.ml.azure.com", "/score")
    with meeting(azure_folder, meant, FAULTS[fault], times=1):
        if not fault.startswith("500"):
            assert conversation.ask("Hello?")
        else:  # the model's own failure: it would be the same again
            with pytest.raises(CloudError):
                conversation.ask("Hello?")
            assert conversation.messages == []
            assert conversation.ask("Hello?")
    assert len(conversation.messages) == 2


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAILING)
def test_the_key_is_read_or_the_person_is_told(
    bench: Bench, conversation: Conversation, azure_folder: Path, fault: str
) -> None:
    """Slow: it takes a deployment."""
    read = Kind(
        lambda b: open_conversation(b.cloud, b.outputs, conversation.endpoint),
        Fault("POST", path="*/listKeys"),
        lambda b: True,
        gives_up=POSTED,
    )
    hit(bench, azure_folder, read, fault)
