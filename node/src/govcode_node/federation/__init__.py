"""gRPC out: calls to other nodes and to the hub, the trust bundle's way here, and the node's reports.

Every peer has channels, permits and a circuit breaker of its own, so that one that hangs slows nobody else. TLS itself
checks who answers: roots are the federation's authority alone, and the name expected in the certificate is the node's.
"""
