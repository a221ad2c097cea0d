"""Runs migrations on the app's own engine; SQLite copies tables where it cannot alter them."""

from alembic import context
from flask import current_app

from wsapp.db import Base

engine = current_app.extensions["migrate"].db.engine

with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
