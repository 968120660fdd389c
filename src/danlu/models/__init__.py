"""The Transformer, its families, and their checkpoints."""
