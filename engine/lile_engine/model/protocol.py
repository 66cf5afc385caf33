"""What every image-text model offers the rest of the engine: numpy in, numpy out, no torch in sight.

Anything that fills `ImageTextModel` can index, search and draw attention maps: LILE itself, and CLIP-family
folders through `lile_engine.model.clip`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lile_engine.outside import PhraseRange

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ModelIdentity:
    """Which model made a vector. Vectors of different ``id`` never mix.

    ``id`` is the first 16 hex digits of a SHA-256 over configuration and weights; ``width`` the length d of
    the vectors; ``image_tokens`` the number N of tokens of an image; ``token_width`` the length w of a token
    as it is stored; ``input_px`` the side of the square input; ``mpp`` the microns per pixel it was trained at.
    """

    id: str
    name: str
    width: int
    image_tokens: int
    token_width: int
    input_px: int
    mpp: float


@dataclass(frozen=True)
class ImageEncoding:
    """``vectors`` float32 [B, d], unit length; ``tokens`` float32 [B, N, w], row by row over the token grid."""

    vectors: Floats
    tokens: Floats


@dataclass(frozen=True)
class Word:
    """A word of a phrase: its text, its place [start, end) in the phrase, and the tokens it was cut into."""

    text: str
    start: int
    end: int
    tokens: tuple[int, ...]


# How much of a phrase's crowding (`ImageTextModel.crowding`) is taken from its cosine where phrases are compared with
# each other for one picture.
CROWDING_SHARE = 0.5


@dataclass(frozen=True)
class TextEncoding:
    """``vectors`` float32 [B, d], unit length; ``tokens`` float32 [B, M, w]; ``mask`` bool [B, M], True where
    there is a token; ``words`` the words of each phrase with the indices of their tokens; ``outside`` float32
    [B], how far each phrase lies from all that the model has learned (0 to 1), None where the model cannot tell."""

    vectors: Floats
    tokens: Floats
    mask: Bools
    words: list[list[Word]]
    outside: Floats | None = None


@dataclass(frozen=True)
class AttentionMaps:
    """Cross-attention of one image and one phrase, averaged over heads, of the last block.

    ``image_over_text`` float32 [N, M]: where each image token looks in the phrase; ``text_over_image``
    float32 [M, N]: where each token of the phrase looks in the image. Rows sum to 1, columns of padding are 0.
    ``grid`` is (rows, columns) of the image tokens.
    """

    image_over_text: Floats
    text_over_image: Floats
    grid: tuple[int, int]


class ImageTextModel(Protocol):
    """An image-text model, ready on its device."""

    @property
    def identity(self) -> ModelIdentity: ...

    @property
    def device(self) -> str:
        """Where it runs, for people: ``"cpu (bfloat16)"``, ``"cuda (NVIDIA H100)"``."""
        ...

    @property
    def alpha(self) -> float:
        """Weight of cos(v, t) in the search score alpha * cos(v, t) + (1 - alpha) * s_x."""
        ...

    @property
    def rerank_k(self) -> int:
        """How many candidates of stage one are re-ranked."""
        ...

    def crowding(self, phrases: Floats) -> Floats | None:
        """How near phrases, unit vectors [B, d], lie to their nearest learned pictures whatever is asked: float32 [B],
        a mean of cosines; None where the model does not know."""
        ...

    def phrase_range(self, phrase: Floats) -> PhraseRange | None:
        """Where the cosines of a phrase, a unit vector [d], begin and end; None where the model does not know."""
        ...

    def encode_images(self, pixels: Pixels) -> ImageEncoding:
        """Embeds uint8 RGB [B, H, W, 3]; other sizes than ``identity.input_px`` are resized."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> TextEncoding:
        """Embeds phrases; what is longer than the model takes is cut."""
        ...

    def ask_texts(self, texts: Sequence[str]) -> TextEncoding:
        """`encode_texts` for questions: other people's words are drawn towards those that the model knows, where it
        knows any. Captions, which are what is searched, are embedded as they stand."""
        ...

    def score_pairs(self, image_tokens: Floats, text_tokens: Floats, mask: Bools) -> Floats:
        """Pair scores s_x, float32 [I, T] in [-1, 1], of image tokens [I, N, w] and text tokens [T, M, w]."""
        ...

    def attend(self, image_tokens: Floats, text_tokens: Floats, mask: Bools) -> AttentionMaps:
        """Attention of one image, tokens [N, w], and one phrase, tokens [M, w], mask [M]."""
        ...

    def outside(self, vectors: Floats) -> Floats:
        """How far image vectors [B, d] lie from all that the model has learned: 0 (amid it) to 1."""
        ...
