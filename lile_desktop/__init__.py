"""The LILE Desktop window. Qt only: torch is never imported in this process."""
