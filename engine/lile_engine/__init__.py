"""The LILE engine: slides, model, archive, retrieval, training and phantom tissue, without a window.

Importing this package is cheap: neither torch nor transformers is imported until a model is loaded.
"""

__version__ = "0.1.0"
