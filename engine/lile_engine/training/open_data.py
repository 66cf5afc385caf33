"""Pair lists of what the bundled checkpoint learns from: openly licensed real tiles, and phantoms.

The pictures stay where they are; a list names them, their captions, phrases, terms and case. `write_lists` makes one
jsonl per source in a folder, which ``lile train`` then reads. Nothing from ``validate/`` is ever listed, and the
atlas cases of `HELD_OUT_CASES` go into a list of their own, for measuring.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lile_engine.errors import DataError
from lile_engine.paths import private_dir
from lile_engine.phantom.captions import phrases
from lile_engine.training.terms import TERM_PHRASES

Row = dict[str, Any]

HELD_OUT = 16  # atlas cases that the bundled checkpoint has not seen

CLASS_PHRASES: dict[str, tuple[str, ...]] = {
    "oral/normal": (
        "normal oral mucosa", "stratified squamous epithelium of the oral cavity", "benign squamous epithelium",
        "normal squamous mucosa, H&E",
    ),
    "oral/oscc": (
        "oral squamous cell carcinoma", "squamous cell carcinoma of the mouth", "malignant squamous cells",
        "squamous cell carcinoma, H&E",
    ),
    "pap/nilm": (
        "Pap smear without malignancy", "normal cervical cytology", "normal squamous cells in a cervical smear",
        "negative for intraepithelial lesion, liquid-based cytology",
    ),
    "pap/lsil": (
        "low grade squamous intraepithelial lesion in a Pap smear", "LSIL, cervical cytology",
        "koilocytes in a cervical smear",
    ),
    "pap/hsil": (
        "high grade squamous intraepithelial lesion in a Pap smear", "HSIL, cervical cytology",
        "severe squamous dysplasia in a cervical smear",
    ),
    "pap/scc": (
        "squamous cell carcinoma in a Pap smear", "malignant squamous cells, cervical cytology",
        "cervical smear with squamous carcinoma cells",
    ),
    "kather/tumour_epithelium": (
        "tumour epithelium", "colorectal adenocarcinoma epithelium", "malignant glands", "adenocarcinoma",
    ),
    "kather/simple_stroma": ("tumour stroma", "simple stroma", "fibrous stroma", "collagen-rich stroma"),
    "kather/complex_stroma": (
        "complex stroma with immune cells and single tumour cells", "stroma with inflammatory cells",
        "complex stroma",
    ),
    "kather/lymphocytes": ("lymphocytes", "immune cells", "lymphoid infiltrate", "lymphoid aggregate"),
    "kather/debris_mucus": ("debris and mucus", "necrosis, haemorrhage and mucus", "cell debris"),
    "kather/mucosa_glands": (
        "normal mucosal glands", "normal colon mucosa", "benign colonic glands", "normal intestinal crypts",
    ),
    "kather/adipose": ("adipose tissue", "fat", "adipocytes", "fat cells"),
    "kather/background": ("background", "empty background", "no tissue", "glass"),
    "crc-val/adi": ("adipose tissue", "fat", "adipocytes", "fat cells"),
    "crc-val/lym": ("lymphocytes", "lymphoid tissue", "lymphoid aggregate", "lymphoid infiltrate"),
    "crc-val/muc": ("mucus", "mucin", "extracellular mucin"),
    "crc-val/mus": ("smooth muscle", "muscularis propria", "smooth muscle bundles"),
    "crc-val/norm": (
        "normal colon mucosa", "benign colonic glands", "normal intestinal crypts", "normal mucosal glands",
    ),
    "crc-val/str": ("cancer-associated stroma", "desmoplastic stroma", "tumour stroma"),
    "crc-val/tum": (
        "colorectal adenocarcinoma epithelium", "adenocarcinoma", "malignant glands", "tumour epithelium",
    ),
    "osteosarcoma/non-tumor": (
        "non-tumour tissue beside bone", "no tumour", "normal bone, marrow or soft tissue without tumour",
    ),
    "osteosarcoma/viable": ("viable osteosarcoma", "viable tumour", "osteosarcoma cells producing osteoid"),
    "osteosarcoma/non-viable-tumor": (
        "non-viable osteosarcoma", "necrotic tumour", "tumour necrosis after chemotherapy",
    ),
}  # fmt: skip
_CAPTIONED = ("openstax", "eyepiece", "glomeruli", "tnbc", "camelyon", "ebhi", "blood", "aml")
_WEAK_CAPTIONS = {
    "glomeruli": ("kidney with glomeruli", "renal cortex", "glomerulus"),
    "tnbc": ("triple negative breast cancer", "breast carcinoma", "invasive carcinoma of the breast"),
    "camelyon": ("breast cancer metastasis in a lymph node", "lymph node metastasis", "metastatic carcinoma"),
    "ebhi": ("colorectal polyp", "polyp of the colon"),
}


# Which atlas terms a phantom tissue shares: such pairs are not set against each other (see `batches`).
_PHANTOM_TERMS: dict[str, tuple[str, ...]] = {
    "background": ("glass",),
    "adipose": ("fat",),
    "dense stroma": ("dense fibrous tissue",),
    "loose stroma": ("loose connective tissue", "myxoid stroma"),
    "desmoplastic stroma": ("desmoplastic stroma",),
    "smooth muscle": ("smooth muscle",),
    "lymphoid aggregate": ("lymphoid tissue", "chronic inflammation", "lymphoma"),
    "normal mucosa": ("intestinal mucosa", "glandular epithelium"),
    "benign glands": ("glandular epithelium",),
    "adenocarcinoma grade 1": ("adenocarcinoma", "dysplastic glands"),
    "adenocarcinoma grade 2": ("adenocarcinoma",),
    "adenocarcinoma grade 3": ("adenocarcinoma", "undifferentiated carcinoma", "pleomorphic tumour"),
    "squamous epithelium": ("squamous epithelium", "skin"),
    "keratinising squamous epithelium": ("squamous epithelium", "skin"),
    "squamous cell carcinoma": ("squamous cell carcinoma",),
    "spindle cell tumour": ("spindle cell tumour", "pleomorphic tumour"),
    "bone": ("bone",),
    "cartilage": ("cartilage",),
    "mucin": ("mucin",),
    "necrosis": ("necrosis or debris",),
    "blood": ("red blood cells",),
    "nerve": ("nerve or ganglion",),
    "vessel": ("blood vessel",),
}


def read_jsonl(path: Path) -> list[Row]:
    """The rows of a jsonl file. Raises `DataError` when it cannot be read."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path} cannot be read as JSON lines; check that the real tiles lie there.") from error


