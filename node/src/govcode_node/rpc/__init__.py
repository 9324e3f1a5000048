"""gRPC in: who may call what, errors as the contract has them, and the servicers."""
