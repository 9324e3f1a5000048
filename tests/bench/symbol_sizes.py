"""How large the symbols of codes are (B16): QR versions at level M of the texts that the node issues."""

from typing import Final

from bench.figures import Figure
from govcode_node.domain.codes import Carrier, CodeProfile, SealAlgorithm
from govcode_node.symbols import symbol_version
from kit.code_samples import code_content, code_text

HOST: Final = "zwm.code.hubei.gov.cn"
"""A guide host of 21 characters, the longest that the goal is about."""

_CODE_ID: Final = bytes(range(0xA0, 0xB0))


def symbol_figures() -> list[Figure]:
    """It measures both profiles on screen, in print and as a link, each against its limit."""
    figures = []
    for profile, limits in ((CodeProfile.MAC, (4, 5)), (CodeProfile.SIGNED, (7, 8))):
        algorithm = SealAlgorithm.SM3_HMAC_128 if profile is CodeProfile.MAC else SealAlgorithm.SM2_SM3
        content = code_content(profile=profile, algorithm=algorithm, code_id=_CODE_ID)
        for carrier, limit in ((Carrier.SCREEN, limits[0]), (Carrier.GUIDE, limits[1])):
            text = code_text(content, carrier, HOST)
            what = f"symbol, level M, {profile.name} on carrier {carrier.name}, {len(text)} characters"
            version = symbol_version(text)
            figures.append(Figure(id="B16", what=what, value=version, unit="version", must=limit, goal=limit))
    return figures
