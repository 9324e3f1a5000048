"""The first schema.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_holders()
    _create_codes()
    _create_scans()
    _create_registers()
    _create_trail()
    _create_hub()


def _create_holders() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.LargeBinary(), nullable=False),
        sa.Column("subject_index", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_profile", sa.LargeBinary(), nullable=True),
        sa.Column("subject_kind", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("assurance_level", sa.SmallInteger(), nullable=False),
        sa.Column("terms_version", sa.Text(), nullable=False),
        sa.Column("device_key_id", sa.Text(), nullable=False),
        sa.Column("device_public_key", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", name="pk_accounts"),
    )
    op.create_index("ix_accounts_subject_index", "accounts", ["subject_index"], unique=True)
    op.create_table(
        "names",
        sa.Column("name_no", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name_no", name="pk_names"),
    )
    op.create_index("ix_names_name", "names", ["name"], unique=True)
    op.create_table(
        "relations",
        sa.Column("relation_id", sa.Text(), nullable=False),
        sa.Column("presenter_account_id", sa.LargeBinary(), nullable=False),
        sa.Column("dependant_account_id", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("proof_reference", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("relation_id", name="pk_relations"),
    )
    op.create_index("ix_relations_pair", "relations", ["presenter_account_id", "dependant_account_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.LargeBinary(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("device_key_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end_reason", sa.SmallInteger(), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sessions_account_id", "sessions", ["account_id", "created_at"], unique=False)
    op.create_table(
        "tickets",
        sa.Column("ticket_hash", sa.LargeBinary(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("account_id", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("mode", sa.SmallInteger(), nullable=False),
        sa.Column("scene_no", sa.Integer(), nullable=False),
        sa.Column("terminal_type", sa.SmallInteger(), nullable=False),
        sa.Column("one_time", sa.SmallInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("ticket_hash", name="pk_tickets"),
        sqlite_with_rowid=False,
    )


def _create_codes() -> None:
    op.create_table(
        "codes",
        sa.Column("code_id", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.LargeBinary(), nullable=False),
        sa.Column("account_part", sa.SmallInteger(), nullable=False, comment="account_id's last three bits"),
        sa.Column("presenter_account_id", sa.LargeBinary(), nullable=True),
        sa.Column("subject_kind", sa.SmallInteger(), nullable=False),
        sa.Column("mode", sa.SmallInteger(), nullable=False),
        sa.Column("profile", sa.SmallInteger(), nullable=False),
        sa.Column("terminal_type", sa.SmallInteger(), nullable=False),
        sa.Column("scene_no", sa.Integer(), nullable=False),
        sa.Column("one_time", sa.SmallInteger(), nullable=False),
        sa.Column("key_no", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False, comment="Unix seconds"),
        sa.Column("expires_at", sa.BigInteger(), nullable=True, comment="Unix seconds"),
        sa.Column("app", sa.Integer(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("state_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("used_by", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("code_id", name="pk_codes"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_codes_issued_at", "codes", ["issued_at", "account_part"], unique=False)
    op.create_index(
        "ix_codes_long_lived",
        "codes",
        ["account_id"],
        unique=False,
        sqlite_where=sa.text("expires_at IS NULL OR expires_at - issued_at > 600"),
        postgresql_where=sa.text("expires_at IS NULL OR expires_at - issued_at > 600"),
    )
    op.create_index(
        "ix_codes_signed_ended",
        "codes",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("profile = 1 AND state <> 0"),
        postgresql_where=sa.text("profile = 1 AND state <> 0"),
    )
    op.create_index(
        "ix_codes_signed_one_time",
        "codes",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("profile = 1 AND one_time = 1"),
        postgresql_where=sa.text("profile = 1 AND one_time = 1"),
    )
    op.create_table(
        "live_codes",
        sa.Column("account_id", sa.LargeBinary(), nullable=False),
        sa.Column("presenter", sa.LargeBinary(), nullable=False),
        sa.Column("terminal_type", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("code_id", sa.LargeBinary(), nullable=False),
        sa.Column("shape", sa.LargeBinary(), nullable=False),
        sa.Column("refresh_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed_text", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "presenter", "terminal_type", name="pk_live_codes"),
        sqlite_with_rowid=False,
    )


def _create_scans() -> None:
    op.create_table(
        "acts",
        sa.Column("caller", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("method", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("biz_serial", sa.LargeBinary(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("acted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "method", "biz_serial", name="pk_acts"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "scans",
        sa.Column("scan_id", sa.LargeBinary(), nullable=False),
        sa.Column("caller", sa.Integer(), nullable=False),
        sa.Column("act", sa.SmallInteger(), nullable=False),
        sa.Column("biz_serial", sa.LargeBinary(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("code_id", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.LargeBinary(), nullable=True),
        sa.Column("home_node", sa.Integer(), nullable=False),
        sa.Column("visited_node", sa.Integer(), nullable=False),
        sa.Column("relying_party_name", sa.Integer(), nullable=False),
        sa.Column("scene_no", sa.Integer(), nullable=False),
        sa.Column("scene_class", sa.SmallInteger(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("disclosed_fields", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("trace_id", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("peer_evidence", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("scan_id", name="pk_scans"),
    )
    op.create_index(
        "ix_scans_account_id",
        "scans",
        ["account_id", "scan_id"],
        unique=False,
        sqlite_where=sa.text("account_id IS NOT NULL"),
        postgresql_where=sa.text("account_id IS NOT NULL"),
    )
    op.create_index("ix_scans_decided_at", "scans", ["decided_at"], unique=False)
    op.create_index("ix_scans_serial", "scans", ["caller", "act", "biz_serial"], unique=True)


def _create_registers() -> None:
    op.create_table(
        "applications",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("relying_party_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scene_nos", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", name="pk_applications"),
    )
    op.create_table(
        "relying_parties",
        sa.Column("relying_party_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uscc", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("relying_party_id", name="pk_relying_parties"),
    )
    op.create_index("ix_relying_parties_uscc", "relying_parties", ["uscc"], unique=True)
    op.create_table(
        "scanners",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", name="pk_scanners"),
    )
    op.create_table(
        "scenes",
        sa.Column("scene_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scene_class", sa.SmallInteger(), nullable=False),
        sa.Column("subject_kinds", sa.Text(), nullable=False),
        sa.Column("validity_ms", sa.BigInteger(), nullable=True),
        sa.Column("refresh_after_ms", sa.BigInteger(), nullable=True),
        sa.Column("profile", sa.SmallInteger(), nullable=False),
        sa.Column("one_time", sa.SmallInteger(), nullable=False),
        sa.Column("offline_allowed", sa.SmallInteger(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("assurance_level", sa.SmallInteger(), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scene_no", "version", name="pk_scenes"),
        sqlite_with_rowid=False,
    )


def _create_trail() -> None:
    op.create_table(
        "audit",
        sa.Column("happened_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("writer_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("actor_class", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Integer(), nullable=False),
        sa.Column("action", sa.SmallInteger(), nullable=False),
        sa.Column("object", sa.LargeBinary(), nullable=False),
        sa.Column("result", sa.Integer(), nullable=False),
        sa.Column("biz_serial", sa.LargeBinary(), nullable=False),
        sa.Column("trace_id", sa.LargeBinary(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("happened_at", "writer_no", "seq", name="pk_audit"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit_writers",
        sa.Column("writer_no", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("writer_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("writer_no", name="pk_audit_writers"),
    )
    op.create_index("ix_audit_writers_writer_id", "audit_writers", ["writer_id"], unique=True)
    op.create_table(
        "events",
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("app", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.LargeBinary(), nullable=False),
        sa.Column("happened_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("code_id", sa.LargeBinary(), nullable=True),
        sa.Column("scan_id", sa.LargeBinary(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_app", "events", ["app", "position"], unique=False)


def _create_hub() -> None:
    op.create_table(
        "bundles",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_bundles"),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("beat_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("beat_no", name="pk_heartbeats"),
    )
    op.create_table(
        "node_totals",
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("codes_issued", sa.BigInteger(), nullable=False),
        sa.Column("scans", sa.BigInteger(), nullable=False),
        sa.Column("cross_region_scans", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node_id", name="pk_node_totals"),
    )
    op.create_table(
        "nodes",
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("registration", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("state_at", sa.BigInteger(), nullable=False),
        sa.Column("state_operator", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("node_id", name="pk_nodes"),
    )
    op.create_table(
        "summaries",
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("codes_issued", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node_id", "minute", name="pk_summaries"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "summary_outcomes",
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("visited_node", sa.Text(), nullable=False),
        sa.Column("home_node", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "node_id", "minute", "visited_node", "home_node", "outcome", name="pk_summary_outcomes"
        ),
        sqlite_with_rowid=False,
    )
