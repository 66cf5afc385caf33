"""The words of the phantom tissues: names, details, places, and what is said of a tile whose traits stand out.

Every entry names what is there; nothing is negated ("without", "no"), because a bag of words cannot tell a negation
from its opposite. Numbers of synonyms are kept alike between tissues, so that none is over-represented.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """The words of one tissue: ``names`` stand alone as a caption; ``details`` continue a sentence ("with ...");

    ``traits`` are details that hold only where the trait is high (above 0.6) or low (below 0.4)."""

    names: tuple[str, ...]
    details: tuple[str, ...]
    places: tuple[str, ...] = ()
    high: tuple[tuple[str, str], ...] = ()
    low: tuple[tuple[str, str], ...] = ()


WORDS: dict[str, Wording] = {
    "background": Wording(
        ("background", "empty glass", "slide background", "bare glass", "white background", "glass slide"),
        ("a few specks of dust", "only glass in the field", "clear glass beside the section"),
        ("at the edge of the section",),
    ),
    "adipose": Wording(
        ("fat", "adipose tissue", "adipocytes", "fatty tissue", "mature fat", "fat cells", "adipose"),
        (
            "thin septa between empty fat cells",
            "large clear vacuoles and thin cell walls",
            "polygonal empty adipocytes",
            "flattened nuclei pressed to the rim",
            "delicate membranes and clear spaces",
        ),
        ("in the mesentery", "in the subcutis", "in the submucosa", "around the tumour", "in the breast"),
        (("blood", "small capillaries between the fat cells"), ("size", "large adipocytes")),
        (("size", "small adipocytes"),),
    ),
    "dense stroma": Wording(
        (
            "dense stroma",
            "dense fibrous tissue",
            "collagen",
            "fibrous connective tissue",
            "hyalinised stroma",
            "collagenous stroma",
            "dense connective tissue",
            "fibrosis",
        ),
        (
            "thick pink collagen bundles",
            "sparse thin fibrocyte nuclei",
            "wavy eosinophilic fibres",
            "closely packed collagen fibres",
            "few slender dark nuclei",
        ),
        ("in a scar", "in the capsule", "in the dermis", "in the breast", "in the submucosa"),
        (
            ("wave", "strongly wavy bundles"),
            ("oedema", "clefts between the bundles"),
            ("cells", "scattered fibroblasts"),
        ),
        (("wave", "parallel bundles"), ("cells", "widely spaced nuclei")),
    ),
    "loose stroma": Wording(
        (
            "loose stroma",
            "loose connective tissue",
            "oedematous stroma",
            "areolar tissue",
            "myxoid stroma",
            "loose fibrous tissue",
            "loose connective tissue with capillaries",
        ),
        (
            "fine wispy fibres in clear spaces",
            "scattered fibroblasts and small vessels",
            "delicate collagen threads",
            "pale ground substance",
            "stellate and spindle cells",
        ),
        ("in the submucosa", "in the lamina propria", "around vessels", "in the dermis"),
        (
            ("cells", "a scattering of lymphocytes and plasma cells"),
            ("oedema", "marked oedema"),
            ("blood", "congested capillaries"),
        ),
    ),
    "desmoplastic stroma": Wording(
        (
            "desmoplastic stroma",
            "cancer-associated stroma",
            "tumour stroma",
            "reactive stroma",
            "desmoplasia",
            "fibroblastic stroma",
            "cellular stroma of a carcinoma",
        ),
        (
            "plump fibroblasts in wavy collagen",
            "spindle cells between collagen fibres",
            "many fibroblast nuclei along the fibres",
            "bluish-pink fibres and activated fibroblasts",
        ),
        ("around tumour glands", "beside the carcinoma", "in an invasive carcinoma"),
        (("cells", "a mild inflammatory infiltrate"), ("wave", "swirling fibres"), ("blood", "small vessels")),
    ),
    "smooth muscle": Wording(
        (
            "smooth muscle",
            "muscularis propria",
            "smooth muscle bundles",
            "muscle fibres",
            "muscularis",
            "muscle tissue",
            "leiomyocytes",
        ),
        (
            "parallel eosinophilic fibres",
            "cigar-shaped nuclei along the fibres",
            "tightly packed spindle cells",
            "long blunt-ended nuclei",
            "deep pink fascicles",
        ),
        ("of the bowel wall", "of the muscularis propria", "in the myometrium", "in the wall of a viscus"),
        (("oedema", "clefts between fascicles"), ("wave", "undulating fascicles")),
        (("wave", "straight fascicles"),),
    ),
    "lymphoid aggregate": Wording(
        (
            "lymphocytes",
            "lymphoid aggregate",
            "lymphoid tissue",
            "inflammatory infiltrate",
            "lymphoid follicle",
            "sheets of lymphocytes",
            "dense lymphocytic infiltrate",
            "lymph node tissue",
        ),
        (
            "small round dark nuclei",
            "scant cytoplasm and dense chromatin",
            "crowded small lymphocytes",
            "monotonous small dark cells",
            "closely packed mononuclear cells",
        ),
        ("in the mucosa", "at the edge of a tumour", "in a lymph node", "in the submucosa"),
        (("oedema", "loosely spread lymphocytes"), ("size", "a paler germinal centre")),
        (("oedema", "tightly packed cells"),),
    ),
    "normal mucosa": Wording(
        (
            "normal mucosa",
            "normal colonic mucosa",
            "normal glands",
            "colonic crypts",
            "benign colonic mucosa",
            "intestinal mucosa",
            "crypts with goblet cells",
            "goblet cells",
        ),
        (
            "round crypts with goblet cells",
            "regular basal nuclei",
            "mucin-filled goblet cells around a small lumen",
            "plasma cells in the lamina propria",
            "evenly spaced crypts",
        ),
        ("of the colon", "of the large bowel", "of the rectum"),
        (
            ("cells", "many plasma cells and lymphocytes in the lamina propria"),
            ("secretion", "abundant goblet cells"),
            ("oedema", "an oedematous lamina propria"),
        ),
        (("secretion", "fewer goblet cells"),),
    ),
    "benign glands": Wording(
        (
            "benign glands",
            "normal ducts",
            "benign glandular epithelium",
            "regular glands",
            "simple glands",
            "benign ducts",
            "glandular epithelium",
        ),
        (
            "a single row of regular nuclei",
            "round open lumens",
            "uniform cuboidal cells",
            "quiet stroma between glands",
        ),
        ("in the breast", "in the prostate", "in the endometrium", "in the pancreas"),
        (("size", "widely spaced glands"),),
        (("size", "closely set glands"),),
    ),
    "adenocarcinoma grade 1": Wording(
        (
            "well differentiated adenocarcinoma",
            "adenocarcinoma",
            "grade 1 adenocarcinoma",
            "low-grade adenocarcinoma",
            "malignant glands",
            "gland-forming carcinoma",
            "tumour glands",
        ),
        (
            "crowded elongated nuclei in rows",
            "pseudostratified hyperchromatic nuclei",
            "large well formed malignant glands",
            "glands lined by tall dark cells",
            "palisaded nuclei along the base",
        ),
        ("of the colon", "of the large bowel", "of the stomach", "of the pancreas"),
        (("atypia", "mitotic figures"), ("cells", "desmoplastic stroma between the glands")),
    ),
    "adenocarcinoma grade 2": Wording(
        (
            "moderately differentiated adenocarcinoma",
            "adenocarcinoma",
            "grade 2 adenocarcinoma",
            "tumour epithelium",
            "cribriform adenocarcinoma",
            "irregular malignant glands",
            "colorectal carcinoma",
        ),
        (
            "irregular and fused glands",
            "cribriform lumens",
            "vesicular nuclei with nucleoli",
            "loss of polarity",
            "crowded atypical glands",
        ),
        ("of the colon", "of the lung", "of the stomach", "of the rectum"),
        (("atypia", "frequent mitoses"), ("cells", "a desmoplastic reaction")),
    ),
    "adenocarcinoma grade 3": Wording(
        (
            "poorly differentiated adenocarcinoma",
            "poorly differentiated carcinoma",
            "grade 3 adenocarcinoma",
            "high-grade carcinoma",
            "solid carcinoma",
            "solid sheets of tumour cells",
            "malignant epithelium",
        ),
        (
            "marked nuclear pleomorphism",
            "large vesicular nuclei with prominent nucleoli",
            "solid sheets of atypical cells",
            "brisk mitotic activity",
            "crowded large irregular nuclei",
        ),
        ("of the colon", "of the lung", "of the breast", "of the stomach"),
        (("atypia", "atypical mitoses"), ("cells", "crowded overlapping nuclei")),
    ),
    "squamous epithelium": Wording(
        (
            "squamous epithelium",
            "stratified squamous epithelium",
            "squamous mucosa",
            "normal squamous epithelium",
            "non-keratinising squamous epithelium",
            "oesophageal mucosa",
            "squamous lining",
        ),
        (
            "polygonal cells with intercellular bridges",
            "a dark basal row",
            "prickle cells with round central nuclei",
            "orderly maturation from the basal layer",
            "stromal papillae",
        ),
        ("of the oesophagus", "of the oral cavity", "of the cervix"),
        (("cells", "a few lymphocytes in the papillae"),),
    ),
    "keratinising squamous epithelium": Wording(
        (
            "keratinising squamous epithelium",
            "keratinized squamous epithelium",
            "squamous epithelium with keratin",
            "epidermis",
            "skin surface epithelium",
            "hyperkeratosis",
            "keratin",
        ),
        (
            "layers of pink keratin",
            "lamellar keratin above flattened cells",
            "a maturing prickle layer",
            "eosinophilic keratin flakes",
        ),
        ("of the skin", "of the gingiva", "of the vulva"),
        (("secretion", "thick keratin layers"),),
    ),
    "squamous cell carcinoma": Wording(
        (
            "squamous cell carcinoma",
            "keratinising squamous cell carcinoma",
            "invasive squamous carcinoma",
            "epidermoid carcinoma",
            "malignant squamous epithelium",
            "nests of squamous carcinoma",
            "carcinoma with keratin pearls",
        ),
        (
            "keratin pearls",
            "irregular nests of atypical squamous cells",
            "large dark pleomorphic nuclei",
            "dyskeratotic cells",
            "eosinophilic cytoplasm and intercellular bridges",
        ),
        ("of the oral cavity", "of the lung", "of the oesophagus", "of the skin", "of the head and neck"),
        (("atypia", "mitoses"), ("secretion", "abundant keratin")),
    ),
    "spindle cell tumour": Wording(
        (
            "spindle cell tumour",
            "sarcoma",
            "spindle cell sarcoma",
            "viable tumour",
            "malignant mesenchymal tumour",
            "high-grade sarcoma",
            "fascicles of tumour cells",
        ),
        (
            "crossing fascicles of plump spindle cells",
            "atypical elongated nuclei",
            "crowded hyperchromatic spindle cells",
            "high cellularity",
        ),
        ("of soft tissue", "of bone"),
        (("atypia", "frequent mitoses and bizarre nuclei"), ("wave", "a storiform arrangement")),
    ),
    "bone": Wording(
        ("bone", "lamellar bone", "bone tissue", "cortical bone", "bone trabecula", "osseous tissue", "mature bone"),
        (
            "osteocytes in small lacunae",
            "smooth pink lamellar matrix",
            "fine parallel lamellae",
            "deep pink bone matrix",
        ),
        ("of the femur", "beside the marrow", "next to a tumour"),
    ),
    "cartilage": Wording(
        (
            "cartilage",
            "hyaline cartilage",
            "cartilaginous tissue",
            "chondroid matrix",
            "mature cartilage",
            "chondrocytes",
        ),
        ("chondrocytes in clear lacunae", "glassy blue-grey matrix", "scattered lacunae", "smooth bluish matrix"),
        ("of the bronchus", "of the joint", "at the growth plate"),
        (("secretion", "a deeply basophilic matrix"),),
    ),
    "mucin": Wording(
        ("mucin", "mucus", "mucin pool", "extracellular mucin", "pools of mucus", "lake of mucin", "mucinous material"),
        ("pale blue-grey strands", "wispy basophilic threads", "amorphous pale material", "a stringy bluish matrix"),
        ("in a mucinous carcinoma", "in the bowel lumen", "in the wall of the appendix"),
        (("cells", "floating inflammatory cells"), ("oedema", "clear vacuoles"), ("wave", "drawn-out strands")),
    ),
    "necrosis": Wording(
        (
            "necrosis",
            "necrotic tissue",
            "debris",
            "necrotic debris",
            "tumour necrosis",
            "non-viable tumour",
            "dead tissue",
            "cell debris",
        ),
        (
            "granular eosinophilic debris",
            "ghost outlines of cells",
            "nuclear dust",
            "karyorrhectic fragments",
            "pyknotic nuclei",
        ),
        ("in the centre of a tumour", "in the lumen", "after chemotherapy"),
        (
            ("cells", "much nuclear dust and neutrophils"),
            ("oedema", "cracks and clear gaps"),
            ("size", "large cell ghosts"),
        ),
    ),
    "blood": Wording(
        ("blood", "red blood cells", "erythrocytes", "haemorrhage", "red cells", "extravasated blood", "haematoma"),
        ("round red cells of one size", "packed erythrocytes", "occasional white cells", "bright red discs"),
        ("in a vessel", "in the stroma", "at the edge of the biopsy"),
        (("oedema", "scattered red cells in pale plasma"),),
        (("oedema", "tightly packed red cells"),),
    ),
    "nerve": Wording(
        (
            "nerve",
            "peripheral nerve",
            "nerve bundle",
            "nerve fibres",
            "nerve fascicle",
            "Schwann cells",
            "neural tissue",
        ),
        ("wavy fibres with slender nuclei", "S-shaped nuclei", "pale undulating fibres", "clear halos of myelin"),
        ("in the soft tissue", "in the bowel wall", "near the tumour"),
        (("oedema", "vacuolated myelin"), ("cells", "many Schwann cell nuclei")),
    ),
    "vessel": Wording(
        ("blood vessel", "artery", "vein", "vessel", "muscular artery", "vascular structure", "vessel wall"),
        (
            "a lumen lined by endothelium",
            "a concentric muscular wall",
            "red cells in the lumen",
            "flattened endothelial nuclei",
            "loose adventitia around the wall",
        ),
        ("in the submucosa", "in the soft tissue", "in the hilum"),
        (("blood", "a congested lumen"),),
    ),
}
