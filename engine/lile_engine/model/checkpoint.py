"""A LILE checkpoint: a folder with ``config.json``, ``model.safetensors``, tokenizer files, ``model_card.md``,
``checksums.json`` and, where known, ``reference.safetensors`` and ``phrases.json``. Nothing that runs is written or
read."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from lile_engine.errors import ModelError
from lile_engine.model.config import LileConfig
from lile_engine.model.create import build_lile
from lile_engine.model.folders import check_folder, new_folder, read_config, read_weights
from lile_engine.model.known import FILE as PHRASES
from lile_engine.model.known import read_phrases, write_phrases
from lile_engine.model.library import CARD, TRAINED_ON
from lile_engine.model.lile import Lile
from lile_engine.model.protocol import ModelIdentity
from lile_engine.model.reference import FILE as REFERENCE
from lile_engine.model.reference import Reference, load_reference, save_reference
from lile_engine.model.text import TOKENIZER_FILES, PhraseTokenizer, read_tokenizer

WEIGHTS, TOKENIZER, CHECKSUMS = "model.safetensors", "tokenizer.json", "checksums.json"

# What has a sum: all but the card and the list of cases, of which a person may strike a name.
SUMMED = ("config.json", WEIGHTS, *TOKENIZER_FILES, REFERENCE, PHRASES)

# Settings that do not change a single vector, and so leave an archive's vectors valid.
_FREE = frozenset({"name", "alpha", "rerank_k", "lambda_self", "temperature", "dropout", "format", "model_type", "mpp"})


@dataclass(frozen=True)
class Checkpoint:
    """What a folder held: the network (float32, eval mode, on the CPU) and what belongs to it."""

    folder: Path
    model: Lile
    tokenizer: PhraseTokenizer
    identity: ModelIdentity
    reference: Reference | None
    phrases: tuple[str, ...] = ()


def save_checkpoint(
    folder: Path,
    model: Lile,
    tokenizer_files: Path,
    card: str,
    reference: Reference | None = None,
    *,
    half: bool = True,
    phrases: Sequence[str] = (),
    trained_on: Mapping[str, Sequence[str]] | None = None,
) -> ModelIdentity:
    """Writes a checkpoint, whole or not at all, over an older one of that name.

    ``tokenizer_files`` is the folder they are copied from; ``half`` stores matrices as float16 (vectors and
    statistics stay float32); ``phrases`` are those that it knows (`model.known`); ``trained_on`` names the slides and
    cases of the pairs, for who must forget one.
    Returns the identity; raises `ModelError` where the tokenizer does not fit or nothing can be written.
    """
    read_tokenizer(tokenizer_files)
    weights = {name: _stored(t, half) for name, t in model.state_dict().items()}
    with _written_to(folder), new_folder(folder) as scratch:
        (scratch / "config.json").write_text(model.config.to_json(), "utf-8")
        save_file(weights, scratch / WEIGHTS, metadata={"format": "pt"})
        for name in TOKENIZER_FILES:
            if (tokenizer_files / name).is_file():
                shutil.copyfile(tokenizer_files / name, scratch / name)
        (scratch / CARD).write_text(card, "utf-8")
        if reference is not None:
            save_reference(reference, scratch)
        if phrases:
            write_phrases(scratch, phrases)
        if trained_on is not None:
            (scratch / TRAINED_ON).write_text(json.dumps(trained_on, ensure_ascii=False) + "\n", "utf-8")
        sums = {name: sha256(scratch / name) for name in SUMMED if (scratch / name).is_file()}
        (scratch / CHECKSUMS).write_text(json.dumps(sums, indent=2) + "\n", "utf-8")
    return identity_of(folder, model.config)


@contextmanager
def _written_to(folder: Path) -> Iterator[None]:
    """A full disk, or one that went away, in a sentence."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"The model cannot be written to {folder} ({error}); make room there or choose another folder."
        ) from error


def load_checkpoint(folder: Path) -> Checkpoint:
    """Reads a checkpoint; raises `ModelError`, in one sentence, for whatever is wrong with it."""
    check_folder(folder)
    read_config(folder)
    config = LileConfig.from_json((folder / "config.json").read_text("utf-8"))
    tokenizer = PhraseTokenizer(read_tokenizer(folder), config.max_text_tokens)
    _check_sums(folder)
    weights = read_weights(folder / WEIGHTS)
    model = build_lile(config)
    own = model.state_dict()
    for name in sorted(own.keys() ^ weights.keys()):
        lacking = "lack" if name in own else "hold an unknown"
        raise ModelError(f"The weights in {folder} {lacking} tensor {name} and do not fit its config.json.")
    for name, value in weights.items():
        if value.shape != own[name].shape:
            raise ModelError(
                f"The tensor {name} in {folder} is {tuple(value.shape)} but its config.json asks for "
                f"{tuple(own[name].shape)}; the checkpoint is put together from two."
            )
        if not torch.isfinite(value.sum()):  # one odd value spoils the sum, and the sum is cheap
            raise ModelError(f"The tensor {name} in {folder} holds values that are no numbers; the model is damaged.")
    if tokenizer.largest_id >= int(config.text_config.get("vocab_size", tokenizer.largest_id + 1)):
        raise ModelError(f"The tokenizer.json in {folder} knows more words than the model; it is another model's.")
    model.load_state_dict(weights, assign=True)
    model.eval()
    reference = load_reference(folder, config.width)
    return Checkpoint(folder, model, tokenizer, identity_of(folder, config), reference, read_phrases(folder))


def identity_of(folder: Path, config: LileConfig) -> ModelIdentity:
    """The identity of a checkpoint on disk. Its id covers what changes a vector: weights, sizes, tokenizer;
    not the name, nor the weights of a search."""
    digest = hashlib.sha256()
    plain = {k: v for k, v in json.loads(config.to_json()).items() if k not in _FREE}
    digest.update(json.dumps(plain, sort_keys=True).encode())
    for name in (WEIGHTS, TOKENIZER):
        digest.update(bytes.fromhex(sha256(folder / name)))
    return ModelIdentity(
        id=digest.hexdigest()[:16],
        name=config.name,
        width=config.width,
        image_tokens=config.image_tokens,
        token_width=config.token_width,
        input_px=config.input_px,
        mpp=config.mpp,
    )


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _check_sums(folder: Path) -> None:
    """A flipped bit in the weights is not seen by their reader, only by their sum. Files without a sum (older models
    have it of weights and tokenizer alone) pass."""
    if not (folder / CHECKSUMS).is_file():
        return
    try:
        sums = dict(json.loads((folder / CHECKSUMS).read_text("utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"The {CHECKSUMS} in {folder} is damaged; get the model again.") from error
    for name in SUMMED:
        if name in sums and not (folder / name).is_file():
            raise ModelError(f"The {name} is missing from {folder}; the model is not complete.")
        if name in sums and sums[name] != sha256(folder / name):
            raise ModelError(f"The {name} in {folder} is not as it was saved: damaged or cut short; get it again.")


def _stored(value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu().contiguous()
    # Running variances and gains lose too much, or overflow, in half precision; they are small anyway.
    return value.half() if half and value.dim() >= 2 and value.is_floating_point() else value.clone()