def atlas_rows(data: Path) -> list[Row]:
    """All captioned atlas tiles, with the phrases of their terms, the case, organ and stain of their slide."""
    slides = {row["slide"]: row for row in read_jsonl(data / "atlas" / "slides.jsonl")}
    rows = []
    for row in read_jsonl(data / "atlas" / "captions.jsonl"):
        slide = slides[row["file"].split("/")[0]]
        rows.append(
            {
                "image": str(data / "atlas" / row["file"]),
                "captions": [row["caption"]],
                "phrases": [p for term in row["tissues"] for p in TERM_PHRASES.get(term, (term,))],
                "tissues": row["tissues"],
                "case": slide["case"],
                "slide_title": slide["title"],
                "organ": slide["organ"],
                "stain": slide["stain"],
                "sure": row["sure"],
            }
        )
    return rows


def held_out_cases(rows: list[Row], count: int = HELD_OUT) -> list[str]:
    """The cases kept out of training: the first H&E cases in the order of a hash, which nobody chose."""
    cases = {row["case"] for row in rows if row["stain"] == "H&E"}
    return sorted(cases, key=lambda case: hashlib.sha256(f"lile-12 {case}".encode()).hexdigest())[:count]


def class_rows(data: Path) -> Iterator[tuple[str, Row]]:
    """(source, row) of the sets that are labelled by class: oral, pap, kather, crc-val, osteosarcoma."""
    for key, texts in CLASS_PHRASES.items():
        source, name = key.split("/")
        folder = data / ("train" if source in ("oral", "pap") else "labelled") / source
        files = (
            sorted((folder / name).glob("*.*")) if (folder / name).is_dir() else sorted(folder.glob(f"{name}_[0-9]*"))
        )
        for file in files:
            yield source, {"image": str(file), "captions": list(texts), "group": key, "case": file.stem}


def captioned_rows(data: Path) -> Iterator[tuple[str, Row]]:
    """(source, row) of the small sets that come with captions of their own."""
    for source in _CAPTIONED:
        folder = data / "train" / source
        for row in read_jsonl(folder / "captions.jsonl"):
            phrases = [*_WEAK_CAPTIONS.get(source, ()), *_organ_phrases(source, row["file"])]
            out: Row = {"image": str(folder / row["file"]), "captions": [row["caption"]], "case": row["file"]}
            if phrases:
                out["phrases"] = phrases
            yield source, out


def _organ_phrases(source: str, file: str) -> list[str]:
    if source not in ("openstax", "eyepiece"):
        return []
    organ = file.split("/")[0].replace("_", " ")
    return [organ, f"normal {organ}"]


def phantom_rows(folder: Path) -> list[Row]:
    """The pairs of `phantom.pairs.write_pairs`: the long caption, the tissue's names as phrases, one group a tissue."""
    rows = []
    for row in read_jsonl(folder / "pairs.jsonl"):
        tissue = row["tissues"][0]
        rows.append(
            {
                "image": str(folder / row["image"]),
                "captions": row["captions"][1:],
                "phrases": phrases(tissue),
                "tissues": list(_PHANTOM_TERMS.get(tissue, (tissue,))),
                "group": f"phantom/{tissue}",
                "case": Path(row["image"]).stem,
            }
        )
    return rows


def write_lists(data: Path, out: Path, phantoms: Path | None = None) -> dict[str, int]:
    """Writes ``atlas.jsonl``, ``atlas-heldout.jsonl``, one list per other source, and ``phantom.jsonl`` where a folder
    of phantom pairs is given; returns pairs per list."""
    private_dir(out)
    rows = atlas_rows(data)
    held = set(held_out_cases(rows))
    lists: dict[str, list[Row]] = {
        "atlas": [row for row in rows if row["case"] not in held],
        "atlas-heldout": [row for row in rows if row["case"] in held],
    }
    for source, row in [*class_rows(data), *captioned_rows(data)]:
        lists.setdefault(source, []).append(row)
    if phantoms is not None:
        lists["phantom"] = phantom_rows(phantoms)
    for name, items in lists.items():
        text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
        (out / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return {name: len(items) for name, items in lists.items()}
