"""Text to token ids and back: training, loading, and the chat template."""

from danlu.tokenizer.chat import Encoded, encode_chat
from danlu.tokenizer.stats import stats
from danlu.tokenizer.tokenizer import Tokenizer
from danlu.tokenizer.train import train

__all__ = ["Encoded", "Tokenizer", "encode_chat", "stats", "train"]
