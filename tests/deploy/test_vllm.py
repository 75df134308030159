"""The vLLM container: its command line, its route `/score`, and what Azure is sent for it.

vLLM itself needs a GPU and is not run: a small application with its routes stands behind the
middleware. Argument names were read in vLLM 0.33's source.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from core.errors import SettingsError
from deploy.environment import SERVING
from deploy.runtimes import RUNTIMES, VLLM, choose, stage

GPU = "Standard_NC24ads_A100_v4"


@pytest.fixture(autouse=True)
def programs(serving: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(VLLM))


@pytest.fixture
def asked() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def route(
    model_folder: Path, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """The middleware before an application that answers as vLLM's chat completions do."""
    from scoring_route import ScoringRoute

    async def chat(request: Request) -> Response:
        body = await request.json()
        asked.append(body)
        if body["messages"][-1]["content"] == "too much":
            return JSONResponse({"error": {"message": "no", "code": 400}}, status_code=400)
        if body["stream"]:
            parts = [b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n', b"data: [DONE]\n\n"]
            return StreamingResponse(iter(parts), media_type="text/event-stream")
        choice = {
            "message": {"role": "assistant", "content": f"said {body['messages'][-1]['content']}"},
            "finish_reason": "stop",
        }
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        return JSONResponse({"choices": [choice], "usage": usage, "object": "chat.completion"})

    async def health(request: Request) -> Response:
        return Response()

    monkeypatch.setenv("AZUREML_MODEL_DIR", str(model_folder.parent.parent))
    routes = [Route("/v1/chat/completions", chat, methods=["POST"]), Route("/health", health)]
    with TestClient(ScoringRoute(Starlette(routes=routes))) as client:
        yield client


def test_a_chat_body_goes_on_with_the_models_own_end_tokens_and_a_length(
    route: TestClient, asked: list[dict[str, Any]]
) -> None:
    body = {"messages": [{"role": "user", "content": "hello"}], "temperature": 0.5, "seed": 7}
    answer = route.post("/score", json=body)
    assert answer.json()["choices"][0]["message"]["content"] == "said hello"
    sent = asked[0]
    assert (sent["model"], sent["temperature"], sent["seed"]) == ("tuned", 0.5, 7)
    assert sent["max_tokens"] == 256 and sent["stop_token_ids"]


def test_the_tutorials_bodies_are_answered_in_their_own_shapes(
    route: TestClient, asked: list[dict[str, Any]]
) -> None:
    body = {"input_data": ["one", "two"], "params": {"max_new_tokens": 5}}
    assert route.post("/score", json=body).json() == ["said one", "said two"]
    assert [each["max_tokens"] for each in asked] == [5, 5]
    turns = [{"role": "user", "content": "three"}]
    answer = route.post("/score", json={"input_data": {"input_string": turns}})
    assert answer.json() == {"output": "said three"}


def test_a_stream_passes_through_as_it_is(route: TestClient) -> None:
    body = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
    answer = route.post("/score", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"not json", 400),
        (b"{}", 400),
        (b'{"messages": [{"role": "user", "content": "<|end|>"}]}', 400),
        (b'{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4000}', 400),
        (b'{"input_data": ["too much"]}', 400),
        (b" " * (1024 * 1024 + 1), 413),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(
    route: TestClient, content: bytes, status: int
) -> None:
    answer = route.post("/score", content=content)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_other_routes_are_vllms_own(route: TestClient) -> None:
    assert route.get("/health").status_code == 200
    assert route.get("/score").status_code == 405


def test_a_plain_model_is_served_as_tuned_within_its_context() -> None:
    from start import command

    argv = command(Path("/model"), {}, 131_072)
    assert argv[:3] == ["vllm", "serve", "/model"]
    assert after(argv, "--served-model-name") == "tuned"
    assert after(argv, "--max-model-len") == "16384"
    assert "--enable-lora" not in argv
    assert "--trust-remote-code" not in argv


def test_adapters_are_served_beside_their_base() -> None:
    from start import command

    manifest = {"adapters": {"tuned": {"path": "adapter", "rank": 12}}}
    argv = command(Path("/model"), manifest, 4096)
    assert after(argv, "--served-model-name") == "base"
    assert after(argv, "--max-lora-rank") == "16"
    assert after(argv, "--lora-modules") == "tuned=/model/adapter"


def test_a_changed_template_starts_nothing(
    model_copy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import start

    (model_copy / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(model_copy.parent))
    monkeypatch.setattr("os.execvp", lambda *_: pytest.fail("it started"))
    with pytest.raises(SystemExit) as left:
        start.main()
    assert left.value.code == 3
    assert "chat template" in caplog.text


def test_azure_gets_a_build_context_with_routes_that_changes_with_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    made = stage(RUNTIMES["vllm"], GPU, tmp_path / "one").environment
    assert made is not None and made.build is not None
    context = Path(str(made.build.path))
    dockerfile = (context / "Dockerfile").read_text()
    assert "FROM vllm/vllm-openai:v" in dockerfile and ":latest" not in dockerfile
    needed = {"start.py", "scoring_route.py", "bodies.py", "template_fingerprint.py"}
    assert needed <= {path.name for path in context.iterdir()}
    sent = made._to_rest_object()
    sent = sent if isinstance(sent, dict) else sent.as_dict()
    routes = sent["properties"]["inferenceConfig"]
    assert routes["scoringRoute"] == {"port": 8000, "path": "/score"}
    again = stage(RUNTIMES["vllm"], GPU, tmp_path / "two").environment
    assert again is not None and again.version == made.version


def test_every_module_that_the_container_imports_is_in_it(tmp_path: Path) -> None:
    import ast

    context = Path(str(stage(RUNTIMES["vllm"], GPU, tmp_path).environment.build.path))  # type: ignore[union-attr]
    ours = {path.stem for folder in (SERVING, VLLM) for path in folder.glob("*.py")}
    for path in context.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module in ours:
                assert (context / f"{node.module}.py").exists(), f"{path.name} needs {node.module}"


@pytest.mark.parametrize(
    ("asked_for", "tags", "size", "reason"),
    [
        ("vllm", {}, "Standard_E4s_v3", "runs on a GPU"),
        ("openvino", {}, "Standard_E4s_v3", "does not read"),
        ("", {"runtime": "openvino"}, GPU, "without GPU"),
        ("onnx", {}, GPU, "none of transformers, openvino, vllm, mlflow"),
    ],
)
def test_a_runtime_that_does_not_fit_is_refused(
    asked_for: str, tags: dict[str, str], size: str, reason: str
) -> None:
    with pytest.raises(SettingsError, match=reason):
        choose(asked_for, tags, size)


def test_the_runtime_follows_from_the_model_and_can_be_chosen() -> None:
    assert choose("", {}, GPU).name == "transformers"
    assert choose("vllm", {}, GPU).name == "vllm"
    assert choose("", {"runtime": "vllm"}, GPU).name == "vllm"
    assert choose("", {"runtime": "mlflow"}, "Standard_E4s_v3").name == "mlflow"


def after(argv: list[str], flag: str) -> str:
    return argv[argv.index(flag) + 1]
