"""Pair lists of what the bundled checkpoint learns from: openly licensed real tiles, and phantoms.

The pictures stay where they are; a list names them, their captions, phrases, terms and case. `write_lists` makes one
jsonl per source in a folder, which ``lile train`` then reads. Nothing from ``validate/`` is ever listed, and the
atlas cases of `held_out_cases` go into a list of their own, for measuring.

Besides what comes with the pictures there are captions that were written for this project and lie in the repository
(`Written`): of real tiles that had none, mended ones, and for atlas tiles a second, short wording.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from lile_engine.errors import DataError
from lile_engine.paths import private_dir
from lile_engine.phantom import TISSUES
from lile_engine.phantom.captions import phrases
from lile_engine.training.terms import TERM_PHRASES

Row = dict[str, Any]

# Where a caption decides whether a tile of a class shows what the class is named for: (term, whether it must be there).
_TUMOUR_TERMS = {
    "oral/normal": ("squamous cell carcinoma", False),
    "oral/oscc": ("squamous cell carcinoma", True),
}
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
_ORGANS, _CELLS = ("openstax", "eyepiece"), ("blood", "aml")
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


@dataclass(frozen=True)
class Written:
    """Captions of this project by picture (its path below the real data): ``tiles`` of pictures that had none,
    ``mended`` of atlas tiles, ``phrases`` (short wordings of atlas captions, and terms they lacked), and ``crops`` of
    large pictures. Empty unless `read_written` filled it."""

    tiles: dict[str, Row] = field(default_factory=dict)
    mended: dict[str, Row] = field(default_factory=dict)
    phrases: dict[str, Row] = field(default_factory=dict)
    crops: tuple[Row, ...] = ()


def read_written(folder: Path) -> Written:
    """Reads the repository's ``resources/training``. Raises `DataError`."""
    rows = read_jsonl(folder / "real-tiles.jsonl")

    def by_image(listed: list[Row]) -> dict[str, Row]:
        return {row["image"]: row for row in listed}

    return Written(
        tiles=by_image([row for row in rows if "x" not in row]),
        mended=by_image(read_jsonl(folder / "atlas-mended.jsonl")),
        phrases=by_image(read_jsonl(folder / "atlas-phrases.jsonl")),
        crops=tuple(row for row in rows if "x" in row),
    )


