"""The verbs of `danlu`: one file each, with its settings and `run`."""
