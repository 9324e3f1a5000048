"""Who is at the other end of a connection, as ports: what a certificate proves, and what is known of its owner."""

from typing import Protocol

from govcode_node.domain.callers import Caller
from govcode_node.domain.identities import CheckedCertificate, Identity


class CertificateCheck(Protocol):
    """It decides what a certificate proves."""

    def check(self, leaf_pem: bytes) -> CheckedCertificate:
        """It checks issuer, dates and purpose of a leaf and returns the identity in it.

        Raises:
            UntrustedCertificateError: It proves nothing.
        """
        ...


class CallerDirectory(Protocol):
    """It knows the owners of identities: kind of an application, roles of an operator, standing of a node."""

    async def resolve(self, identity: Identity, *, thumbprint: str) -> Caller:
        """It returns the caller of an identity.

        What it returns may be a second old. Acts whose answer hangs on a registration look at it again in their own
        transaction.

        Args:
            identity: From a checked certificate.
            thumbprint: SM3 of that certificate, hexadecimal, for the audit trail.

        Raises:
            AppUnknownError: The application is not registered here.
            AppDisabledError: It, or its organisation, is not enabled.
            DeviceUnknownError: The scanner is not registered here.
            DeviceDisabledError: It is not enabled.
            OperatorUnknownError: The operator has no role here.
            StoreUnavailableError: The registry cannot be read.
        """
        ...
