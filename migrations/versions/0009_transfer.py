"""Imports and exports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    _add(
        "import_job",
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("object", sa.String(20), nullable=False),
        sa.Column("file_name", sa.String(200), nullable=False),
        sa.Column("format", sa.String(8), nullable=False),
        sa.Column("on_duplicate", sa.String(8), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.String(40)),
        sa.Column("pool_id", sa.String(40)),
        sa.Column("headings", JSON, nullable=False),
        sa.Column("heading", sa.Integer(), nullable=False),
        sa.Column("mapping", JSON, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in (
                "begins",
                "offset",
                "total",
                "done",
                "created",
                "updated",
                "skipped",
                "failed",
                "undone",
                "kept",
            )
        ),
        sa.Column("fault", sa.String(300), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("undone_at", MOMENT),
        _key("import_job", "member_id", "member"),
    )
    op.create_index("ix_import_job_member", "import_job", ["corp_id", "member_id", "id"])
    _add(
        "import_batch",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("entries", JSON, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("undone", sa.Boolean(), nullable=False),
        _key("import_batch", "job_id", "import_job", ondelete="CASCADE"),
        sa.UniqueConstraint("corp_id", "job_id", "number", name=op.f("uq_import_batch_corp_id_job_id_number")),
    )
    _add(
        "import_mapping",
        sa.Column("field", sa.String(60), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
    )
    _add(
        "export_job",
        sa.Column("member_id", sa.String(40), nullable=False),
        sa.Column("object", sa.String(20), nullable=False),
        sa.Column("format", sa.String(8), nullable=False),
        sa.Column("filter", JSON, nullable=False),
        sa.Column("columns", JSON, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("decider_id", sa.String(40)),
        sa.Column("decided_at", MOMENT),
        sa.Column("fault", sa.String(300), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("expires_at", MOMENT),
        _key("export_job", "member_id", "member"),
    )
    op.create_index("ix_export_job_member", "export_job", ["corp_id", "member_id", "id"])


def downgrade() -> None:
    for table in ("export_job", "import_mapping", "import_batch", "import_job"):
        op.drop_table(table)


def _add(table: str, *parts: sa.schema.SchemaItem) -> None:
    """Create a table of a corp: its key is (corp_id, id)."""
    op.create_table(
        table,
        sa.Column("corp_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        *parts,
        sa.ForeignKeyConstraint(["corp_id"], ["corp.id"], name=op.f(f"fk_{table}_corp_id_corp")),
        sa.PrimaryKeyConstraint("corp_id", "id", name=op.f(f"pk_{table}")),
    )


def _key(table: str, column: str, other: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["corp_id", column],
        [f"{other}.corp_id", f"{other}.id"],
        name=op.f(f"fk_{table}_corp_id_{column}_{other}"),
        ondelete=ondelete,
    )
