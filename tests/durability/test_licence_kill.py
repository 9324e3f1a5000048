"""A home node that is killed in the middle of its work has kept every consent, withdrawal and use that it answered."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from govcode.authorization.v1 import authorization_service_pb2 as servicev1
from govcode.authorization.v1 import authorization_service_pb2_grpc as servicev1_grpc
from govcode_client import ClientError, NodeError
from govcode_client.sm2 import Sm2PrivateKey
from govcode_node.domain.authorizations import AuthorizationState, UseState
from govcode_node.domain.identities import CallerClass
from govcode_node.ports.stores import Transaction
from govcode_node.storage import SqlDatabase
from grpc import aio
from kit.licence_players import LICENCES_FILE, MATTER, PERMIT, PERMIT_FIELDS, Consent, Counter, connect, stock
from kit.node_process import NodeProcess
from kit.nodes import until
from kit.players import Holder, HolderBackend, OperatorDesk, dial, serial, synthetic_people

ENOUGH = 30
"""Decisions that are answered before the node is killed; every second one is withdrawn."""

FIELDS = {PERMIT: PERMIT_FIELDS}
SIX_ASKERS = 6


@dataclass
class Home:
    """A node that is home to the holder, the licence and the counter, as a process of its own.

    Attributes:
        config: Its configuration.
        key: The counter's key.
        stack: Stops whatever runs.
    """

    config: Path
    key: Sm2PrivateKey
    stack: AsyncExitStack
    node: NodeProcess = field(init=False)

    async def start(self) -> None:
        self.node = await NodeProcess.start(self.config)
        self.stack.push_async_callback(self.node.stop)

    def counter(self) -> Counter:
        """The counter, by a client of its own."""
        certificate = self.node.pki.app("counter-app", region=self.node.node_id)
        client = connect(self.node.address, certificate, pki=self.node.pki)
        self.stack.push_async_callback(client.close)
        return Counter(client=client, key=self.key)

    async def ask(self, holder: Holder, **terms: object) -> Consent:
        """The counter asks for the licence and its document."""
        certificate = self.node.pki.app("holder-app", region=self.node.node_id)
        holders = connect(self.node.address, certificate, pki=self.node.pki)
        self.stack.push_async_callback(holders.close)
        return await self.counter().ask(holders, holder, FIELDS, documents=[PERMIT], **terms)

    def again(self, consent: Consent) -> Consent:
        """The same authorization, at the node as it listens now."""
        return Consent(
            counter=self.counter(),
            holders=consent.holders,
            holder=consent.holder,
            authorization_id=consent.authorization_id,
            biz_serial=consent.biz_serial,
        )


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with AsyncExitStack() as stack:
        config = NodeProcess.write(tmp_path / "node")
        with config.open("a", encoding="utf-8") as file:
            file.write(f'[licences]\nfolder = "{tmp_path}/held"\nsynthetic_file = "{LICENCES_FILE}"\n')
        made = Home(config, Sm2PrivateKey.generate(), stack)
        await made.start()
        await made.node.register_parties()
        business = made.node.pki.issue(CallerClass.OPERATOR, "business-1", region=made.node.node_id)
        async with dial(made.node.address, business, pki=made.node.pki) as channel:
            await stock(OperatorDesk(channel), key=made.key)
        yield made


async def a_holder(home: Home, stack: AsyncExitStack) -> Holder:
    channel = await stack.enter_async_context(home.node.dial("holder-app"))
    return await HolderBackend(channel).open_account(synthetic_people()["张样例"])


def copy_store(folder: Path, copy: Path) -> None:
    copy.mkdir()
    for name in ("store.db", "store.db-wal"):
        shutil.copyfile(folder / name, copy / name)
    with closing(sqlite3.connect(copy / "store.db")) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def kept_after_the_kill(home: Home, copy: Path) -> SqlDatabase:
    """A copy of the files as the kill has left them, opened without a node."""
    await asyncio.to_thread(copy_store, home.config.parent, copy)
    return await SqlDatabase.open(f"sqlite:///{copy}/store.db", writer_id="reader/0/1")


@pytest.mark.req("6.3-12")
async def test_a_use_that_was_begun_before_a_kill_counts_once_and_its_serial_takes_the_rest(
    home: Home, tmp_path: Path
) -> None:
    holder = await a_holder(home, home.stack)
    consent = await home.ask(holder, max_uses=2)
    decided = await consent.grant()
    number = serial("use")
    async with home.node.dial("counter-app") as channel:
        request = servicev1.FetchLicenseRequest(
            biz_serial=number, authorization_id=consent.authorization_id, item_no=1, matter_code=MATTER
        )
        pieces: Any = servicev1_grpc.AuthorizationServiceStub(channel).FetchLicense(request)
        header = (await pieces.read()).header
        assert header.remaining_uses == 1
        assert (await pieces.read()).HasField("chunk")
        # Between the begin, which was answered, and the end, which the node has not reached: nobody reads on.
        await home.node.kill()

    database = await kept_after_the_kill(home, tmp_path / "copy")
    try:
        row = await database.read(lambda tx: tx.authorizations.get(consent.authorization_id))
        uses = await database.read(lambda tx: tx.authorizations.uses_of(consent.authorization_id))
    finally:
        await database.aclose()
    assert row is not None
    assert (row.state, row.consent) == (AuthorizationState.GRANTED, decided.consent.SerializeToString())
    assert dict(row.uses) == {1: 1}
    assert [(use.use_id, use.state, use.biz_serial) for use in uses] == [(header.use_id, UseState.BEGUN, number)]

    await home.start()
    after = home.again(consent)
    licence = await after.fetch(biz_serial=number)
    assert (licence.use_id, licence.remaining_uses) == (header.use_id, 1)
    assert licence.document_size > 3_000_000
    assert (await after.fetch()).remaining_uses == 0
    with pytest.raises(NodeError, match="GRANT_EXHAUSTED"):
        await after.fetch()


@dataclass
class Answered:
    """What the node answered before it was killed.

    Attributes:
        granted: Evidence of each consent, by authorization.
        withdrawn: Authorizations whose withdrawal was answered.
        broken: Askers whose connection has broken.
    """

    granted: dict[str, bytes] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    broken: int = 0

    async def run(self, home: Home, holder: Holder) -> None:
        """Ask, grant, and withdraw every second one, until the node is gone."""
        consent = await home.ask(holder)
        try:
            while True:
                decided = await consent.grant()
                self.granted[consent.authorization_id] = decided.consent.SerializeToString()
                if len(self.granted) % 2:
                    await consent.withdraw()
                    self.withdrawn.add(consent.authorization_id)
                consent = await consent.counter.ask(consent.holders, holder, FIELDS)
        except (ClientError, aio.AioRpcError):
            self.broken += 1

    def check(self, tx: Transaction) -> None:
        """Every answer is in the store, with its evidence."""
        for authorization_id, evidence in self.granted.items():
            row = tx.authorizations.get(authorization_id)
            assert row is not None
            assert row.consent == evidence
            assert row.grant
            if authorization_id in self.withdrawn:
                assert row.state is AuthorizationState.WITHDRAWN
                assert row.withdrawal


@pytest.mark.req("6.3-13")
async def test_every_consent_and_withdrawal_that_was_answered_before_a_kill_is_kept(home: Home, tmp_path: Path) -> None:
    holder = await a_holder(home, home.stack)
    answered = Answered()
    askers = [asyncio.create_task(answered.run(home, holder)) for _ in range(SIX_ASKERS)]
    await until(lambda: len(answered.granted) >= ENOUGH and len(answered.withdrawn) >= ENOUGH // 3)
    await home.node.kill()
    await asyncio.gather(*askers)
    assert answered.broken == SIX_ASKERS, "the kill met every asker at work"
    database = await kept_after_the_kill(home, tmp_path / "copy")
    try:
        await database.read(answered.check)
    finally:
        await database.aclose()
    # The node itself goes on from there: what was taken back stays taken back.
    await home.start()
    certificate = home.node.pki.app("counter-app", region=home.node.node_id)
    async with connect(home.node.address, certificate, pki=home.node.pki) as client:
        for authorization_id in list(answered.withdrawn)[:3]:
            with pytest.raises(NodeError, match="GRANT_WITHDRAWN"):
                await client.authorizations.fetch_license(
                    authorization_id=authorization_id, item_no=1, matter_code=MATTER, key=home.key
                )
