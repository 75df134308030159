"""Facts of a stack as `commands.status.facts` gathers them, to be changed by tests."""

from typing import Any

EVIL = "<script>alert('x')</script><img src=https://example.org/x onerror=alert(1)>\"'&"

GROUP = "/subscriptions/s/resourceGroups/rg-tunestack-dev"


def history(steps: int = 40) -> list[dict[str, Any]]:
    trained = [{"step": step, "loss": 3 / step + 0.5} for step in range(1, steps + 1)]
    evaluated = [{"step": step, "eval_loss": 4.0 - step / steps} for step in (0, 20, 40)]
    return sorted([*trained, *evaluated], key=lambda point: point["step"])


def run(**changes: Any) -> dict[str, Any]:
    return {
        "route": "azureml", "name": "job-1", "status": "Completed",
        "created": "2026-11-22T07:00:00", "studio_url": "https://ml.azure.com/runs/job-1",
        "tags": {"recipe": "phi", "base": "org/phi"}, "history": history(),
        "verdict": {"band": "mild", "ratio": 1.3, "advice": "More data.", "best_step": 40,
                    "kept_step": 40},
        "hours": 1.5, "usd": 6.3, "estimate": 5.0, **changes,
    }  # fmt: skip


def model(**changes: Any) -> dict[str, Any]:
    return {
        "route": "azureml", "name": "travel", "version": "3", "created": "2026-11-22T08:00:00",
        "path": "", "tags": {"job": "job-1", "base": "org/phi", "eval_loss": "1.2345"},
        "serves": ["v3"], "evaluation": None, **changes,
    }  # fmt: skip


def answer(**changes: Any) -> dict[str, Any]:
    return {
        "name": "v3", "where": "mlw-dev", "route": "azureml", "serves": "tuned",
        "model": "travel:3", "state": "Succeeded", "traffic": 100, "runs_on": "1 × Standard_E4s_v3",
        "runtime": "vllm", "per_hour": 0.252, "created": "2026-11-22T08:30:00", "expires": "",
        "id": "", **changes,
    }  # fmt: skip


def item(**changes: Any) -> dict[str, Any]:
    return {"kind": "deployment", "name": "mlw-dev/v3", "what": "1 × Standard_E4s_v3",
            "hours": 2.0, "usd": 0.5, "estimate": None, "per_hour": 0.252, **changes}  # fmt: skip


def facts(**changes: Any) -> dict[str, Any]:
    cost = {"items": [item()], "usd": 6.8, "per_hour": 0.252, "known_per_hour": 0.252,
            "unknown": [], "not_seen": "storage by use"}  # fmt: skip
    return {
        "stack": "dev", "is_up": True, "is_rehearsal": False, "region": "eastus2",
        "as_of": "2026-11-22T09:00:00+00:00", "since": "2026-11-20T09:00:00+00:00", "expires": "",
        "resources": [
            {"name": "mlw-dev", "title": "workspace", "id": f"{GROUP}/mlw-dev", "is_there": True},
            {"name": "job-reads", "title": "grant", "id": f"{GROUP}/grant", "is_there": True},
        ],
        "answers": [answer()], "runs": [run()], "models": [model()], "cost": cost,
        "per_month": 183.96, "warnings": [], "not_readable": [], **changes,
    }  # fmt: skip
