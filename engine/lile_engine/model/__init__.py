"""The LILE network, its checkpoints, and every other image-text model behind one protocol."""
