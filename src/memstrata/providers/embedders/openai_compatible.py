"""Turn texts into vectors by asking any endpoint that speaks OpenAI's `/embeddings`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from memstrata.errors import EmbedderMismatch, EmbedderUnavailable, InvalidInput, MissingExtra
from memstrata.providers.embedders import Role

if TYPE_CHECKING:
    import httpx

FIRST_WAIT_S: Final = 0.5  # before the first repetition; doubled before each further one
LONGEST_WAIT_S: Final = 30.0  # whatever Retry-After asks for
PASSING: Final = frozenset({408, 425, 429})  # and every 5xx: worth trying again
HINTS: Final = {
    400: "check the model's limits on length and on texts a request",
    401: "check the api_key",
    403: "check what the api_key may do",
    404: "check base_url (it ends before /embeddings) and the model's name",
    413: "lower batch",
    429: "too many requests; try again later",
}


class OpenAICompatible:
    """Texts go out in batches; what fails for the moment is tried again, what is wrong is refused.

    Works with OpenAI and with the servers that copy its interface. Nothing is sent before the first `embed`,
    or before the first look at `dimensions` or `identity` when no dimension was given. Neither texts nor the
    key appear in a log line or in an error's message. Threads may share one. `close` it, or use it in a
    `with`, to let its connections go.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str | None = None,
        dimensions: int | None = None,
        shorten: bool = False,
        timeout_s: float = 30.0,
        batch: int = 64,
        retries: int = 4,
        query_prefix: str = "",
        passage_prefix: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Keep the settings; raises MissingExtra without `httpx`, InvalidInput for settings that cannot be.

        `base_url` ends before `/embeddings`, for example `https://api.openai.com/v1`. `shorten` asks the
        model for vectors of `dimensions`, which only some can give. The prefixes are for models that want
        queries and passages marked.
        """
        try:
            import httpx
        except ImportError as exc:
            raise MissingExtra("OpenAI-compatible embedders", "openai") from exc
        if batch < 1 or retries < 0 or (dimensions is not None and dimensions < 1):
            raise InvalidInput(
                f"batch {batch} and dimensions {dimensions} must be 1 or more, retries {retries} 0 or more"
            )
        if shorten and dimensions is None:
            raise InvalidInput("shorten needs the dimensions to ask for")
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise InvalidInput("api_key must be printable ASCII; is there a line break at its end?")
        self._url = _address(base_url)
        self._model = model
        self._asked = {"dimensions": dimensions} if shorten else {}
        self._batch = batch
        self._retries = retries
        self._prefix: Mapping[Role, str] = {"query": query_prefix, "passage": passage_prefix}
        self._sleep = sleep
        self._expected = _Dimensions(dimensions)
        self._client = httpx.Client(
            timeout=timeout_s, headers={"Authorization": f"Bearer {api_key}"} if api_key else None
        )

    @property
    def identity(self) -> str:
        """`openai:{model}@{host}/{dimensions}`, with a short hash of the prefixes where there are any."""
        host = self._url.netloc.decode("ascii")
        marks = self._prefix["query"] + "\0" + self._prefix["passage"]
        mark = "" if marks == "\0" else "+" + hashlib.sha256(_sendable(marks).encode()).hexdigest()[:8]
        return f"openai:{self._model}@{host}/{self.dimensions}{mark}"

    @property
    def dimensions(self) -> int:
        """As given, or as the endpoint first answered; it is asked with one word if it never was."""
        if self._expected.value is None:
            self._vectors(["dimensions"], "passage")
        assert self._expected.value is not None
        return self._expected.value

    @property
    def inline(self) -> bool:
        """False: a call over the network is owed work."""
        return False

    def embed(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows, (len(texts), dimensions); an empty or blank text is not sent and gives an all-zero row.

        Raises EmbedderUnavailable when the endpoint refuses, stays away or answers with something that is no
        list of vectors; EmbedderMismatch for another dimension than expected; InvalidInput for a single
        string.
        """
        if isinstance(texts, str):
            raise InvalidInput('embed takes a sequence of texts: write ["…"] around a single one')
        places = [place for place, text in enumerate(texts) if text.strip()]
        answered: list[NDArray[np.float32]] = []
        for start in range(0, len(places), self._batch):
            sent = [self._prefix[role] + texts[place] for place in places[start : start + self._batch]]
            answered.append(self._vectors(sent, role))
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        if places:
            vectors[places] = np.concatenate(answered)
        return vectors

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def __enter__(self) -> OpenAICompatible:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _vectors(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        """One batch: asked for, checked, normalised."""
        answer = self._answer(texts, tries_again=0 if role == "query" else self._retries)
        try:
            entries = answer.json()["data"]
            # Some servers leave the index out.
            order = [int(entry.get("index", place)) for place, entry in enumerate(entries)]
            vectors = np.array([entry["embedding"] for entry in entries], np.float64)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as exc:
            raise EmbedderUnavailable(f"{self._host} answered, but not with a list of vectors of one length") from exc
        if sorted(order) != list(range(len(texts))) or vectors.ndim != 2 or not vectors.size:
            raise EmbedderUnavailable(f"{self._host} answered {len(entries)} vectors to {len(texts)} texts")
        if not np.isfinite(vectors).all():
            raise EmbedderUnavailable(f"{self._host} answered vectors that hold NaN or infinity")
        self._expected.settle(vectors.shape[1], model=self._model, host=self._host)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        rows = np.empty(vectors.shape, np.float32)
        rows[order] = vectors / np.where(length > 0, length, 1)
        return rows

    def _answer(self, texts: Sequence[str], *, tries_again: int) -> httpx.Response:
        """The first answer that is a success; tries again what may pass, after longer and longer waits.

        Somebody waits for a query, who is better served by an answer from words alone: it is asked once.
        """
        body = {
            "model": self._model,
            "input": [_sendable(text) for text in texts],
            "encoding_format": "float",
        }
        errors = _error_table()
        waits = (FIRST_WAIT_S * 2**again for again in range(tries_again))
        while True:
            try:
                answer = self._client.post(self._url, json=body | self._asked)
            except tuple(errors) as exc:
                failed = next(said for kind, said in errors.items() if isinstance(exc, kind))
                wait_s = next(waits, None)
                if wait_s is None:
                    raise EmbedderUnavailable(f"{self._host} {failed}; asked {tries_again + 1} times") from exc
            else:
                if answer.is_success:
                    return answer
                wait_s = next(waits, None) if _may_pass(answer.status_code) else None
                if wait_s is None:
                    hint = HINTS.get(answer.status_code, "see the endpoint's own log")
                    raise EmbedderUnavailable(f"{self._host} answered {answer.status_code}: {hint}")
                wait_s = max(wait_s, _retry_after_s(answer.headers))
            self._sleep(min(wait_s, LONGEST_WAIT_S))

    @property
    def _host(self) -> str:
        return self._url.host


class _Dimensions:
    """The dimension all vectors must have: given, or settled by the first answer."""

    def __init__(self, value: int | None) -> None:
        self.value = value

    def settle(self, found: int, *, model: str, host: str) -> None:
        if self.value is None:
            self.value = found
        elif found != self.value:
            raise EmbedderMismatch(
                f"{model} at {host} answered vectors of {found} dimensions, expected {self.value}; is it another model?"
            )


def _address(base_url: str) -> httpx.URL:
    import httpx

    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as exc:
        raise InvalidInput("base_url is no address; it looks like https://api.openai.com/v1") from exc
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidInput("base_url must begin with http:// or https:// and name a host")
    return url.copy_with(path=url.path.rstrip("/") + "/embeddings")


def _error_table() -> dict[type[Exception], str]:
    """What httpx raises and what that means here, the narrower class first."""
    import httpx

    return {
        httpx.TimeoutException: "did not answer in time",
        httpx.ConnectError: "cannot be reached",
        httpx.TransportError: "broke off the connection",
        httpx.HTTPError: "could not be asked",
    }


def _may_pass(status: int) -> bool:
    return status in PASSING or status >= 500


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """The wait asked for: seconds, or a date measured against the answer's own `Date`; 0 for none."""
    asked = headers.get("retry-after", "")
    try:
        return max(float(asked), 0.0)
    except ValueError:
        pass  # not a number of seconds: a date, or nothing
    try:
        wait = parsedate_to_datetime(asked) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return 0.0
    return max(wait.total_seconds(), 0.0)


def _sendable(text: str) -> str:
    """Lone surrogates have no UTF-8: they go out as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
