"""What a training starts from: the network, its tokenizer and what its card says about its past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lile_engine.errors import ConfigError, ModelError
from lile_engine.model.canonical import canonical_start
from lile_engine.model.checkpoint import load_checkpoint
from lile_engine.model.config import MODEL_TYPE, LileConfig
from lile_engine.model.create import create_lile
from lile_engine.model.folders import read_config
from lile_engine.model.library import CARD
from lile_engine.model.lile import Lile
from lile_engine.model.load import resolve_model
from lile_engine.model.text import PhraseTokenizer, read_tokenizer
from lile_engine.training.batches import Sampler
from lile_engine.training.config import TrainConfig
from lile_engine.training.pairs import PairDataset
from lile_engine.training.supply import Supply

# Pairs that the closed form is computed from: some ten for each channel of the joined features.
_CLOSED_FORM_PAIRS = 6000


@dataclass(frozen=True)
class Start:
    """The network to train (encoders frozen where the configuration says so), tokenizer, where it came from, and the
    phrases that it knew there."""

    model: Lile
    tokenizer: PhraseTokenizer
    tokenizer_files: Path
    origin: str
    card: str
    phrases: tuple[str, ...] = ()


def prepare_start(config: TrainConfig) -> Start:
    """Builds or loads the network that ``[model]`` names. Raises `ConfigError` or `ModelError`."""
    if config.model.start == "new":
        start = _new(config)
    else:
        folder = resolve_model(config.model.start)
        if read_config(folder).get("model_type") != MODEL_TYPE:
            raise ModelError(f"The model in {folder} is no LILE model, and only those can be trained here.")
        checkpoint = load_checkpoint(folder)
        origin = f"{checkpoint.identity.name} ({checkpoint.identity.id})"
        card = folder / CARD
        told = card.read_text("utf-8", errors="replace") if card.is_file() else ""
        start = Start(checkpoint.model, checkpoint.tokenizer, folder, origin, told, checkpoint.phrases)
    name = config.model.name or config.output.name
    start.model.config = start.model.config.replace(name=name, lambda_self=config.loss.weight_self)
    start.model.freeze(image=config.optim.image_backbone == 0, text=config.optim.text_encoder == 0)
    return start


def _new(config: TrainConfig) -> Start:
    section = config.model
    if not section.text_source:
        raise ConfigError('[model] text_source is missing; a "new" model needs a folder with a tokenizer.json.')
    source = Path(section.text_source)
    try:
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in section.config.items()}
        lile = LileConfig(**values)
    except TypeError as error:
        raise ConfigError(f"[model] config holds a key that LILE does not know ({error}); remove it.") from error
    weights = Path(section.image_weights) if section.image_weights else None
    text = source if (source / "config.json").is_file() else None
    model = create_lile(lile, text, weights, seed=config.run.seed)
    tokenizer = PhraseTokenizer(read_tokenizer(source), model.config.max_text_tokens)
    return Start(model, tokenizer, source, "new", "")


def start_in_closed_form(model: Lile, supply: Supply, datasets: Sequence[PairDataset], config: TrainConfig) -> None:
    """Puts everything but the frozen encoders where the closed form says, from pairs in the shares of the training.

    Raises `ConfigError` where an encoder trains: its features would not stay what the closed form was found on.
    """
    if not (supply.frozen_images and supply.frozen_texts) or config.model.start != "new":
        raise ConfigError("[model] closed_form is for a new model with frozen encoders; leave it out.")
    # Captions alone: a phrase that many pictures share tells none of them apart (on the atlas cases kept out, recall
    # after the closed form was a fifth lower with a third of phrases).
    sampler = Sampler(
        datasets,
        batch=64,
        views=config.data.views,
        seed=config.run.seed + 1,
        weights=config.data.weights,
        phrase_share=0.0,
    )

    def batches() -> Iterator[tuple[Sequence[Tensor], Tensor, Tensor]]:
        for step in range(_CLOSED_FORM_PAIRS // 64):
            given = supply.input(sampler.at(step))
            assert not isinstance(given.pictures, Tensor)
            assert isinstance(given.texts, Tensor)
            yield given.pictures, given.texts, given.mask

    canonical_start(model, batches())
