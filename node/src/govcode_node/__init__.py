"""The node of the federated administrative service code (政务服务码) system."""

from typing import Final

__version__: Final = "0.1.0"