def atlas_rows(data: Path, written: Written | None = None) -> list[Row]:
    """All captioned atlas tiles, with the phrases of their terms, the case, organ and stain of their slide; as
    ``written`` for this project where that is given."""
    written = written or Written()
    slides = {row["slide"]: row for row in read_jsonl(data / "atlas" / "slides.jsonl")}
    rows = []
    for row in read_jsonl(data / "atlas" / "captions.jsonl"):
        slide = slides[row["file"].split("/")[0]]
        image = f"atlas/{row['file']}"
        told = written.mended.get(image, row)
        short = written.phrases.get(image, {})
        terms = [*told["tissues"], *(term for term in short.get("also", ()) if term not in told["tissues"])]
        rows.append(
            {
                "image": str(data / image),
                "captions": [told["caption"], *([short["phrase"]] if short else [])],
                "phrases": [p for term in terms for p in TERM_PHRASES.get(term, (term,))],
                "tissues": terms,
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


def class_rows(data: Path, written: Written | None = None) -> Iterator[tuple[str, Row]]:
    """(source, row) of the sets that are labelled by class: oral, pap, kather, crc-val, osteosarcoma.

    A picture that lies in two classes of a set says nothing and is left out. A tile with a caption of its own keeps the
    class as phrases, unless the caption contradicts it: a tile of a tumour's folder may show none of it.
    """
    written = written or Written()
    seen: dict[tuple[str, str], set[str]] = {}
    rows = list(_class_rows(data))
    digests = [hashlib.sha256(Path(row["image"]).read_bytes()).hexdigest() for _, row in rows]
    for (source, row), digest in zip(rows, digests, strict=True):
        seen.setdefault((source, digest), set()).add(row["group"])
    for (source, row), digest in zip(rows, digests, strict=True):
        if len(seen[source, digest]) > 1:
            continue
        own = written.tiles.get(Path(row["image"]).relative_to(data).as_posix())
        if own is not None:
            tumour = _TUMOUR_TERMS.get(row.pop("group"))
            texts = row["captions"] if tumour is None or (tumour[0] in own["tissues"]) == tumour[1] else []
            row = {**row, "captions": [own["caption"]], "phrases": texts, "tissues": own["tissues"]}
        yield source, row


def _class_rows(data: Path) -> Iterator[tuple[str, Row]]:
    for key, texts in CLASS_PHRASES.items():
        source, name = key.split("/")
        folder = data / ("train" if source in ("oral", "pap") else "labelled") / source
        files = (
            sorted((folder / name).glob("*.*")) if (folder / name).is_dir() else sorted(folder.glob(f"{name}_[0-9]*"))
        )
        for file in files:
            yield source, {"image": str(file), "captions": list(texts), "group": key, "case": file.stem}


def captioned_rows(data: Path, written: Written | None = None) -> Iterator[tuple[str, Row]]:
    """(source, row) of the small sets that come with captions, and of tiles that only this project describes."""
    written = written or Written()
    for source in _CAPTIONED:
        folder = data / "train" / source
        for row in read_jsonl(folder / "captions.jsonl"):
            phrases = [*_WEAK_CAPTIONS.get(source, ()), *_organ_phrases(source, row["file"])]
            out: Row = {"image": str(folder / row["file"]), "captions": [row["caption"]], "case": row["file"]}
            own = written.tiles.get(f"train/{source}/{row['file']}")
            if own is not None:
                # The set's caption says the same of all its tiles: a phrase beside one that describes this tile.
                out |= {"captions": [own["caption"]], "tissues": own["tissues"]}
                phrases.append(row["caption"])
            if phrases:
                out["phrases"] = phrases
            yield source, out
    for image, own in written.tiles.items():
        if image.startswith("tiles/"):
            yield (
                image.split("/")[1],
                {
                    "image": str(data / image),
                    "captions": [own["caption"]],
                    "tissues": own["tissues"],
                    "case": Path(image).stem,
                },
            )


def known_phrases(data: Path) -> tuple[str, ...]:
    """The phrases that the bundled checkpoint learns from (`model.known`): of terms, phantom tissues, classes, and the
    names of organs and of single cells."""
    texts = [
        *(p for words in TERM_PHRASES.values() for p in words),
        *(p for tissue in TISSUES for p in phrases(tissue)),
        *(p for words in CLASS_PHRASES.values() for p in words),
        *(p for words in _WEAK_CAPTIONS.values() for p in words),
    ]
    for source, row in captioned_rows(data):
        texts += row["phrases"] if source in _ORGANS else row["captions"] if source in _CELLS else ()
    return tuple(sorted(set(texts)))


def crop_rows(data: Path, written: Written, out: Path) -> list[Row]:
    """The described crops of large pictures, cut out once into ``out`` (which lies outside the repository)."""
    rows = []
    for image in dict.fromkeys(row["image"] for row in written.crops):
        with Image.open(data / image) as picture:
            whole = picture.convert("RGB")
        for row in (row for row in written.crops if row["image"] == image):
            x, y, w, h = (row[k] for k in ("x", "y", "w", "h"))
            file = out / f"{Path(image).stem}-{x}-{y}.png"
            whole.crop((x, y, x + w, y + h)).resize((256, 256), Image.Resampling.LANCZOS).save(file)
            rows.append(
                {
                    "image": str(file),
                    "captions": [row["caption"]],
                    "phrases": ["breast tissue", "breast"],
                    "tissues": row["tissues"],
                    "case": Path(image).stem,
                }
            )
    return rows


def _organ_phrases(source: str, file: str) -> list[str]:
    if source not in _ORGANS:
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


def write_lists(data: Path, out: Path, phantoms: Path | None = None, captions: Path | None = None) -> dict[str, int]:
    """Writes ``atlas.jsonl``, ``atlas-heldout.jsonl``, one list per other source, and ``phantom.jsonl`` where a folder
    of phantom pairs is given; ``captions`` is the folder of captions written for this project. Returns pairs per list.
    """
    private_dir(out)
    written = read_written(captions) if captions is not None else Written()
    rows = atlas_rows(data, written)
    held = set(held_out_cases(rows))
    lists: dict[str, list[Row]] = {
        "atlas": [row for row in rows if row["case"] not in held],
        # Measured on what others wrote: without the second wordings, which training has and nobody else's tiles.
        "atlas-heldout": [row for row in atlas_rows(data) if row["case"] in held],
    }
    for source, row in [*class_rows(data, written), *captioned_rows(data, written)]:
        lists.setdefault(source, []).append(row)
    if written.crops:
        lists["her2st"] = crop_rows(data, written, private_dir(out / "crops"))
    if phantoms is not None:
        lists["phantom"] = phantom_rows(phantoms)
    for name, items in lists.items():
        text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
        (out / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return {name: len(items) for name, items in lists.items()}
