"""A node that does not wait for the disk, for the negative control: the command line of the real one, with one fault.

The node itself refuses such a connection, so the fault comes in after the connection has said what it is worth.
"""

from govcode_node.cli import main
from govcode_node.storage.engine import Durability, Link

_durability = Link.durability


def durability_then_laxity(link: Link) -> Durability:
    said = _durability(link)
    link.command("PRAGMA synchronous=OFF")
    return said


if __name__ == "__main__":
    setattr(Link, "durability", durability_then_laxity)  # noqa: B010 - the fault
    main()
