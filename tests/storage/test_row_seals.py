"""Rows of control that another hand than the node's has changed are found out, and nothing is done by them."""

from collections.abc import Callable
from typing import Any

import pytest
from govcode_node.domain.keys import SealBrokenError
from govcode_node.ports.authorization_stores import SceneOffer
from govcode_node.storage import SqlDatabase
from govcode_node.storage.row_seals import RowSeals
from govcode_node.storage.table_parts import metadata
from kit.row_sealing import HmacRowSealer
from storage import authorization_samples as samples
from storage.conftest import OpenDatabase
from storage.samples import NOW, new_account_id

GRANTED = samples.granted()
WAITING = samples.authorization()
MANDATE = samples.mandate()
OFFER = SceneOffer(account_id=new_account_id(), app_id="counter-app", matter_code="42-0131")
SEALED = sorted(table.name for table in metadata.tables.values() if "row_seal" in table.columns)


WRITERS: dict[str, Callable[[Any], object]] = {
    "authorizations": lambda tx: tx.authorizations.add(GRANTED),
    "mandates": lambda tx: tx.mandates.add(MANDATE),
    "license_types": lambda tx: tx.catalogue.add_license_type(samples.license_type()),
    "matters": lambda tx: tx.catalogue.add_matter(samples.matter()),
    "application_keys": lambda tx: tx.catalogue.add_key(samples.application_key()),
    "scene_offers": lambda tx: tx.catalogue.put_offer(OFFER),
}


READERS: dict[str, list[Callable[[Any], object]]] = {
    "authorizations": [
        lambda tx: tx.authorizations.get(GRANTED.authorization_id),
        lambda tx: tx.authorizations.list_of(GRANTED.account_id, before="", limit=5),
        lambda tx: tx.authorizations.open_of(GRANTED.account_id),
        lambda tx: tx.authorizations.find_request(app_id="counter-app", biz_serial=GRANTED.request.biz_serial),
        lambda tx: tx.authorizations.begin_use(samples.use(GRANTED), limit=3),
        lambda tx: tx.authorizations.withdraw(GRANTED.authorization_id, at=NOW, withdrawal=b""),
    ],
    "mandates": [
        lambda tx: tx.mandates.get(MANDATE.mandate_id),
        lambda tx: tx.mandates.list_of(MANDATE.agent_account_id, limit=5),
        lambda tx: tx.mandates.cancel(MANDATE.mandate_id, at=NOW),
    ],
    "license_types": [
        lambda tx: tx.catalogue.license_type("business-licence"),
        lambda tx: tx.catalogue.license_types(after="", limit=5),
    ],
    "matters": [
        lambda tx: tx.catalogue.matter(app_id="counter-app", matter_code="42-0131"),
        lambda tx: tx.catalogue.matters(after=("", ""), limit=5),
    ],
    "application_keys": [lambda tx: tx.catalogue.key("counter-app")],
    "scene_offers": [lambda tx: tx.catalogue.offer(OFFER.account_id)],
}


def columns_of(table: str) -> list[str]:
    """What can be changed without hiding the row from who looks for it: neither keys nor what is searched by."""
    searched = {"account_id", "app", "biz_serial", "asked_here", "state", "agent_account_id", "cancelled_at"}
    return [
        column.name
        for column in metadata.tables[table].columns
        if not column.primary_key and column.name not in searched
    ]


async def command(database: SqlDatabase, text: str) -> None:
    await database.run(lambda tx: tx.link.command(text))  # type: ignore[attr-defined]


async def change(database: SqlDatabase, table: str, column: str) -> None:
    """It changes one column, as somebody with access to the database could."""
    kind = str(metadata.tables[table].columns[column].type)
    values = {"BLOB": "X'00ff'", "TEXT": f"{column} || ' '"}
    if database.durability.engine == "postgresql":
        values["BLOB"] = "'\\x00ff'::bytea"
    content = values.get(kind, f"coalesce({column}, 0) + 1")
    await command(database, f"UPDATE {table} SET {column} = {content}")  # noqa: S608


def test_every_sealed_table_has_its_readers_here() -> None:
    assert sorted(READERS) == SEALED


@pytest.mark.parametrize("table", SEALED)
async def test_a_row_with_any_column_changed_is_not_acted_on(table: str, url: str, open_database: OpenDatabase) -> None:
    database = await open_database(url)
    for column in columns_of(table):
        await database.run(WRITERS[table])
        await change(database, table, column)
        for reader in READERS[table]:
            with pytest.raises(SealBrokenError):
                await database.run(reader)
        for emptied in (table, "authorization_counters"):
            await command(database, f"DELETE FROM {emptied}")  # noqa: S608


async def test_a_state_changed_by_another_hand_opens_nothing(url: str, open_database: OpenDatabase) -> None:
    database = await open_database(url)
    await database.run(lambda tx: tx.authorizations.add(WAITING))
    await command(database, "UPDATE authorizations SET state = 2")
    for reader in (
        lambda tx: tx.authorizations.get(WAITING.authorization_id),
        lambda tx: tx.authorizations.begin_use(samples.use(WAITING), limit=3),
    ):
        with pytest.raises(SealBrokenError):
            await database.run(reader)


async def test_a_request_changed_by_another_hand_is_not_sealed_by_its_decision(
    url: str, open_database: OpenDatabase
) -> None:
    database = await open_database(url)
    await database.run(lambda tx: tx.authorizations.add(WAITING))
    await change(database, "authorizations", "request")
    for act in (
        lambda tx: tx.authorizations.decide(WAITING.authorization_id, **samples.decision()),
        lambda tx: tx.authorizations.time_out(WAITING.authorization_id, at=NOW),
        lambda tx: tx.authorizations.undecided(now=WAITING.decide_before, limit=5),
    ):
        with pytest.raises(SealBrokenError):
            await database.run(act)


async def test_a_row_of_another_nodes_keys_is_not_acted_on(url: str, open_database: OpenDatabase) -> None:
    foreign = await open_database(url, sealer=HmacRowSealer(b"another node"))
    await foreign.run(lambda tx: [write(tx) for write in WRITERS.values()])
    own = await open_database(url)
    for reader in (reader for readers in READERS.values() for reader in readers):
        with pytest.raises(SealBrokenError):
            await own.run(reader)


def test_no_two_rows_share_their_bytes() -> None:
    """Each value has its kind and length: none flows into the next, and None is neither nothing nor a zero."""
    seals, table = RowSeals(HmacRowSealer()), metadata.tables["mandates"]
    rows = [("a", "b"), ("ab", ""), ("", "ab"), (b"a", "b"), (None, "b"), (0, "b"), ("0", "b"), ("a", "b", None)]
    sealed = [seals.sealed(table, row)[-1] for row in rows]
    sealed.append(seals.sealed(metadata.tables["matters"], rows[0])[-1])
    assert len(set(sealed)) == len(sealed)
    for row, seal in zip(rows, sealed, strict=False):
        assert seals.checked(table, (*row, seal)) == row
    with pytest.raises(TypeError, match="float"):
        seals.sealed(table, (1.5,))
