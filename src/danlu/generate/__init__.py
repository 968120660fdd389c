"""From prompts to tokens and text. Nothing is imported here: settings must not need torch."""
