"""What the steps need of the outside, as Protocols: stores, keys and evidence, peers and hub, identity, time.

Each adapter room implements some of these; the composition root (`app.py`) puts them together; tests have fakes that
behave. A port speaks domain types only: no SQL, no protobuf, no gRPC.
"""
