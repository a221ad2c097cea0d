"""Puts one text into everything in the database that a person or a host once wrote, past every rule of the forms."""

import json
from typing import Any

import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from wsapp.db import Base, db, is_postgresql

# What people or hosts write, by table. A dict of JSON is filled leaf by leaf, but for the keys in MACHINE_KEYS.
WRITTEN: dict[str, tuple[str, ...]] = {
    "corp": ("name", "fault"),
    "department": ("name",),
    "member": ("name", "position", "phone", "avatar"),
    "login_session": ("device",),
    "customer": (
        *("name", "short_name", "source", "industry", "size", "province", "city", "district", "address", "website"),
        *("note", "tags", "custom"),
    ),
    "customer_phone": ("number",),
    "task": ("title", "note", "done_note"),
    "task_mirror": ("code",),
    "follow_up": ("text", "outcome", "next_action"),
    "visit": ("note", "result", "place_name", "no_fix_reason"),
    "event": ("changes", "data"),
    "notification": ("message", "reason", "host_code", "channel", "shown"),
    "outbox": ("error",),
    "stored_file": ("media_id",),
    "ownership_file": ("content",),
    "directory_run": ("code", "reason"),
    "host_stream": ("reason",),
    "group_robot": ("name", "fault"),
    "group_note": ("message",),
    "group_post": ("host_code", "reason"),
    "doctor_result": ("data",),
    "callback_heard": ("reason",),
    "bot_draft": ("content", "reason"),
}
# Codes, keys and hashes: the program alone writes them, from values of its own.
MACHINE: dict[str, tuple[str, ...]] = {
    "corp": ("host", "host_corp_id", "credentials", "former"),
    "corp_set_up": ("host", "sealed"),
    "ownership_file": ("name",),
    "department": ("parent_id", "path", "run_id"),
    "member": (
        *("userid", "userid_key", "unionid", "manager_userid", "main_department_id", "status", "role", "language"),
        "run_id",
    ),
    "membership": ("member_id", "department_id"),
    "login_session": ("member_id",),
    "sign_in_state": ("state", "browser", "next"),
    "api_token": ("member_id", "scopes"),
    "first_run": ("code_hash",),
    "host_token": ("kind", "sealed", "value_hash", "lease"),
    "seen_callback": ("digest",),
    "idempotency": ("request_hash", "answer"),
    "customer": (
        *("name_key", "kind", "level", "stage", "place_source", "owner_id", "department_id", "pool_id", "parent_id"),
        "creator_id",
    ),
    "customer_phone": ("customer_id",),
    "task": (
        *("customer_id", "kind", "reminders", "assignee_id", "creator_id", "priority", "repeat", "series_id", "state"),
        *("source", "source_id", "done_by"),
    ),
    "reminder": ("task_id", "kind", "state"),
    "mirror_choice": ("home", "lease"),
    "task_mirror": ("task_id", "member_id", "kind", "state", "host_id", "had", "lease"),
    "follow_up": ("customer_id", "author_id", "kind"),
    "visit": ("customer_id", "member_id", "state", "trust"),
    "event": ("kind", "subject_type", "subject_id", "customer_id", "actor_id"),
    "notification": (
        *("kind", "key", "recipient_id", "subject_id", "task_ids", "card", "payload", "state", "host_id", "handle"),
        *("held", "merged_into"),
    ),
    "directory_run": ("cause", "state", "stage", "top", "holder"),
    "directory_step": ("run_id", "kind", "target", "cursor"),
    "host_stream": ("holder", "state"),
    "group_robot": ("address", "department_id", "events", "hours", "language"),
    "group_note": ("robot_id", "key", "kind", "state", "post_id"),
    "group_post": ("robot_id", "body", "state"),
    "host_usage": ("month", "meter"),
    "preference": ("member_id", "channels", "quiet_hours"),
    "doctor_result": ("state",),
    "bot_draft": ("member_id", "kind", "state", "record"),
    "outbox": ("kind", "lane", "key", "payload", "state", "attempt_id"),
    "stored_file": ("owner_id", "record_id", "state", "content_type"),
}
MACHINE_KEYS = frozenset(
    {"owner", "assignee", "before", "trust", "url", "key", "style", "kind", "id", "task", "at", "customers"}
)


def unfilled() -> list[str]:
    """Return the text columns that stand in neither of the two lists, as "table.column"."""
    found = []
    for name, table in Base.metadata.tables.items():
        for column in table.columns:
            texts = isinstance(column.type, sa.String | sa.Text | sa.JSON)
            if texts and column.name != "id" and column.name not in (*WRITTEN.get(name, ()), *MACHINE.get(name, ())):
                found.append(f"{name}.{column.name}")
    return found


def fill(app: Flask, cast: Cast, text: str) -> None:
    """Put `text` into every written column of every row of the cast's first corp (corps themselves included)."""
    with app.app_context():
        if is_postgresql():
            text = text.replace("\x00", "")
        for name, columns in WRITTEN.items():
            _fill_table(Base.metadata.tables[name], columns, text, cast.corp_id)
        db.session.commit()
        db.session.remove()


def _fill_table(table: sa.Table, columns: tuple[str, ...], text: str, corp_id: int) -> None:
    connection = db.session.connection()
    key = list(table.primary_key.columns)
    mine = table.c.corp_id == corp_id if "corp_id" in table.c else sa.true()
    for number, row in enumerate(connection.execute(sa.select(table).where(mine)).mappings().all()):
        values = {name: _value(table.c[name], row[name], text, number) for name in columns}
        this = sa.and_(*(column == row[column.name] for column in key))
        connection.execute(sa.update(table).where(this).values(values))


def _value(column: sa.Column[Any], old: Any, text: str, number: int) -> Any:
    if column.name == "tags":
        return [text, f"{text}2"]
    if column.name == "custom":
        return {text: text}
    if isinstance(column.type, sa.JSON):
        return _leaves(json.loads(old) if isinstance(old, str) else old, text)
    unique = f" {number}" if column.name == "number" else ""
    length = getattr(column.type, "length", None) if is_postgresql() else None
    return (text[: length - len(unique)] if length else text) + unique


def _leaves(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {key: one if key in MACHINE_KEYS else _leaves(one, text) for key, one in value.items()}
    if isinstance(value, list):
        return [_leaves(one, text) for one in value]
    return text if isinstance(value, str) else value
