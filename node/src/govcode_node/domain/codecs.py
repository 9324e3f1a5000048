"""The seam where code texts become code contents: one codec per code scheme, chosen by the text itself.

GB/T 45960 owns the composition of codes. When its layout or a new version arrives, it is one more `CodeCodec`: the
configuration names the scheme that new codes are written in, and the codes already printed keep being read (5-06).
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Protocol

from govcode_node.domain.codes import Carrier, CodeContent, ContentFault, ParsedCode
from govcode_node.domain.errors import GovcodeError
from govcode_node.domain.text_encodings import TextFault

MAX_CODE_TEXT: Final = 1024
"""Longest code text looked at, in characters."""

_LATER_SCHEME = re.compile(r"ZWM[0-9]{1,3}[:.]")


class Malformation(StrEnum):
    """Why a text is no code of ours, beyond the faults of its encoding and of its content."""

    EMPTY = "EMPTY"
    TEXT_TOO_LONG = "TEXT_TOO_LONG"
    UNKNOWN_CARRIER = "UNKNOWN_CARRIER"
    TOO_SHORT = "TOO_SHORT"
    BAD_MAGIC = "BAD_MAGIC"
    RESERVED_VALUE = "RESERVED_VALUE"
    RESERVED_FLAG = "RESERVED_FLAG"
    BAD_REGION = "BAD_REGION"
    EXTENSION_FLAG = "EXTENSION_FLAG"
    EXTENSION_CUT = "EXTENSION_CUT"
    UNKNOWN_CRITICAL_TAG = "UNKNOWN_CRITICAL_TAG"
    SEAL_LENGTH = "SEAL_LENGTH"


MalformedReason = Malformation | TextFault | ContentFault


class MalformedCodeError(GovcodeError):
    """The text is not a code; the text itself is withheld, because a near-code is as good as a code.

    Attributes:
        reason: The first rule that it breaks; a bounded set, fit for a metric label.
    """

    def __init__(self, reason: MalformedReason) -> None:
        self.reason = reason
        super().__init__(f"not a well-formed code: {reason.value}")


class UnsupportedVersionError(GovcodeError):
    """The code is of a scheme, version or profile that this release does not read.

    Attributes:
        version: What it claims, such as ``ZWM2`` or ``version 2, profile 0``.
    """

    def __init__(self, version: str) -> None:
        self.version = version
        super().__init__(f"code version not supported: {version}")


class InvalidGuideHostError(GovcodeError):
    """The host for guide codes is missing or is not a host name that a QR symbol holds in alphanumeric mode.

    Attributes:
        host: The configured host.
    """

    def __init__(self, host: str | None) -> None:
        self.host = host
        super().__init__(f"not a host name for guide codes: {host!r}")


class UnknownCodecError(GovcodeError):
    """The configuration names a code scheme that no codec serves, or two codecs claim one scheme.

    Attributes:
        scheme: The scheme in question.
    """

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme
        super().__init__(f"no single codec serves the code scheme {scheme!r}")


class CodeCodec(Protocol):
    """Writes and reads the codes of one scheme. Sealing stands between `encode` and `assemble`."""

    @property
    def scheme(self) -> str:
        """Name of the scheme, as configuration and texts have it: ``ZWM1``."""
        ...

    def recognises(self, text: str) -> bool:
        """It tells by the head of a text whether this codec should read it; cheap, decides nothing else."""
        ...

    def encode(self, content: CodeContent) -> bytes:
        """It gives the bytes to be sealed.

        Raises:
            UnsupportedVersionError: The codec cannot write the content's profile.
            MalformedCodeError: The codec itself would not read the result.
        """
        ...

    def assemble(self, sealed_bytes: bytes, seal: bytes, carrier: Carrier, host: str | None = None) -> str:
        """It joins bytes and seal into the text of a symbol.

        Args:
            sealed_bytes: What `encode` gave.
            seal: The seal over exactly these bytes.
            carrier: The text form.
            host: Host of the guide page, for `Carrier.GUIDE` only.

        Raises:
            MalformedCodeError: The seal has the wrong length for the profile.
            InvalidGuideHostError: The host is missing or unusable.
        """
        ...

    def parse(self, text: str) -> ParsedCode:
        """It reads a text, accepting nothing but what `assemble` writes.

        Raises:
            MalformedCodeError: The text is no code.
            UnsupportedVersionError: It is a code of a version that the codec does not read.
        """
        ...


class CodecSet:
    """The codecs of a node: one writes, all read."""

    def __init__(self, codecs: Iterable[CodeCodec], *, issuing: str) -> None:
        """It takes the codecs to read with and the name of the scheme to write in.

        Raises:
            UnknownCodecError: No codec has the scheme `issuing`, or a scheme occurs twice.
        """
        self._codecs = tuple(codecs)
        by_scheme: dict[str, CodeCodec] = {}
        for codec in self._codecs:
            if codec.scheme in by_scheme:
                raise UnknownCodecError(codec.scheme)
            by_scheme[codec.scheme] = codec
        if issuing not in by_scheme:
            raise UnknownCodecError(issuing)
        self._issuing = by_scheme[issuing]

    @property
    def issuing(self) -> CodeCodec:
        """The codec that new codes are written with."""
        return self._issuing

    def parse(self, text: str) -> ParsedCode:
        """It reads a text with the codec of its scheme.

        Raises:
            MalformedCodeError: The text is no code of any scheme.
            UnsupportedVersionError: It is of a later scheme or version.
        """
        if len(text) > MAX_CODE_TEXT:
            raise MalformedCodeError(Malformation.TEXT_TOO_LONG)
        for codec in self._codecs:
            if codec.recognises(text):
                return codec.parse(text)
        if not text:
            raise MalformedCodeError(Malformation.EMPTY)
        later = _LATER_SCHEME.match(text)
        if later is not None:
            raise UnsupportedVersionError(later.group()[:-1])
        raise MalformedCodeError(Malformation.UNKNOWN_CARRIER)
