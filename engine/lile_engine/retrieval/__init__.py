"""Questions to an archive: two-stage search, heat maps, attention maps; and what fills an archive from slides.

Takes a model object and imports no torch itself. Nothing is imported here: the window needs the plain results
(`lile_engine.retrieval.results`) before its first frame, and nothing else of this room.
"""
