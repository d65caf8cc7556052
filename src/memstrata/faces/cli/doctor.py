"""Whether everything that a memory needs is here and works."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Final, Literal

import typer

from memstrata.errors import MemstrataError
from memstrata.faces.cli import show
from memstrata.faces.cli.faults import FAILED
from memstrata.faces.cli.options import Call, command

PACKAGES: Final = ("memstrata", "apsw", "numpy", "PyStemmer", "simsimd", "portalocker", "rich", "typer")
EXTRAS: Final = {
    "bench": ("matplotlib", "psutil"), "kv": ("torch", "transformers", "safetensors"),
    "mcp": ("mcp", "uvicorn"), "onnx": ("onnxruntime", "tokenizers"),
    "openai": ("httpx",), "sentence-transformers": ("sentence_transformers",),
    "server": ("fastapi", "uvicorn", "websockets", "prometheus_client", "opentelemetry", "jwt"),
    "tiktoken": ("tiktoken",), "turbovec": ("turbovec",),
}  # fmt: skip
MOUNTS: Final = Path("/proc/self/mounts")
REMOTE: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "9p", "fuse.sshfs", "fuse.s3fs",
     "fuse.rclone", "davfs", "fuse.gcsfuse", "beegfs"}
)  # fmt: skip
LITTLE: Final = 500_000_000  # bytes free

Verdict = Literal["ok", "warning", "broken", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    found: str


@command("doctor", searches=True)
def doctor(call: Call) -> None:
    """Look whether all that a memory needs works, and say what it is made of.

    Exits with 1 when something is broken."""
    findings = [*_versions(), *_home(call), *_parts(call), *_self_test(call), *_store(call), *_extras()]
    broken = any(finding.verdict == "broken" for finding in findings)
    if call.json:
        show.print_json({"ok": not broken, "findings": findings})
    else:
        _say(findings)
    if broken:
        raise typer.Exit(FAILED)


def _say(findings: list[Finding]) -> None:
    styles = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "broken": ("✗", "red"), "info": ("·", "dim")}
    for finding in findings:
        mark, style = styles[finding.verdict]
        show.say(show.text(f"{mark} {finding.name}: {finding.found}", style if finding.verdict != "ok" else ""))
    broken = sum(finding.verdict == "broken" for finding in findings)
    show.say(show.text(f"{broken} broken" if broken else "all is well", "bold red" if broken else "bold green"))


def _versions() -> Iterator[Finding]:
    import apsw

    yield Finding("python", "info", f"{platform.python_version()} on {platform.platform(terse=True)}")
    for name in PACKAGES:
        try:
            yield Finding(f"package {name}", "info", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(f"package {name}", "warning", "not installed as a package")
    yield Finding("sqlite", "ok", apsw.sqlite_lib_version())
    fts5 = "ENABLE_FTS5" in apsw.compile_options
    yield Finding("full-text search", "ok" if fts5 else "broken", "FTS5" if fts5 else "this SQLite has no FTS5")


# ── the directory ──


def _home(call: Call) -> Iterator[Finding]:
    from memstrata import config

    home = config.read(call.home).home
    folder = next(path for path in (home, *home.parents) if path.exists())
    yield Finding("home", "info", f"{home}{'' if home.exists() else ' (not made yet)'}")
    if not folder.is_dir():
        yield Finding("home", "broken", f"{folder} is no directory; pass another --home")
        return
    yield _writable(folder)
    yield _file_system(folder)
    free = shutil.disk_usage(folder).free
    yield Finding("free space", "ok" if free > LITTLE else "warning", show.size(free))


def _writable(folder: Path) -> Finding:
    """Whether a file can be made there and locked; it is gone again afterwards."""
    import portalocker

    try:
        with NamedTemporaryFile(dir=folder, prefix=".memstrata-doctor-") as file:
            portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
            portalocker.unlock(file)
    except portalocker.exceptions.LockException:
        return Finding("file locks", "broken", f"files in {folder} cannot be locked; use a local disk")
    except OSError as exc:
        return Finding("home", "broken", f"{folder} cannot be written to: {exc.strerror}; pass another --home")
    return Finding("home", "ok", "can be written to, and its files locked")


def _file_system(folder: Path) -> Finding:
    kind = _kind_of_file_system(folder)
    if kind is None:
        return Finding("file system", "info", "unknown; it should be a local one, not a network share")
    if kind in REMOTE:
        return Finding("file system", "warning", f"{kind} is a network file system, on which SQLite may lose data")
    return Finding("file system", "ok", kind)


def _kind_of_file_system(folder: Path) -> str | None:
    """The type of the mount that holds a folder, where the system tells."""
    try:
        mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return None
    real = folder.resolve()
    holding = [(len(Path(mount[1]).parts), mount[2]) for mount in mounts if real.is_relative_to(mount[1])]
    return max(holding)[1] if holding else None


# ── what it is made of ──


def _parts(call: Call) -> Iterator[Finding]:
    """What is registered for each kind of part, what of that comes from other packages, and what is chosen."""
    from memstrata import config, plugins

    searching = call.searching
    settings = config.read(
        call.home, embedder=call.embedder, retrievers=searching.retrievers, ranker=searching.ranker,
        reranker=searching.reranker,
    )  # fmt: skip
    chosen = {
        "embedders": settings.embedder or "builtin",
        "retrievers": ", ".join((*plugins.REGISTERED["retrievers"], *settings.retrievers)),
        "rankers": settings.ranker,
        "rerankers": settings.reranker or "none",
        "vector_caches": settings.vector_cache,
        "counters": settings.counter,
    }
    for kind in plugins.REGISTERED:
        others = [f"{name} (from {package})" for name, package in sorted(plugins.brought(kind).items())]
        there = ", ".join((*plugins.REGISTERED[kind], *others))
        said = f"; chosen: {chosen[kind]}" if kind in chosen else ""
        yield Finding(kind.replace("_", " "), "info", f"{there}{said}")


# ── does it work ──


def _self_test(call: Call) -> Iterator[Finding]:
    """Keep and find one text in a directory of its own, with the parts that were asked for."""
    from memstrata.clock import Stopwatch
    from memstrata.wiring import open_memory

    watch = Stopwatch()
    try:
        with (
            TemporaryDirectory(prefix="memstrata-doctor-") as folder,
            open_memory(
                folder,
                embedder=call.embedder,
                retrievers=call.searching.retrievers,
                ranker=call.searching.ranker,
                reranker=call.searching.reranker,
            ) as memory,
        ):
            watch.lap("open")
            memory.add("The lighthouse keeper plays chess on Tuesdays.")
            hits = memory.search("when is chess played?")
            watch.lap("use")
            embedder = memory.stats().embedder
    except (MemstrataError, OSError) as exc:
        yield Finding("self-test", "broken", f"{type(exc).__name__}: {exc}")
        return
    yield Finding("embedder", "ok", f"{embedder}, ready in {watch.ms['open']:.0f} ms")
    verdict: Verdict = "ok" if hits else "broken"
    said = "kept and found" if hits else "kept and did not find"
    yield Finding(
        "self-test",
        verdict,
        f"{said} a text in {watch.ms['use']:.0f} ms",
    )


def _store(call: Call) -> Iterator[Finding]:
    from memstrata import config
    from memstrata.store.sqlite.migrations import CURRENT  # opening brings every store to it

    home = config.read(call.home).home
    if not (home / "store.json").exists():
        yield Finding("store", "info", "none here yet; the first command that uses it makes one")
        return
    try:
        with call.opened(create=True) as memory:
            found = memory.stats()
    except MemstrataError as exc:
        yield Finding("store", "broken", f"{type(exc).__name__}: {exc}")
        return
    owed = sum(found.owed.values())
    yield Finding("store version", "ok", str(CURRENT))
    yield Finding(
        "store", "ok", f"{found.memories:,} memories at position {found.position:,}, {show.size(found.size_bytes)}"
    )
    yield Finding("store embedder", "ok", found.embedder)
    if found.blobs:
        yield Finding("store blobs", "ok", f"{found.blobs:,}, {show.size(found.blob_bytes)}")
    if owed:
        yield Finding("owed work", "info", f"{owed:,}; `memstrata upkeep` settles it")


def _extras() -> Iterator[Finding]:
    for extra, modules in EXTRAS.items():
        there = all(importlib.util.find_spec(module) is not None for module in modules)
        yield Finding(
            f"extra {extra}", "info", "installed" if there else f'not installed: pip install "memstrata[{extra}]"'
        )
