"""Importing this folder puts `fake_hub` on the path."""
