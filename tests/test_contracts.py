"""Run the contract tests over every name that is registered, so that a new one is tested by its line alone."""

from __future__ import annotations

import importlib.util
import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import cross_encoders
from memstrata import plugins
from memstrata.clock import RandomIds
from memstrata.config import Config
from memstrata.errors import InvalidConfig, MissingExtra
from memstrata.testing import (
    CounterContract,
    EmbedderContract,
    FakeEmbedder,
    FakeReranker,
    RankerContract,
    RerankerContract,
    RetrieverContract,
    SteppingClock,
    StoreContract,
    VectorCacheContract,
)
from memstrata.wiring import _counter

NEEDS = {
    "turbovec": ("turbovec",),
    "tiktoken": ("tiktoken",),
    "openai": ("httpx",),
    "sentence-transformers": ("sentence_transformers",),
    "cross-encoder": ("sentence_transformers",),
    "onnx": ("onnxruntime", "tokenizers", "onnx"),
}


class Endpoint(BaseHTTPRequestHandler):
    """Answers as an OpenAI-compatible server does, with the fake embedder's vectors."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        vectors = FakeEmbedder(dimensions=32).embed(asked["input"])
        data = [{"index": place, "embedding": vector.tolist()} for place, vector in enumerate(vectors)]
        body = json.dumps({"data": data, "model": asked["model"]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def need(name: str) -> None:
    for module in NEEDS.get(name, ()):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{name} needs the optional package {module}, which is not installed")


def store_of(name: str) -> type[StoreContract]:
    class Contract(StoreContract):
        def make(self, directory: Path) -> Any:
            return plugins.find("stores", name)(directory, clock=SteppingClock(), ids=RandomIds())

    return Contract


def vector_cache_of(name: str) -> type[VectorCacheContract]:
    class Contract(VectorCacheContract):
        def make(self, dimensions: int) -> Any:
            need(name)
            return plugins.find("vector_caches", name)(dimensions)

    return Contract


def retriever_of(name: str) -> type[RetrieverContract]:
    class Contract(RetrieverContract):
        def make(self) -> Any:
            return plugins.find("retrievers", name)()

        def test_it_goes_by_the_name_it_is_registered_under(self) -> None:
            assert self.make().name == name

    return Contract


def ranker_of(name: str) -> type[RankerContract]:
    class Contract(RankerContract):
        def make(self) -> Any:
            return plugins.find("rankers", name)()

        def test_it_goes_by_the_name_it_is_registered_under(self) -> None:
            assert self.make().name == name

    return Contract


def reranker_of(name: str) -> type[RerankerContract]:
    class Contract(RerankerContract):
        @pytest.fixture(autouse=True)
        def _there(self) -> Iterator[None]:
            need(name)
            with tempfile.TemporaryDirectory() as folder:
                made = cross_encoders.onnx_folder if name == "onnx" else cross_encoders.library_folder
                self.folder = str(made(Path(folder) / "model"))
                yield

        def make(self) -> Any:
            return plugins.find("rerankers", name)(self.folder)

        def test_it_goes_by_the_name_it_is_registered_under(self) -> None:
            assert self.make().name == name

    return Contract


def counter_of(name: str) -> type[CounterContract]:
    class Contract(CounterContract):
        def make(self) -> Any:
            need(name)
            try:
                return _counter(name)
            except InvalidConfig as exc:
                pytest.skip(f"{name} cannot be had here: {exc}")

    return Contract


def embedder_of(name: str) -> type[EmbedderContract]:
    class Contract(EmbedderContract):
        address = ""

        @pytest.fixture(autouse=True)
        def _served(self) -> Iterator[None]:
            need(name)
            if name != "openai":
                yield
                return
            with endpoint() as address:
                self.address = address
                yield

        def make(self) -> Any:
            found = plugins.find("embedders", name)
            if name == "openai":
                return found(base_url=self.address, model="fake")
            if name == "sentence-transformers":
                pytest.skip("sentence-transformers would download a model")
            return found()

    return Contract


CONTRACTS = {
    "stores": store_of,
    "vector_caches": vector_cache_of,
    "retrievers": retriever_of,
    "rankers": ranker_of,
    "rerankers": reranker_of,
    "counters": counter_of,
    "embedders": embedder_of,
}

# what a file format must do is tested by files, in tests/write/test_formats.py; caches of models in tests/kv
ELSEWHERE = {"formats", "kv_policies", "kv_allocations"}

for kind, contract_of in CONTRACTS.items():
    for name in plugins.REGISTERED[kind]:
        title = f"Test_{kind}_{name}".replace("-", "_")
        contract = contract_of(name)
        contract.__name__ = contract.__qualname__ = title
        globals()[title] = contract
del contract


class TestFakeReranker(RerankerContract):
    def make(self) -> FakeReranker:
        return FakeReranker()


class TestFakeEmbedder(EmbedderContract):
    def make(self) -> FakeEmbedder:
        return FakeEmbedder()


def test_every_kind_that_can_be_registered_has_a_contract() -> None:
    assert set(plugins.REGISTERED) == set(CONTRACTS) | ELSEWHERE


def test_an_unknown_name_says_which_are_known() -> None:
    with pytest.raises(InvalidConfig, match="did you mean 'turbovec'"):
        plugins.find("vector_caches", "turbovek")


def test_a_missing_extra_names_the_command_that_installs_it() -> None:
    assert 'pip install "memstrata[turbovec]"' in str(MissingExtra("4-bit vector caches", "turbovec"))


def test_settings_do_not_show_the_key() -> None:
    assert "hush" not in repr(Config(Path("x"), embedder_key="hush"))
