"""Sharing (共享): "who owns it?", and asking the owner to share, on a card."""
