"""Deletions (回收站): what was deleted, kept whole for a while, and brought back with all that belongs to it."""
