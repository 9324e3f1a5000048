"""Servers that carry the same handlers: grpcio here, others beside it."""
