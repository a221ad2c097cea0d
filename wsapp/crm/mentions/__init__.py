"""Mentions (提到): colleagues who are named in a follow-up, a visit or a comment, and hear of it."""
