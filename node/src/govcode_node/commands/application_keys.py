"""An application's encryption key (加密密钥), to which licences are sealed for it: a file beside its certificate."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from govcode_node.domain.errors import GovcodeError

if TYPE_CHECKING:
    from govcode_client import Sm2PrivateKey


class ApplicationKeyError(GovcodeError):
    """The file of an application's key cannot be used; the message says why."""


def make_application_key(path: Path) -> "Sm2PrivateKey":
    """It makes a key and writes it, PKCS#8 in DER, to a new file of mode 0600.

    Raises:
        ApplicationKeyError: The file exists: what was sealed for the key in it would be lost with it.
        OSError: It cannot be written.
    """
    from govcode_client import Sm2PrivateKey

    key = Sm2PrivateKey.generate()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ApplicationKeyError(f"{path} exists and is kept; name another file") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.to_der())
    return key


def load_application_key(path: Path) -> "Sm2PrivateKey":
    """It reads a key that `make_application_key` wrote.

    Raises:
        ApplicationKeyError: The file holds no SM2 key.
        OSError: It cannot be read.
    """
    from govcode_client import Sm2PrivateKey

    try:
        return Sm2PrivateKey.from_der(path.read_bytes())
    except ValueError as error:
        raise ApplicationKeyError(f"{path} holds no SM2 key") from error
