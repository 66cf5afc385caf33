"""A whole training: prepare, step, measure, save, finish. Resumable bit for bit after a kill."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lile_engine.errors import Cancelled, ConfigError, DataError
from lile_engine.model.checkpoint import save_checkpoint
from lile_engine.model.devices import pick_device
from lile_engine.model.folders import check_target
from lile_engine.model.lile import Lile
from lile_engine.model.protocol import Floats, ModelIdentity
from lile_engine.model.reference import build_reference, with_phrases
from lile_engine.progress import CancelToken, ProgressCallback, ProgressMeter, no_progress
from lile_engine.training.batches import Sampler
from lile_engine.training.card import write_card
from lile_engine.training.config import TrainConfig, config_to_dict
from lile_engine.training.distributed import check_batch, join_ranks, share_norms
from lile_engine.training.norms import gathers_norms, settle_norms
from lile_engine.training.optim import Ema, parameter_groups, rate_at
from lile_engine.training.origins import trained_on
from lile_engine.training.pairs import BadRows, PairDataset, warn_bad_rows
from lile_engine.training.readers import read_sets
from lile_engine.training.rescue import rescued
from lile_engine.training.split import split_sets
from lile_engine.training.start import Start, prepare_start, start_in_closed_form
from lile_engine.training.state import (
    STATE,
    RunRecord,
    files_digest,
    load_best,
    load_state,
    pairs_digest,
    read_record,
    save_best,
    save_state,
)
from lile_engine.training.step import StepInfo, parallel_losses, train_step
from lile_engine.training.supply import Supply, TextCache
from lile_engine.training.validate import Validation

log = logging.getLogger(__name__)
StepCallback = Callable[[StepInfo], None]
Warn = Callable[[str], None]
_NORM_BATCHES = 4  # of 64 pictures each


@dataclass(frozen=True)
class TrainReport:
    """What came of a training. ``output`` is the model folder; ``best_rsum`` of the validation pairs (percent sum)."""

    output: str
    model: ModelIdentity
    steps: int
    seconds: float
    pairs: int
    validation_pairs: int
    left_out: int
    loss: float
    best_rsum: float | None
    best_step: int
    stopped_early: bool
    validations: tuple[dict[str, float], ...]


def train(
    config: TrainConfig,
    progress: ProgressCallback = no_progress,
    on_step: StepCallback = lambda _: None,
    cancel: CancelToken | None = None,
    *,
    resume: bool = False,
    warn: Warn = log.warning,
    texts: TextCache | None = None,
) -> TrainReport:
    """Trains as ``config`` says and writes the model folder ``config.output``.

    ``resume`` goes on from the state that a training with the same configuration left; without one it starts anew.
    ``texts`` may be shared by trainings that start from the same frozen text encoder. Started by ``torchrun``, several
    processes do one training together (`distributed`): the first one measures, warns, saves and reports progress.
    Raises `ConfigError`, `DataError`, `ModelError`; `Cancelled` after saving the state, so that it can be resumed.
    """
    begun = time.monotonic()
    check_target(config.output)  # now, and not after a night of steps
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    device = pick_device(config.run.device)
    ranks = join_ranks(device)
    check_batch(config.optim.batch, ranks)
    speak = warn if ranks.first else _silent
    datasets, validation = read_data(config, speak)
    start = prepare_start(config)
    model = start.model.to(device).train()
    if not ranks.first:
        ranks.wait()  # the first one makes the files of the caches
    supply = Supply(config, model, start.tokenizer, datasets, device, texts)
    check = Validation(config, validation, supply) if len(validation) else None
    if ranks.first:
        ranks.wait()
    groups = parameter_groups(model, config.optim)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-8)
    if config.model.closed_form and not (resume and (config.state_dir / STATE).is_file()):
        start_in_closed_form(model, supply, datasets, config)
    ema = Ema(model, config.optim.ema)
    settle = _settling(config, model, ema, supply, datasets)
    told = RunRecord(
        config=config_to_dict(config),
        rows=pairs_digest([*datasets, validation]),
        files=files_digest([*datasets, validation]),
    )
    if ranks.first and not resume:
        _set_aside(config.state_dir, warn)
    record = _resumed(
        told, resume, config.state_dir, lambda: load_state(config.state_dir, model, ema, optimizer), speak
    )
    sampler = Sampler(
        datasets,
        batch=config.optim.batch,
        views=config.data.views,
        seed=config.run.seed,
        weights=config.data.weights,
        phrase_share=config.data.phrase_share,
    )
    share_norms(model, ranks)
    compute = parallel_losses(model, ranks)
    trains = {n for n, p in model.named_parameters() if p.requires_grad}
    meter = ProgressMeter(progress if ranks.first else no_progress, config.optim.steps, "steps", done=record.step)
    saved, info = time.monotonic(), StepInfo(0, float("nan"), 0.0, 0.0, 0.0)
    early = _patience_is_up(config, record)
    while record.step < config.optim.steps and not early:
        if ranks.largest(cancel is not None and cancel.cancelled):
            if ranks.first:
                save_state(config.state_dir, record, model, ema, optimizer)
            ranks.wait()
            raise Cancelled("Cancelled; what was finished before is kept.")
        step = record.step
        rate = rate_at(step, config.optim)
        with rescued(config, record, model, ema, optimizer, ranks):
            found = train_step(
                compute,
                optimizer,
                supply.input(sampler.at(step).share(ranks.share(config.optim.batch))),
                config.loss,
                rate=rate,
                clip=config.optim.clip,
                bf16=config.optim.bf16,
                seed=(config.run.seed, step),
                rank=ranks.rank,
            )
        if not np.isfinite(found["loss"]):
            raise DataError(f"The loss is no number any more at step {step + 1}; lower [optim] lr and train again.")
        ema.update(model, step)
        record.step = step + 1
        info = StepInfo(record.step, found["loss"], found["cross"], found["self"], config.optim.lr * rate)
        on_step(info)
        last = record.step == config.optim.steps
        if check is not None and (last or record.step % config.run.validate_steps == 0):
            if ranks.first:
                with rescued(config, record, model, ema, optimizer, ranks):
                    settle()
                    _measure(config, record, check, ema, trains)
            record = ranks.told(record)
            early = _patience_is_up(config, record)
            meter.advance(message=f"validation RSUM {record.validations[-1]['rsum']:.1f}")
        else:
            meter.advance()
        due = time.monotonic() - saved > 60 * config.run.save_minutes
        if not ranks.first:
            continue
        if due or early or last or record.step % config.run.save_steps == 0:
            save_state(config.state_dir, record, model, ema, optimizer)
            saved = time.monotonic()
    identity: ModelIdentity | None = None
    if ranks.first:
        if record.best is not None:
            load_best(config.state_dir, ema)
        settle()
        identity = _finish(config, ema, supply, check, datasets, validation, start, record)
    identity = ranks.told(identity)
    ranks.wait()  # nobody leaves while another still hears
    assert identity is not None
    return TrainReport(
        output=str(config.output),
        model=identity,
        steps=record.step,
        seconds=time.monotonic() - begun,
        pairs=sum(len(d) for d in datasets),
        validation_pairs=len(validation),
        left_out=sum(len(d.bad_rows) for d in datasets) + len(validation.bad_rows),
        loss=info.loss,
        best_rsum=record.best,
        best_step=record.best_step,
        stopped_early=early,
        validations=tuple(record.validations),
    )


def _silent(_: str) -> None:
    """What the other processes of a training have to say, the first one has said."""


def read_data(config: TrainConfig, warn: Warn) -> tuple[list[PairDataset], PairDataset]:
    """Training lists and validation pairs, as ``[data]`` says. Raises `DataError` where there is too little."""
    bad_rows: BadRows = "refuse" if config.data.bad_rows == "refuse" else "skip"
    sets = read_sets(config.data.train, bad_rows=bad_rows)
    for dataset in sets:
        warn_bad_rows(dataset, warn)
    if config.data.validation:
        validation = PairDataset(())
        for part in read_sets(config.data.validation, split="val", bad_rows=bad_rows):
            warn_bad_rows(part, warn)
            validation = validation + part
        kept = sets
    else:
        split, held = split_sets(sets, config.data.validation_share, config.run.seed)
        kept = [dataclasses.replace(part, bad_rows=d.bad_rows) for part, d in zip(split, sets, strict=True)]
        validation = PairDataset(tuple(p for part in held for p in part.pairs))
    if sum(len(d) for d in kept) < 2:
        raise DataError("There are fewer than 2 pairs to train on; add pairs to the folder.")
    return kept, validation


def _set_aside(folder: Path, warn: Warn) -> None:
    """A training that is begun anew does not overwrite one that lies half done."""
    record = read_record(folder)
    if record is None or record.finished:
        return
    aside = folder.with_name(f"{folder.name}.earlier")
    if aside.is_dir():
        shutil.rmtree(aside)
    folder.rename(aside)
    warn(
        f"{folder} held a training that stopped after {record.step} steps; it now lies in {aside}, and this one begins "
        "anew (give it its name back and use --resume to go on with it)."
    )


def _resumed(told: RunRecord, resume: bool, folder: Path, load: Callable[[], RunRecord], warn: Warn) -> RunRecord:
    """The record to go on from: ``told`` where this is a new training, else the saved one, which must be of the same
    configuration and pairs."""
    if not resume or not (folder / STATE).is_file():
        return told
    record = load()
    # How often to save or how many threads to use does not change what is learned; everything else does.
    free = {"device", "threads", "save_steps", "save_minutes"}
    before, now = (
        {**r.config, "run": {k: v for k, v in r.config.get("run", {}).items() if k not in free}} for r in (record, told)
    )
    changed = [k for k in now if k != "output" and _plain(now[k]) != _plain(before.get(k))]
    if changed:
        raise ConfigError(
            f"[{changed[0]}] is not what this training was started with; start anew without --resume or change it back."
        )
    if record.rows != told.rows:
        raise DataError(
            "The pairs are not those that this training was started with; start anew without --resume or put them back."
        )
    if record.files != told.files:
        warn("Pictures have changed since this training was started; it goes on with them as they are now.")
        record.files = told.files
    return record


def _plain(value: object) -> object:
    """Tuples as the lists that JSON makes of them."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def _settling(
    config: TrainConfig, model: Lile, ema: Ema, supply: Supply, datasets: list[PairDataset]
) -> Callable[[], None]:
    """What finds the norms' statistics for the running mean of the weights (`norms`), where they need it. A function
    of the weights and the seed alone, so that a training gone on with finds the same."""
    sampler = Sampler(
        datasets, batch=64, views=config.data.views, seed=config.run.seed + 2, weights=config.data.weights
    )

    def settle() -> None:
        if gathers_norms(model):
            settle_norms(ema.model, (supply.pixels(sampler.at(step)) for step in range(_NORM_BATCHES)))

    return settle


