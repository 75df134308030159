"""Stands in for `pulumi-language-python`: runs the program for the engine, by the SDK's own server.

Pulumi's own language host is a Go program that a test machine may not have; what it reads of
Pulumi.yaml's runtime options (which virtual environment) is therefore not tested.
"""

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from plugin import serve
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

MOST = ("grpc.max_receive_message_length", 400 << 20)


class Host(LanguageServer):
    """Runs whichever program the engine names."""

    def __init__(self, engine: str) -> None:
        super().__init__(program=lambda: None)
        self._engine = engine

    def Handshake(self, request: Any, context: Any) -> Any:
        return language_pb2.LanguageHandshakeResponse()

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        return language_pb2.RuntimeOptionsResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="3.250.0")

    def Run(self, request: Any, context: Any) -> Any:
        program = Path(request.info.program_directory, request.info.entry_point)
        self.program = lambda: runpy.run_path(str(program), run_name="__main__") and None
        request.args[:] = [self._engine]
        return super().Run(request, context)

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a policy pack, the only plugin that is written in Python here, in its own venv."""
        pack = Path(request.info.program_directory)
        python = pack / dict(request.info.options)["virtualenv"] / "bin" / "python"
        process = subprocess.Popen(
            [python, "-u", "-m", "pulumi.policy", *request.args, pack],
            cwd=request.pwd,
            env={**os.environ, **dict(pair.split("=", 1) for pair in request.env)},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        for line in process.stdout:
            yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())


if __name__ == "__main__":
    _server = grpc.server(ThreadPoolExecutor(8), options=[MOST])
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(sys.argv[-1]), _server)
    serve(_server)
