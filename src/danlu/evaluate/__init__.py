"""How good a model is: on held-out text, on answers, and beside baselines that cost nothing."""
