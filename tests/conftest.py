"""For all tests: the C core of gRPC keeps quiet about connections that tests break on purpose.

The variable must be set before grpcio is loaded; a test that wants the core's own words starts a process of its own.
"""

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")
