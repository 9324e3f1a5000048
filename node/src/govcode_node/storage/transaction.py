"""One transaction as the use cases see it: all stores over one link."""

from typing import Final

from govcode_node.storage.batches import Batch
from govcode_node.storage.stores.accounts import SqlAccountStore
from govcode_node.storage.stores.acts import SqlActStore
from govcode_node.storage.stores.audit import Chain, SqlAuditStore
from govcode_node.storage.stores.authorizations import SqlAuthorizationStore
from govcode_node.storage.stores.catalogue import SqlCatalogueStore
from govcode_node.storage.stores.codes import SqlCodeStore
from govcode_node.storage.stores.events import SqlEventStore
from govcode_node.storage.stores.hub import SqlHubStore
from govcode_node.storage.stores.mandates import SqlMandateStore
from govcode_node.storage.stores.parties import SqlPartyStore
from govcode_node.storage.stores.relations import SqlRelationStore
from govcode_node.storage.stores.scans import SqlScanStore
from govcode_node.storage.stores.scenes import SqlSceneStore
from govcode_node.storage.stores.sessions import SqlSessionStore
from govcode_node.storage.stores.tickets import SqlTicketStore


class SqlTransaction:
    """The stores. One object serves all transactions of its link, one after another.

    Attributes are the stores of `ports.stores.Transaction`.
    """

    __slots__ = (
        "accounts",
        "acts",
        "audit",
        "authorizations",
        "catalogue",
        "codes",
        "events",
        "hub",
        "link",
        "mandates",
        "parties",
        "relations",
        "scans",
        "scenes",
        "sessions",
        "tickets",
    )

    def __init__(self, batch: Batch, chain: Chain) -> None:
        # Those that buffer rows stand in the order in which their rows are written.
        self.codes: Final = SqlCodeStore(batch)
        self.scans: Final = SqlScanStore(batch)
        self.acts: Final = SqlActStore(batch)
        self.audit: Final = SqlAuditStore(batch, chain)
        # Events last: on PostgreSQL a lock is held from here to the commit.
        self.events: Final = SqlEventStore(batch)
        self.accounts: Final = SqlAccountStore(batch)
        self.sessions: Final = SqlSessionStore(batch)
        self.relations: Final = SqlRelationStore(batch)
        self.tickets: Final = SqlTicketStore(batch)
        self.parties: Final = SqlPartyStore(batch)
        self.scenes: Final = SqlSceneStore(batch)
        self.hub: Final = SqlHubStore(batch)
        self.authorizations: Final = SqlAuthorizationStore(batch)
        self.mandates: Final = SqlMandateStore(batch)
        self.catalogue: Final = SqlCatalogueStore(batch)
        self.link: Final = batch.link
