"""Run the protocol's own conformance tests against the server; what is expected to fail is in a reviewed list."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from serving import over_http, run, skipped

CONFORMANCE = "@modelcontextprotocol/conformance@0.1.13"
EXPECTED = Path(__file__).with_name("conformance_expected_failures.yml")


def main() -> int:
    """0 when nothing failed that the list does not name, and nothing it names went well."""
    if skipped():
        return 0
    with TemporaryDirectory() as home, over_http(home) as url:
        done = run("npx", "--yes", CONFORMANCE, "server", "--url", url, "--expected-failures", str(EXPECTED))
    print(done.stdout[done.stdout.find("=== SUMMARY ===") :] or done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
