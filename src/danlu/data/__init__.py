"""From files to a cleaned, split corpus, and to training rows and pairs; all without torch."""