def _patience_is_up(config: TrainConfig, record: RunRecord) -> bool:
    return config.run.patience > 0 and record.stale >= config.run.patience


def _measure(config: TrainConfig, record: RunRecord, check: Validation, ema: Ema, trains: set[str]) -> None:
    """Validation recall of the running mean; keeps the best weights."""
    recall = check.recall(ema.model)
    record.validations.append(
        {"step": record.step, "rsum": recall.rsum, "i2t_r1": recall.i2t.r1, "t2i_r1": recall.t2i.r1}
    )
    better = record.best is None or recall.rsum > record.best
    # Of equals the later is kept: on a few pairs recall is soon full while the model still learns.
    if better or recall.rsum == record.best:
        record.best, record.best_step = recall.rsum, record.step
        save_best(config.state_dir, ema, trains)
    record.stale = 0 if better else record.stale + 1


def learned_texts(datasets: Sequence[PairDataset], most: int = 4096, seed: int = 0) -> list[str]:
    """The different phrases and captions of pairs: phrases first, for that is how people ask, then captions at random,
    ``most`` in all."""
    phrases = dict.fromkeys(text for d in datasets for pair in d.pairs for text in pair.phrases)
    captions = list(dict.fromkeys(t for d in datasets for pair in d.pairs for t in pair.captions if t not in phrases))
    drawn = [captions[i] for i in np.random.default_rng(seed).permutation(len(captions))]
    return [*phrases, *drawn][:most]


