"""Choosing sizes and settings: by measurement on this machine, and by search."""
