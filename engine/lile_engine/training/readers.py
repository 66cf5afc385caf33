"""Readers of published image-text sets, as they are unpacked: ARCH and MS-COCO captions (Karpathy's splits)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from lile_engine.errors import DataError
from lile_engine.training.pairs import LIST_NAMES, BadRow, BadRows, Pair, PairDataset, read_pairs
from lile_engine.training.pictures import check_picture, is_file, short

Split = Literal["train", "val", "test"]

COCO_FILE = "dataset_coco.json"
_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")


def read_set(path: Path, *, split: Split = "train", bad_rows: BadRows = "skip") -> PairDataset:
    """Pairs to train on, from whatever lies at ``path``: a list of ours (`pairs.read_pairs`), ARCH, or MS-COCO, of
    which ``split`` is taken. Raises `DataError`, with ``bad_rows="refuse"`` also at the first bad row."""
    ours = path.is_file() or any((path / name).is_file() for name in LIST_NAMES)
    if path.name == COCO_FILE or (not ours and (path / COCO_FILE).is_file()):
        found = read_coco(path, split)
    elif not ours and _arch_folders(path):
        found = read_arch(path)
    else:
        return read_pairs(path, bad_rows=bad_rows)
    if found.bad_rows and bad_rows == "refuse":
        raise DataError(f"{found.bad_rows[0]}; mend the row or read the set with bad rows skipped.")
    return found


def read_sets(paths: Sequence[str], *, split: Split = "train", bad_rows: BadRows = "skip") -> list[PairDataset]:
    """`read_set` for each path."""
    return [read_set(Path(path), split=split, bad_rows=bad_rows) for path in paths]


def _arch_folders(path: Path) -> list[Path]:
    folders = [path / name for name in ("books_set", "pubmed_set") if (path / name / "captions.json").is_file()]
    return [*folders, path] if (path / "captions.json").is_file() else folders


def read_arch(path: Path) -> PairDataset:
    """Reads ARCH (Gamper and Rajpoot, CVPR 2021): ``books_set`` and/or ``pubmed_set``, or one of these folders.

    Each has ``captions.json`` (``{"0": {"figure_id", "letter", "caption", "uuid"}, ...}``) and ``images/UUID.*``.
    Pictures of one figure that share a caption (letters A, B, ...) form a group: the caption belongs to all of them.
    Raises `DataError` when there is none, or none is usable.
    """
    folders = _arch_folders(path)
    if not folders:
        raise DataError(f"{path} is no ARCH folder; it needs books_set or pubmed_set with a captions.json in it.")
    pairs: list[Pair] = []
    bad: list[BadRow] = []
    for folder in folders:
        files = {file.stem: file for file in sorted((folder / "images").glob("*")) if file.suffix in _IMAGE_ENDINGS}
        for number, row in enumerate(_json(folder / "captions.json", dict).values(), 1):
            try:
                pairs.append(_arch_pair(row, files, folder.name))
            except ValueError as error:
                bad.append(BadRow(f"{folder.name}/captions.json", number, str(error)))
    return _usable(pairs, bad, path)


def _arch_pair(row: Any, files: dict[str, Path], source: str) -> Pair:
    if not isinstance(row, dict) or not isinstance(row.get("caption"), str) or not row["caption"].strip():
        raise ValueError("has no caption")
    name = str(row.get("uuid", ""))
    if name not in files:
        raise ValueError(f"names the image {short(name)}, which is not there")
    check_picture(files[name])
    figure = f"{source}/{row.get('figure_id', name)}"
    caption = " ".join(row["caption"].split())
    return Pair(files[name], (caption,), group=f"{figure}: {caption}", case=figure)


def read_coco(path: Path, split: Split = "test") -> PairDataset:
    """Reads MS-COCO captions in Karpathy's split file (``dataset_coco.json`` beside ``train2014``, ``val2014``).

    ``split`` is "train" (with "restval"), "val" or "test". Images keep their order, and all their captions
    (five, a few have more: the first five, as the literature does). Raises `DataError`.
    """
    source = path if path.is_file() else path / COCO_FILE
    table = _json(source, dict)
    wanted = {"train", "restval"} if split == "train" else {split}
    pairs: list[Pair] = []
    bad: list[BadRow] = []
    rows = table.get("images")
    for number, row in enumerate(rows if isinstance(rows, list) else [], 1):
        if not isinstance(row, dict) or row.get("split") not in wanted:
            continue
        try:
            pairs.append(_coco_pair(row, source.parent))
        except ValueError as error:
            bad.append(BadRow(source.name, number, str(error)))
    return _usable(pairs, bad, path)


def _coco_pair(row: dict[str, Any], folder: Path) -> Pair:
    name = str(row.get("filename", ""))
    places = (folder / str(row.get("filepath", "")) / name, folder / "images" / name, folder / name)
    file = next((place for place in places if name and is_file(place)), None)
    if file is None:
        raise ValueError(f"names the image {short(name)}, which is not there")
    check_picture(file)
    sentences = row.get("sentences")
    told = sentences if isinstance(sentences, list) else []
    captions = [" ".join(str(s.get("raw", "")).split()) for s in told if isinstance(s, dict)]
    captions = [c for c in captions if c][:5]
    if not captions:
        raise ValueError("has no caption")
    return Pair(file, tuple(captions), case=file.name)


def _json(path: Path, kind: type) -> Any:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON; check that the set is unpacked there.") from error
    if not isinstance(table, kind):
        raise DataError(f"{path} is not laid out as expected; check that it is the file of this set.")
    return table


def _usable(pairs: list[Pair], bad: list[BadRow], path: Path) -> PairDataset:
    if not pairs:
        first = f" (first problem: {bad[0]})" if bad else ""
        raise DataError(f"{path} holds no usable pair{first}; check that the images are unpacked beside the captions.")
    return PairDataset(tuple(pairs), tuple(bad))
