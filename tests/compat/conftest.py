"""Run the suites of other libraries on our faces: await what they await, and find their files."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Their asynchronous tests carry no mark."""
    if config.pluginmanager.hasplugin("asyncio"):
        config.option.asyncio_mode = "auto"


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The unpacked source package of a pinned requirement, such as `name==1.0`; without a network tests are skipped."""

    def unpacked(requirement: str) -> Path:
        name, _, version = requirement.partition("==")
        folder = tmp_path_factory.mktemp(name)
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name,
             "--dest", str(folder), requirement],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = [*folder.glob("*.tar.gz")]
        if done.returncode or len(found) != 1:
            pytest.skip(f"{requirement} cannot be downloaded: {done.stderr.strip()[-200:]}")
        with tarfile.open(found[0]) as archive:
            archive.extractall(folder, filter="data")
        return next(folder.glob(f"*{version}/"))

    return unpacked
