"""Kinds of question that a text can answer, one file each: `pairs(document, rng)`."""
