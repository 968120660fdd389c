"""What is minimised: one file each, found by its name."""
