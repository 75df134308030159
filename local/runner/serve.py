"""Start the Azure ML inference server of this environment, on the loopback only.

The package's own `azmlinfsrv` listens on every interface and has no option for it; its default
is replaced here, in memory, and the package stays as installed. Runs in a deployment's
environment and imports nothing of ours.
"""

from azureml_inference_server_http import amlserver  # type: ignore[import-not-found]

if not hasattr(amlserver, "DEFAULT_HOST"):
    raise SystemExit(
        "This azureml-inference-server-http has no DEFAULT_HOST: it cannot be kept local."
    )
amlserver.DEFAULT_HOST = "127.0.0.1"
amlserver.run()
