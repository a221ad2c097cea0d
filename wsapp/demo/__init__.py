"""The demo (`wsapp demo`): the product with an emulator of every host and two live phones, on this machine alone."""

from wsapp.demo.run import main

__all__ = ["main"]
