"""Authorizations and uses of licences, mandates, and the catalogue of what may be asked for.

The tables are new, so the release before this one works on without seeing them.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _create_authorizations()
    _create_uses()
    _create_mandates()
    _create_catalogue()


def _create_authorizations() -> None:
    op.create_table(
        "authorizations",
        sa.Column("authorization_id", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.LargeBinary(), nullable=True),
        sa.Column("subject_kind", sa.SmallInteger(), nullable=True),
        sa.Column("holder_app_id", sa.Text(), nullable=False),
        sa.Column("presenter_account_id", sa.LargeBinary(), nullable=True),
        sa.Column("app", sa.Integer(), nullable=False),
        sa.Column("biz_serial", sa.LargeBinary(), nullable=False),
        sa.Column("asked_here", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("decide_before", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.Column("over_at", sa.BigInteger(), nullable=True),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("request_evidence", sa.LargeBinary(), nullable=False),
        sa.Column("grant_evidence", sa.LargeBinary(), nullable=False),
        sa.Column("consent_evidence", sa.LargeBinary(), nullable=False),
        sa.Column("withdrawal_evidence", sa.LargeBinary(), nullable=False),
        sa.Column("row_seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("authorization_id", name="pk_authorizations"),
    )
    op.create_index(
        "ix_authorizations_account_id",
        "authorizations",
        ["account_id", "authorization_id"],
        unique=False,
        sqlite_where=sa.text("account_id IS NOT NULL"),
        postgresql_where=sa.text("account_id IS NOT NULL"),
    )
    op.create_index(
        "ix_authorizations_over_at",
        "authorizations",
        ["over_at", "authorization_id"],
        unique=False,
        sqlite_where=sa.text("over_at IS NOT NULL"),
        postgresql_where=sa.text("over_at IS NOT NULL"),
    )
    op.create_index(
        "ix_authorizations_serial",
        "authorizations",
        ["app", "biz_serial", "authorization_id"],
        unique=False,
        sqlite_where=sa.text("asked_here = 1"),
        postgresql_where=sa.text("asked_here = 1"),
    )
    op.create_index(
        "ix_authorizations_undecided",
        "authorizations",
        ["decide_before", "authorization_id"],
        unique=False,
        sqlite_where=sa.text("state = 1"),
        postgresql_where=sa.text("state = 1"),
    )
    op.create_table(
        "authorization_counters",
        sa.Column("authorization_id", sa.LargeBinary(), nullable=False),
        sa.Column("item_no", sa.Integer(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("authorization_id", "item_no", name="pk_authorization_counters"),
        sqlite_with_rowid=False,
    )


def _create_uses() -> None:
    op.create_table(
        "license_uses",
        sa.Column("use_id", sa.LargeBinary(), nullable=False),
        sa.Column("authorization_id", sa.LargeBinary(), nullable=False),
        sa.Column("item_no", sa.Integer(), nullable=False),
        sa.Column("counted", sa.SmallInteger(), nullable=False),
        sa.Column("caller", sa.Integer(), nullable=False),
        sa.Column("biz_serial", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.LargeBinary(), nullable=True),
        sa.Column("license_type", sa.Text(), nullable=False),
        sa.Column("relying_party_name", sa.Integer(), nullable=False),
        sa.Column("matter_code", sa.Text(), nullable=False),
        sa.Column("license_node", sa.Integer(), nullable=False),
        sa.Column("legal_basis", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("request_evidence", sa.LargeBinary(), nullable=False),
        sa.Column("delivery_evidence", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("use_id", name="pk_license_uses"),
    )
    op.create_index(
        "ix_license_uses_account_id",
        "license_uses",
        ["account_id", "use_id"],
        unique=False,
        sqlite_where=sa.text("account_id IS NOT NULL"),
        postgresql_where=sa.text("account_id IS NOT NULL"),
    )
    op.create_index(
        "ix_license_uses_counted_elsewhere",
        "license_uses",
        ["begun_at", "use_id"],
        unique=False,
        sqlite_where=sa.text("counted = 0"),
        postgresql_where=sa.text("counted = 0"),
    )
    op.create_index(
        "ix_license_uses_serial", "license_uses", ["authorization_id", "caller", "biz_serial", "use_id"], unique=False
    )
    op.create_table(
        "withdrawal_notices",
        sa.Column("authorization_id", sa.LargeBinary(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("withdrawal_evidence", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("gives_up_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("authorization_id", "node_id", name="pk_withdrawal_notices"),
    )
    op.create_index("ix_withdrawal_notices_due_at", "withdrawal_notices", ["due_at"], unique=False)


def _create_mandates() -> None:
    op.create_table(
        "mandates",
        sa.Column("mandate_id", sa.Text(), nullable=False),
        sa.Column("entity_account_id", sa.LargeBinary(), nullable=False),
        sa.Column("agent_account_id", sa.LargeBinary(), nullable=False),
        sa.Column("matter_codes", sa.Text(), nullable=False),
        sa.Column("license_types", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("representative_index", sa.LargeBinary(), nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=True),
        sa.Column("row_seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("mandate_id", name="pk_mandates"),
    )
    op.create_index("ix_mandates_agent", "mandates", ["agent_account_id", "given_at"], unique=False)
    op.create_index("ix_mandates_entity", "mandates", ["entity_account_id", "given_at"], unique=False)


def _create_catalogue() -> None:
    op.create_table(
        "license_types",
        sa.Column("license_type", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("document_sensitive", sa.SmallInteger(), nullable=False),
        sa.Column("subject_kinds", sa.Text(), nullable=False),
        sa.Column("row_seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("license_type", "version", name="pk_license_types"),
    )
    op.create_table(
        "matters",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("matter_code", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("handling_means", sa.Text(), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("max_retention_ms", sa.BigInteger(), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=False),
        sa.Column("max_period_ms", sa.BigInteger(), nullable=False),
        sa.Column("subject_kinds", sa.Text(), nullable=False),
        sa.Column("statute", sa.Text(), nullable=True),
        sa.Column("secret", sa.SmallInteger(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("row_seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "matter_code", "version", name="pk_matters"),
    )
    op.create_table(
        "application_keys",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("row_seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("app_id", "key_id", name="pk_application_keys"),
    )
    op.create_table(
        "scene_offers",
        sa.Column("account_id", sa.LargeBinary(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("matter_code", sa.Text(), nullable=False),
        sa.Column("row_seal", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_scene_offers"),
    )
