"""Unit tests are offline: a socket that reaches anything but this process is refused."""

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """No network; socket pairs, which event loops need, are no network."""
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
