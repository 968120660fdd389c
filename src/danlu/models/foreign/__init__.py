"""Families without a table in `danlu.models.families`, computed by Hugging Face's transformers.

transformers is imported when a folder needs it, never by importing this package.
"""

from danlu.models.foreign.config import ForeignConfig as ForeignConfig
from danlu.models.foreign.config import read_config as read_config
from danlu.models.foreign.folder import fill as fill
from danlu.models.foreign.folder import load as load
from danlu.models.foreign.folder import model_json as model_json
from danlu.models.foreign.folder import parameters as parameters
from danlu.models.foreign.folder import tensors as tensors
from danlu.models.foreign.model import Foreign as Foreign
