"""The settings of generation. No torch here: `--help` reads them."""

from __future__ import annotations

from pydantic import Field, field_validator

from danlu.config import Config


class Sampling(Config):
    """How the next token is chosen, and when to stop."""

    temperature: float = Field(default=0.8, ge=0, le=100, allow_inf_nan=False)
    """Below 1 the likely gets likelier; 0 always takes the most probable token (greedy)."""

    top_k: int = Field(default=0, ge=0)
    """Choose among the k most probable tokens only; 0 for all."""

    top_p: float = Field(default=0.95, gt=0, le=1)
    """Choose among the fewest tokens that together have this probability (Holtzman 2020)."""

    min_p: float = Field(default=0.0, ge=0, le=1)
    """Leave out tokens below this share of the most probable one's probability (Nguyen 2024)."""

    repetition_penalty: float = Field(default=1.0, gt=0, le=100, allow_inf_nan=False)
    """Above 1, tokens that the prompt or the answer has already are less likely (Keskar 2019)."""

    max_tokens: int = Field(default=128, ge=1)
    """Most new tokens."""

    stop: list[str] = Field(default_factory=list, max_length=16)
    """Texts that end the answer; they are not part of it."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Equal seeds give equal answers."""

    @field_validator("stop")
    @classmethod
    def _no_empty_stop(cls, stop: list[str]) -> list[str]:
        if "" in stop:
            raise ValueError("an empty stop text would end every answer at once")
        return stop
