"""A whole federation on one machine: for the demo, for trying things out, and for tests of several nodes.

What the back ends, counters and operators do here, they do through the client library as anybody would; only starting
and stopping of processes is this package's own.
"""
