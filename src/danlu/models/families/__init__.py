"""How Hugging Face spells each family: one file each."""
