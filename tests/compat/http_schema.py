"""Throw generated requests at a server, and hold every answer against the OpenAPI that it publishes.

python tests/compat/http_schema.py [--cases 10000]

Needs schemathesis. Exits with 1 when an answer is a fault of the server, has a status, type or shape that is not
published, or when a request that breaks the schema is taken.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "faces"))

from serving import served

OPERATIONS = 27
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "negative_data_rejection,unsupported_method"
)


def run(cases: int, *, phases: str = "examples,coverage,fuzzing") -> subprocess.CompletedProcess[str]:
    """Run about so many cases against a server of our own."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "store", rate=0.0) as server:
        with server.client() as client:  # schemathesis waits ten seconds for what is put together when first asked for
            client.get("/v1/openapi.json")
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/v1/openapi.json",
            "--max-examples", str(max(1, cases // OPERATIONS)), "--checks", CHECKS, "--phases", phases,
            "--exclude-path", "/v1/stream", "--generation-deterministic", "--request-timeout", "30", "--no-color",
            "--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off",
        ]  # fmt: skip
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def main() -> None:
    """Run the cases asked for, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    done = run(parser.parse_args().cases)
    print(done.stdout + done.stderr)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
