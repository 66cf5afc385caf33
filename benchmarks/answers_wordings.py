"""Other people's words for the classes of the sets: what a user would type who has never seen the training's phrases.

Written down before anything was measured with them, in five styles: ``code``, what the set's own folders are called;
``name``, as a paper's table names the class; ``sentence``, that in a sentence about an image; ``clinician``, how
somebody at a microscope would say it; ``description``, what one sees.
"""

from __future__ import annotations

STYLES = ("code", "name", "sentence", "clinician", "description")

Wordings = dict[str, tuple[str, str, str, str, str]]

_CRC: Wordings = {
    "adi": (
        "ADI", "adipose", "an H&E image of adipose tissue.", "fatty tissue, pericolic fat",
        "large empty cells with thin membranes and nuclei at the edge",
    ),
    "lym": (
        "LYM", "lymphocytes", "an H&E image of lymphocytes.", "dense lymphocytic infiltration",
        "many small round dark nuclei packed closely together",
    ),
    "muc": (
        "MUC", "mucus", "an H&E image of mucus.", "mucinous lake",
        "pale amorphous bluish material with few cells",
    ),
    "mus": (
        "MUS", "smooth muscle", "an H&E image of smooth muscle.", "muscle layer of the bowel wall",
        "parallel pink fibers with elongated cigar-shaped nuclei",
    ),
    "norm": (
        "NORM", "normal colon mucosa", "an H&E image of normal colon mucosa.", "unremarkable colonic crypts",
        "regular round glands with goblet cells and basal nuclei",
    ),
    "str": (
        "STR", "cancer-associated stroma", "an H&E image of cancer-associated stroma.",
        "reactive desmoplastic tumor stroma", "pink collagen fibers with scattered spindle-shaped fibroblasts",
    ),
    "tum": (
        "TUM", "colorectal adenocarcinoma epithelium", "an H&E image of colorectal adenocarcinoma epithelium.",
        "moderately differentiated colon cancer", "irregular crowded glands with large atypical dark nuclei",
    ),
}  # fmt: skip
_KATHER: Wordings = {
    "tumour_epithelium": (
        "01_TUMOR", "tumor epithelium", "a histopathology image showing tumor epithelium",
        "malignant epithelial cells of colorectal cancer", "irregular crowded glands with large atypical dark nuclei",
    ),
    "simple_stroma": (
        "02_STROMA", "simple stroma", "a histopathology image showing simple stroma",
        "fibrous tumor stroma", "homogeneous pink fibers with few nuclei",
    ),
    "complex_stroma": (
        "03_COMPLEX", "complex stroma", "a histopathology image showing complex stroma",
        "stroma with scattered tumor cells and immune cells", "pink fibers mixed with many different cells",
    ),
    "lymphocytes": (
        "04_LYMPHO", "immune cells", "a histopathology image showing immune cells",
        "lymphoid follicle", "many small round dark nuclei packed closely together",
    ),
    "debris_mucus": (
        "05_DEBRIS", "debris", "a histopathology image showing debris", "necrotic debris or mucus",
        "amorphous material with cell fragments",
    ),
    "mucosa_glands": (
        "06_MUCOSA", "normal mucosal glands", "a histopathology image showing normal mucosal glands",
        "healthy colonic mucosa", "regular round glands with goblet cells and basal nuclei",
    ),
    "adipose": (
        "07_ADIPOSE", "adipose tissue", "a histopathology image showing adipose tissue", "fat",
        "large empty cells with thin membranes",
    ),
    "background": (
        "08_EMPTY", "background", "a histopathology image showing background", "empty slide, no tissue",
        "white glass without cells",
    ),
}  # fmt: skip
_OSTEOSARCOMA: Wordings = {
    "non-tumor": (
        "Non-Tumor", "non-tumor", "this is an image of non-tumor tissue", "normal bone and soft tissue",
        "bone marrow, muscle, fat or cartilage without atypical cells",
    ),
    "viable": (
        "Viable", "viable tumor", "this is an image of viable tumor", "viable high grade osteosarcoma",
        "densely packed pleomorphic cells with dark nuclei",
    ),
    "non-viable-tumor": (
        "Non-Viable-Tumor", "non-viable tumor", "this is an image of non-viable tumor",
        "necrotic osteosarcoma, treatment effect", "pale pink areas where cells have lost their nuclei",
    ),
}  # fmt: skip
_LC25000: Wordings = {
    "colon_aca": (
        "colon_aca", "colon adenocarcinoma", "a histopathology slide of colon adenocarcinoma",
        "colorectal cancer with malignant glands", "irregular back-to-back glands with stratified dark nuclei",
    ),
    "colon_n": (
        "colon_n", "benign colonic tissue", "a histopathology slide of benign colonic tissue",
        "normal large bowel mucosa", "regular parallel crypts full of goblet cells",
    ),
    "lung_aca": (
        "lung_aca", "lung adenocarcinoma", "a histopathology slide of lung adenocarcinoma",
        "pulmonary adenocarcinoma, acinar pattern", "glands of atypical cells in lung tissue",
    ),
    "lung_n": (
        "lung_n", "benign lung tissue", "a histopathology slide of benign lung tissue",
        "normal alveolar lung parenchyma", "thin walls around air spaces with red blood cells",
    ),
    "lung_scc": (
        "lung_scc", "lung squamous cell carcinoma", "a histopathology slide of lung squamous cell carcinoma",
        "squamous carcinoma of the bronchus", "sheets of polygonal cells with pink cytoplasm and keratin",
    ),
}  # fmt: skip
_ORAL: Wordings = {
    "normal": (
        "Normal", "normal oral epithelium", "a microscopic photograph of normal oral epithelium",
        "benign mucosa of the mouth", "layered flat cells that mature regularly towards the surface",
    ),
    "oscc": (
        "OSCC", "oral squamous cell carcinoma", "a microscopic photograph of oral squamous cell carcinoma",
        "invasive oral cancer", "nests of atypical squamous cells with keratin pearls in the stroma",
    ),
}  # fmt: skip
_PAP: Wordings = {
    "nilm": (
        "NILM", "negative for intraepithelial malignancy", "a liquid based cytology image, negative for malignancy",
        "normal cervical Pap test", "large flat polygonal cells with small regular nuclei",
    ),
    "lsil": (
        "LSIL", "low-grade squamous intraepithelial lesion",
        "a liquid based cytology image of low-grade squamous intraepithelial lesion",
        "mild cervical dysplasia with HPV change", "mature cells with enlarged nuclei and clear halos around them",
    ),
    "hsil": (
        "HSIL", "high-grade squamous intraepithelial lesion",
        "a liquid based cytology image of high-grade squamous intraepithelial lesion",
        "moderate to severe cervical dysplasia", "small immature cells with dark nuclei and little cytoplasm",
    ),
    "scc": (
        "SCC", "squamous cell carcinoma of the cervix",
        "a liquid based cytology image of squamous cell carcinoma", "invasive cervical cancer cells",
        "bizarre malignant cells with irregular dark nuclei in a dirty background",
    ),
}  # fmt: skip
_SMALL: Wordings = {
    "glomeruli": (
        "glomeruli", "kidney", "a microscopy picture of kidney tissue", "renal biopsy with glomeruli",
        "round tufts of capillaries among tubules",
    ),
    "tnbc": (
        "TNBC", "triple-negative breast cancer", "a microscopy picture of triple-negative breast cancer",
        "invasive ductal carcinoma, no special type", "nests of large pleomorphic cells in breast stroma",
    ),
    "camelyon": (
        "camelyon", "lymph node metastasis", "a microscopy picture of a lymph node with metastasis",
        "nodal metastasis of breast cancer", "tumor cells among lymphocytes of a lymph node",
    ),
    "ebhi": (
        "EBHI", "colorectal polyp", "a microscopy picture of a colorectal polyp", "polypectomy specimen of the colon",
        "elongated crypts of a polyp",
    ),
}  # fmt: skip
_TERMS: Wordings = {
    "intestinal mucosa": (
        "bowel mucosa", "intestinal epithelium", "a histology image of intestinal mucosa",
        "small or large bowel crypts",
        "tubular crypts lined by absorptive and goblet cells",
    ),
    "liver tissue": (
        "liver", "hepatic parenchyma", "a histology image of liver", "liver biopsy, hepatocyte plates",
        "plates of polygonal pink cells with round central nuclei and sinusoids",
    ),
    "gastric mucosa": (
        "stomach", "gastric epithelium", "a histology image of gastric mucosa",
        "stomach lining, fundic or antral glands",
        "foveolae and tightly packed gastric glands",
    ),
    "dense fibrous tissue": (
        "collagen", "fibrous tissue", "a histology image of dense connective tissue", "scar-like hyalinized collagen",
        "thick bundles of pink collagen with few flat nuclei",
    ),
    "loose connective tissue": (
        "loose stroma", "loose connective tissue", "a histology image of loose connective tissue",
        "edematous submucosa", "fine wispy fibers widely separated, with small vessels",
    ),
    "chronic inflammation": (
        "inflammation", "chronic inflammatory cells", "a histology image of chronic inflammation",
        "mixed lymphocytes and plasma cells", "scattered small round cells and plasma cells in the tissue",
    ),
    "smooth muscle": (
        "muscle", "smooth muscle", "a histology image of smooth muscle", "muscularis propria",
        "parallel pink fibers with elongated cigar-shaped nuclei",
    ),
    "lymphoid tissue": (
        "lymphoid", "lymphoid tissue", "a histology image of lymphoid tissue", "lymph node, germinal center",
        "many small round dark nuclei packed closely together",
    ),
    "desmoplastic stroma": (
        "tumor stroma", "desmoplasia", "a histology image of desmoplastic stroma", "reactive stroma around a cancer",
        "young cellular fibrous tissue between tumor glands",
    ),
    "special stain": (
        "special stain", "immunohistochemistry", "an image of a special stain or immunostain", "IHC with DAB",
        "brown stained cells on a blue counterstain",
    ),
    "red blood cells": (
        "RBC", "erythrocytes", "a histology image of red blood cells", "hemorrhage",
        "bright red anucleate discs",
    ),
    "glandular epithelium": (
        "glands", "glandular epithelium", "a histology image of glandular epithelium", "benign glands or ducts",
        "columnar cells lining a lumen",
    ),
    "squamous cell carcinoma": (
        "SCC", "squamous cell carcinoma", "a histology image of squamous cell carcinoma",
        "keratinizing squamous cancer", "nests of atypical squamous cells with keratin pearls",
    ),
    "squamous epithelium": (
        "squamous", "stratified squamous epithelium", "a histology image of squamous epithelium",
        "benign squamous lining", "layered flat cells that mature regularly towards the surface",
    ),
    "cytology smear": (
        "cytology", "cytology smear", "an image of a cytology preparation", "fine needle aspirate",
        "single cells and small groups spread on glass",
    ),
}  # fmt: skip

WORDINGS: dict[str, Wordings] = {
    "kather": _KATHER,
    "crc-val": _CRC,
    "osteosarcoma": _OSTEOSARCOMA,
    "lc25000": _LC25000,
    "oral": _ORAL,
    "pap": _PAP,
    "small": _SMALL,
    "terms": _TERMS,
}


def labels_in(name: str, style: str) -> dict[str, list[str]]:
    """The classes of a set (``terms``: the commonest of the atlas) with one phrase each, in one style."""
    at = STYLES.index(style)
    return {label: [phrases[at]] for label, phrases in WORDINGS[name].items()}
