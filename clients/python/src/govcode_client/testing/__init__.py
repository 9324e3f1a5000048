"""A node of one's own, for the tests of an application that uses this library: no node, no network, no certificates.

    from govcode_client import accepted
    from govcode_client.testing import FakeNode

    with FakeNode() as node:
        client = node.client()
        person = node.person("张样例")
        code = node.present(person)
        assert accepted(client.codes.scan(code_text=code, scene_no=1))

        node.set_outcome(code, "REVOKED")
        node.refuse_next("RATE_LIMITED", retry_after=0.1)

It is a real gRPC server in this process, without TLS, on a port of loopback that only this machine can reach. It
remembers what it is told and checks what holders sign, and knows one caller, who may do everything. What it does not
do: seals of codes, other regions, registries, rate limits, anything that costs time.
"""

from govcode_client.testing._authorizations import FakeLicense
from govcode_client.testing._people import FakePerson
from govcode_client.testing._server import FakeNode, SeenCall

__all__ = ["FakeLicense", "FakeNode", "FakePerson", "SeenCall"]
