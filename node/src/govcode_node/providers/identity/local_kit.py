"""What a holder's device would do with the local provider: it makes the blob that `finish` reads.

A device kit (鉴别控件) of a real provider takes a face or reads a card and seals the result for its provider. This one
writes down a secret of the synthetic file. The node passes either on unread.
"""

import json

MAX_BLOB_BYTES = 4096
"""Largest blob of this kit; a longer one proves nobody."""


def device_kit_blob(*, identification_id: str, id_number: str, secret: str, uscc: str | None = None) -> bytes:
    """It makes the blob by which a person identifies.

    Args:
        identification_id: The identification that was begun.
        id_number: Citizen id of the person at the device.
        secret: The person's secret in the synthetic file.
        uscc: The company that the person acts for, in an identification of a legal entity.
    """
    content = {"identification_id": identification_id, "id_number": id_number, "secret": secret}
    if uscc is not None:
        content["uscc"] = uscc
    return json.dumps(content).encode()