def _finish(
    config: TrainConfig,
    ema: Ema,
    supply: Supply,
    check: Validation | None,
    datasets: list[PairDataset],
    validation: PairDataset,
    start: Start,
    record: RunRecord,
) -> ModelIdentity:
    """Saves the model folder, with what it takes to say "outside what was learned" and a card."""
    vectors = supply.sample_vectors(ema.model, 2048)
    held: Floats | None = check.image_vectors(ema.model) if check is not None else None
    if held is not None and len(held) < 10:
        held = None
    reference = build_reference(vectors, held_out=held, seed=config.run.seed) if len(vectors) >= 10 else None
    if reference is not None:
        learned, kept_out = learned_texts(datasets), learned_texts([validation])
        unseen = [text for text in kept_out if text not in set(learned)]
        reference = with_phrases(
            reference,
            supply.mean_hidden(ema.model, learned),
            held_out=supply.mean_hidden(ema.model, unseen) if unseen else None,
            seed=config.run.seed,
        )
    card = write_card(config, ema.model.config, datasets, start.origin, start.card, record)
    # The pairs kept out count too: they chose the weights.
    origins = trained_on((p for d in (*datasets, validation) for p in d.pairs), start.tokenizer_files)
    return save_checkpoint(
        config.output, ema.model, start.tokenizer_files, card, reference, phrases=start.phrases, trained_on=origins
    )
