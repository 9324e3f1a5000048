"""The tables of clause 6.3: authorizations, uses, mandates, and the catalogue of what may be asked for.

Rows of control have a seal in their last column; see `row_seals`.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, text

from govcode_node.storage.table_parts import (
    bytes_column,
    metadata,
    name_column,
    small_column,
    text_column,
    time_column,
)

PENDING_ONLY: Final = "state = 1"
"""The number of `AuthorizationState.PENDING`, in the words of an index."""

authorizations = Table(
    "authorizations",
    metadata,
    Column("authorization_id", LargeBinary, primary_key=True),
    bytes_column("account_id", nullable=True),
    small_column("subject_kind", nullable=True),
    text_column("holder_app_id"),
    bytes_column("presenter_account_id", nullable=True),
    name_column("app"),
    bytes_column("biz_serial"),
    small_column("asked_here"),
    small_column("state"),
    time_column("decide_before"),
    time_column("decided_at", nullable=True),
    time_column("ends_at", nullable=True),
    time_column("withdrawn_at", nullable=True),
    # From when on nothing can come of it any more: told by the state, kept so that an index finds what to delete.
    time_column("over_at", nullable=True),
    text_column("items"),
    text_column("request"),
    bytes_column("request_evidence"),
    # Named for what they hold, not for what they are: GRANT is a word of SQL.
    bytes_column("grant_evidence"),
    bytes_column("consent_evidence"),
    bytes_column("withdrawal_evidence"),
    bytes_column("row_seal"),
)
Index(
    "ix_authorizations_account_id",
    authorizations.c.account_id,
    authorizations.c.authorization_id,
    sqlite_where=text("account_id IS NOT NULL"),
    postgresql_where=text("account_id IS NOT NULL"),
)
Index(
    "ix_authorizations_serial",
    authorizations.c.app,
    authorizations.c.biz_serial,
    authorizations.c.authorization_id,
    sqlite_where=text("asked_here = 1"),
    postgresql_where=text("asked_here = 1"),
)
Index(
    "ix_authorizations_undecided",
    authorizations.c.decide_before,
    authorizations.c.authorization_id,
    sqlite_where=text(PENDING_ONLY),
    postgresql_where=text(PENDING_ONLY),
)
Index(
    "ix_authorizations_over_at",
    authorizations.c.over_at,
    authorizations.c.authorization_id,
    sqlite_where=text("over_at IS NOT NULL"),
    postgresql_where=text("over_at IS NOT NULL"),
)

authorization_counters = Table(
    "authorization_counters",
    metadata,
    Column("authorization_id", LargeBinary, primary_key=True),
    Column("item_no", Integer, primary_key=True, autoincrement=False),
    Column("uses", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

license_uses = Table(
    "license_uses",
    metadata,
    Column("use_id", LargeBinary, primary_key=True),
    bytes_column("authorization_id"),
    Column("item_no", Integer, nullable=False),
    # Whether it stands in this node's count; one that is counted elsewhere gives nothing back when it fails.
    small_column("counted"),
    name_column("caller"),
    bytes_column("biz_serial"),
    bytes_column("account_id", nullable=True),
    text_column("license_type"),
    name_column("relying_party_name"),
    text_column("matter_code"),
    name_column("license_node"),
    small_column("legal_basis"),
    small_column("state"),
    time_column("begun_at"),
    time_column("ended_at", nullable=True),
    bytes_column("request_evidence"),
    bytes_column("delivery_evidence"),
)
Index(
    "ix_license_uses_serial",
    license_uses.c.authorization_id,
    license_uses.c.caller,
    license_uses.c.biz_serial,
    license_uses.c.use_id,
)
Index(
    "ix_license_uses_account_id",
    license_uses.c.account_id,
    license_uses.c.use_id,
    sqlite_where=text("account_id IS NOT NULL"),
    postgresql_where=text("account_id IS NOT NULL"),
)
Index(
    "ix_license_uses_counted_elsewhere",
    license_uses.c.begun_at,
    license_uses.c.use_id,
    sqlite_where=text("counted = 0"),
    postgresql_where=text("counted = 0"),
)

withdrawal_notices = Table(
    "withdrawal_notices",
    metadata,
    Column("authorization_id", LargeBinary, primary_key=True),
    Column("node_id", Text, primary_key=True),
    bytes_column("withdrawal_evidence"),
    Column("attempts", Integer, nullable=False),
    time_column("due_at"),
    time_column("gives_up_at"),
)
Index("ix_withdrawal_notices_due_at", withdrawal_notices.c.due_at)

mandates = Table(
    "mandates",
    metadata,
    Column("mandate_id", Text, primary_key=True),
    bytes_column("entity_account_id"),
    bytes_column("agent_account_id"),
    text_column("matter_codes"),
    text_column("license_types"),
    time_column("starts_at"),
    time_column("ends_at"),
    bytes_column("representative_index"),
    time_column("given_at"),
    time_column("cancelled_at", nullable=True),
    bytes_column("row_seal"),
)
Index("ix_mandates_entity", mandates.c.entity_account_id, mandates.c.given_at)
Index("ix_mandates_agent", mandates.c.agent_account_id, mandates.c.given_at)

license_types = Table(
    "license_types",
    metadata,
    Column("license_type", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    text_column("name"),
    text_column("fields"),
    small_column("document_sensitive"),
    text_column("subject_kinds"),
    bytes_column("row_seal"),
)

matters = Table(
    "matters",
    metadata,
    Column("app_id", Text, primary_key=True),
    Column("matter_code", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    text_column("name"),
    text_column("purpose"),
    text_column("handling_means"),
    text_column("items"),
    Column("max_retention_ms", BigInteger, nullable=False),
    Column("max_uses", Integer, nullable=False),
    Column("max_period_ms", BigInteger, nullable=False),
    text_column("subject_kinds"),
    text_column("statute", nullable=True),
    small_column("secret"),
    time_column("registered_at"),
    bytes_column("row_seal"),
)

application_keys = Table(
    "application_keys",
    metadata,
    Column("app_id", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    bytes_column("public_key"),
    time_column("registered_at"),
    bytes_column("row_seal"),
)

scene_offers = Table(
    "scene_offers",
    metadata,
    Column("account_id", LargeBinary, primary_key=True),
    text_column("app_id"),
    text_column("matter_code"),
    bytes_column("row_seal"),
)
