"""How llama.cpp spells each architecture: one file each, named as `general.architecture` says."""
