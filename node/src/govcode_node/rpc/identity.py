"""From the connection to the caller: the leaf certificate, what it proves, and who that is here."""

from typing import Final

from govcode_node.domain.callers import Caller
from govcode_node.domain.identities import CertificateFault, UntrustedCertificateError
from govcode_node.ports.certificates import CallerDirectory, CertificateCheck
from govcode_node.rpc.call import RpcContext

_LEAF: Final = "x509_pem_cert"


class Identification:
    """It finds the caller of a call.

    The handshake has proved that the peer holds the key of *some* certificate of an authority in the pool. Whether that
    authority may vouch for that name is checked here, for every call (architecture: who may be whom).

    Args:
        certificates: Decides what a certificate proves.
        callers: Knows the owners of identities.
    """

    def __init__(self, *, certificates: CertificateCheck, callers: CallerDirectory) -> None:
        self._certificates = certificates
        self._callers = callers

    async def caller_of(self, context: RpcContext) -> Caller:
        """It returns the caller.

        Raises:
            UntrustedCertificateError: There is no certificate, or it proves nothing.
            GovcodeError: The owner is not known or not enabled here, as `CallerDirectory` says.
        """
        leaf = next(iter(context.auth_context().get(_LEAF, ())), None)
        if not leaf:
            raise UntrustedCertificateError(CertificateFault.NO_IDENTITY, "the channel has no client certificate")
        checked = self._certificates.check(leaf)
        return await self._callers.resolve(checked.identity, thumbprint=checked.sm3_thumbprint)
