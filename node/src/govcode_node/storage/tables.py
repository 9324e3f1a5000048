"""The tables. Migrations build them; a test compares the two.

Times are Unix milliseconds, those of codes Unix seconds. Ids of busy tables begin with their time, so that rows and
index entries are appended at the right edge. No foreign keys: rows are written in bulk at the end of a batch, and rows
of control are never deleted while something refers to them.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, SmallInteger, Table, Text, text

from govcode_node.storage.table_parts import bytes_column as _bytes
from govcode_node.storage.table_parts import metadata
from govcode_node.storage.table_parts import name_column as _name
from govcode_node.storage.table_parts import small_column as _small
from govcode_node.storage.table_parts import text_column as _text
from govcode_node.storage.table_parts import time_column as _time

LONG_LIVED_SECONDS: Final = 600
"""Codes that live longer have an index by account; the others are few at any time and are found by their second."""

names = Table(
    "names",
    metadata,
    Column("name_no", Integer, Identity(always=False), primary_key=True),
    _text("name"),
)
Index("ix_names_name", names.c.name, unique=True)

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", LargeBinary, primary_key=True),
    _bytes("subject_index", nullable=True),
    _bytes("sealed_profile", nullable=True),
    _small("subject_kind"),
    _small("state"),
    _small("assurance_level"),
    _text("terms_version"),
    _text("device_key_id"),
    _bytes("device_public_key"),
    _time("opened_at"),
    _time("closed_at", nullable=True),
)
# A closed account has no subject index, so a subject has at most one that is open.
Index("ix_accounts_subject_index", accounts.c.subject_index, unique=True)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    _bytes("account_id"),
    _text("app_id"),
    _text("device_key_id"),
    _time("created_at"),
    _time("expires_at"),
    _time("ended_at", nullable=True),
    _small("end_reason", nullable=True),
    sqlite_with_rowid=False,
)
Index("ix_sessions_account_id", sessions.c.account_id, sessions.c.created_at)

relations = Table(
    "relations",
    metadata,
    Column("relation_id", Text, primary_key=True),
    _bytes("presenter_account_id"),
    _bytes("dependant_account_id"),
    _small("kind"),
    _text("proof_reference"),
    _time("registered_at"),
    _time("ends_at"),
    _time("cancelled_at", nullable=True),
)
Index("ix_relations_pair", relations.c.presenter_account_id, relations.c.dependant_account_id)

tickets = Table(
    "tickets",
    metadata,
    Column("ticket_hash", LargeBinary, primary_key=True),
    _text("caller"),
    _bytes("account_id"),
    _text("session_id"),
    _bytes("nonce"),
    _small("mode"),
    Column("scene_no", Integer, nullable=False),
    _small("terminal_type"),
    _small("one_time"),
    _time("expires_at"),
    _time("used_at", nullable=True),
    sqlite_with_rowid=False,
)

codes = Table(
    "codes",
    metadata,
    Column("code_id", LargeBinary, primary_key=True),
    _bytes("account_id"),
    Column("account_part", SmallInteger, nullable=False, comment="account_id's last three bits"),
    _bytes("presenter_account_id", nullable=True),
    _small("subject_kind"),
    _small("mode"),
    _small("profile"),
    _small("terminal_type"),
    Column("scene_no", Integer, nullable=False),
    _small("one_time"),
    Column("key_no", Integer, nullable=False),
    Column("issued_at", BigInteger, nullable=False, comment="Unix seconds"),
    Column("expires_at", BigInteger, nullable=True, comment="Unix seconds"),
    _name("app"),
    _small("state"),
    _time("state_at", nullable=True),
    _text("reason"),
    # Sixteen zeros before the use: writing the scan's id over them does not make the row grow and split its page.
    _bytes("used_by"),
    sqlite_with_rowid=False,
)
# Counts the codes of a minute, and finds the short-lived codes of an account among an eighth of those of a second. An
# index that began with the account would cost a random page for each code.
Index("ix_codes_issued_at", codes.c.issued_at, codes.c.account_part)
Index(
    "ix_codes_long_lived",
    codes.c.account_id,
    sqlite_where=text(f"expires_at IS NULL OR expires_at - issued_at > {LONG_LIVED_SECONDS}"),
    postgresql_where=text(f"expires_at IS NULL OR expires_at - issued_at > {LONG_LIVED_SECONDS}"),
)
Index(
    "ix_codes_signed_ended",
    codes.c.expires_at,
    sqlite_where=text("profile = 1 AND state <> 0"),
    postgresql_where=text("profile = 1 AND state <> 0"),
)
Index(
    "ix_codes_signed_one_time",
    codes.c.expires_at,
    sqlite_where=text("profile = 1 AND one_time = 1"),
    postgresql_where=text("profile = 1 AND one_time = 1"),
)

live_codes = Table(
    "live_codes",
    metadata,
    Column("account_id", LargeBinary, primary_key=True),
    Column("presenter", LargeBinary, primary_key=True),
    Column("terminal_type", SmallInteger, primary_key=True, autoincrement=False),
    _bytes("code_id"),
    _bytes("shape"),
    _time("refresh_at"),
    _time("expires_at"),
    _bytes("sealed_text"),
    sqlite_with_rowid=False,
)

# With a rowid: rows of some hundred bytes fill the pages of such a table, and leave a fifth empty in one without.
scans = Table(
    "scans",
    metadata,
    Column("scan_id", LargeBinary, primary_key=True),
    _name("caller"),
    _small("act"),
    _bytes("biz_serial"),
    _bytes("request_digest"),
    _small("outcome"),
    _bytes("code_id"),
    _bytes("account_id", nullable=True),
    _name("home_node"),
    _name("visited_node"),
    _name("relying_party_name"),
    Column("scene_no", Integer, nullable=False),
    _small("scene_class"),
    _text("place"),
    _text("device_id"),
    _name("disclosed_fields"),
    _time("decided_at"),
    _bytes("trace_id"),
    _bytes("answer"),
    _bytes("peer_evidence"),
)
Index("ix_scans_serial", scans.c.caller, scans.c.act, scans.c.biz_serial, unique=True)
Index(
    "ix_scans_account_id",
    scans.c.account_id,
    scans.c.scan_id,
    sqlite_where=text("account_id IS NOT NULL"),
    postgresql_where=text("account_id IS NOT NULL"),
)
Index("ix_scans_decided_at", scans.c.decided_at)

acts = Table(
    "acts",
    metadata,
    Column("caller", Integer, primary_key=True, autoincrement=False),
    Column("method", Integer, primary_key=True, autoincrement=False),
    Column("biz_serial", LargeBinary, primary_key=True),
    _bytes("request_digest"),
    _bytes("answer"),
    _time("acted_at"),
    sqlite_with_rowid=False,
)

relying_parties = Table(
    "relying_parties",
    metadata,
    Column("relying_party_id", Text, primary_key=True),
    _text("name"),
    _text("uscc"),
    _text("purpose"),
    _text("contact"),
    _small("state"),
    _time("registered_at"),
)
Index("ix_relying_parties_uscc", relying_parties.c.uscc, unique=True)

applications = Table(
    "applications",
    metadata,
    Column("app_id", Text, primary_key=True),
    _text("relying_party_id"),
    _small("kind"),
    _text("name"),
    _text("scene_nos"),
    _small("state"),
    _time("registered_at"),
)

scanners = Table(
    "scanners",
    metadata,
    Column("device_id", Text, primary_key=True),
    _text("app_id"),
    _text("place"),
    _small("state"),
    _time("registered_at"),
)

scenes = Table(
    "scenes",
    metadata,
    Column("scene_no", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("name"),
    _small("scene_class"),
    _text("subject_kinds"),
    Column("validity_ms", BigInteger, nullable=True),
    Column("refresh_after_ms", BigInteger, nullable=True),
    _small("profile"),
    _small("one_time"),
    _small("offline_allowed"),
    _text("fields"),
    _small("assurance_level"),
    _time("effective_at"),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    # Positions are never used twice, not even after the newest events were deleted.
    Column("position", BigInteger().with_variant(Integer, "sqlite"), Identity(always=False), primary_key=True),
    _name("app"),
    _bytes("account_id"),
    _time("happened_at"),
    _bytes("event_id"),
    _small("kind"),
    _bytes("code_id", nullable=True),
    _bytes("scan_id", nullable=True),
    _text("facts"),
    sqlite_autoincrement=True,
)
Index("ix_events_app", events.c.app, events.c.position)

audit_writers = Table(
    "audit_writers",
    metadata,
    Column("writer_no", Integer, Identity(always=False), primary_key=True),
    _text("writer_id"),
)
Index("ix_audit_writers_writer_id", audit_writers.c.writer_id, unique=True)

audit = Table(
    "audit",
    metadata,
    # One tree: its key is the order in which the trail is read, and rows arrive nearly in that order.
    Column("happened_at", BigInteger, primary_key=True, autoincrement=False),
    Column("writer_no", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _name("actor_class"),
    _name("actor"),
    _small("action"),
    _bytes("object"),
    _name("result"),
    _bytes("biz_serial"),
    _bytes("trace_id"),
    _text("details"),
    _bytes("previous_hash"),
    _bytes("hash"),
    sqlite_with_rowid=False,
)

nodes = Table(
    "nodes",
    metadata,
    Column("node_id", Text, primary_key=True),
    _small("state"),
    _text("registration"),
    _time("registered_at"),
    _time("state_at"),
    _text("state_operator"),
)

bundles = Table(
    "bundles",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    _bytes("evidence"),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

summaries = Table(
    "summaries",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("codes_issued", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

summary_outcomes = Table(
    "summary_outcomes",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("visited_node", Text, primary_key=True),
    Column("home_node", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

node_totals = Table(
    "node_totals",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("codes_issued", BigInteger, nullable=False),
    Column("scans", BigInteger, nullable=False),
    Column("cross_region_scans", BigInteger, nullable=False),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("beat_no", Integer, primary_key=True, autoincrement=False),
    _time("beat_at"),
)
