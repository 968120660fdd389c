"""GGUF, the file format of llama.cpp: one file with a model's numbers, settings and tokenizer."""
