"""Danlu 丹炉: from raw text to your own language model, on the machine you have."""

__version__ = "0.1.0"
