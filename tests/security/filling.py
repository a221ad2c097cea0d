"""Puts one text into everything in the database that a person or a host once wrote, past every rule of the forms."""

import json
import re
from typing import Any

import sqlalchemy as sa
from flask import Flask

from tests.cast import Cast
from wsapp.crm.fields.definitions import KEY
from wsapp.db import Base, db, is_postgresql

# What people or hosts write, by table. JSON is filled leaf by leaf, but for the keys in MACHINE_KEYS and for what is of
# a form that the program alone writes (IDS_AND_DATES).
WRITTEN: dict[str, tuple[str, ...]] = {
    "corp": ("name", "fault"),
    "department": ("name",),
    "member": ("name", "position", "phone", "avatar"),
    "corp_day": ("note",),
    "login_session": ("device",),
    "customer": (
        *("name", "short_name", "source", "industry", "size", "province", "city", "district", "address", "website"),
        *("credit_code", "note", "tags", "custom"),
    ),
    "customer_phone": ("number",),
    "contact": ("name", "title", "phones", "wechat", "mail", "tags", "note", "custom"),
    "tag": ("name",),
    "binned_key": ("facts",),
    "customer_merge": ("kept",),
    "share_request": ("reason",),
    "custom_field": ("label", "options", "settings"),
    "role": ("name",),
    "pool": ("name",),
    "owner_request": ("reason",),
    "ownership": ("reason",),
    "saved_view": ("name", "query"),
    "bulk_run": ("value", "changed", "failed"),
    "deletion": ("title", "reason", "contents"),
    "deletion_run": ("reason", "errors"),
    "import_job": ("file_name", "headings", "fault"),
    "import_batch": ("entries",),
    "export_job": ("filter", "reason", "fault"),
    "task": ("title", "note", "done_note", "custom"),
    "task_mirror": ("code",),
    "follow_up": ("text", "outcome", "next_action", "custom"),
    "comment": ("text",),
    "appeal": ("note", "reason"),
    "phrase": ("text",),
    "visit": ("note", "result", "place_name", "no_fix_reason", "custom"),
    "visit_plan": ("kind", "purpose", "checklist", "reason"),
    "draft_ask": ("sentence", "answer"),
    "work_report": ("summary", "trouble", "outlook", "history"),
    "event": ("changes", "data", "ip", "request_id", "reason"),
    "notification": ("message", "reason", "host_code", "channel", "shown"),
    "outbox": ("error",),
    "stored_file": ("media_id", "name"),
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
        *("roles", "run_id"),
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
        *("creator_id", "merged_into_id", "lead", "invalid_reason"),
    ),
    "customer_phone": ("customer_id", "twin"),
    "contact": ("customer_id", "gender", "role", "birth_day", "external_userid", "creator_id"),
    "coworker": ("customer_id", "member_id"),
    "phone_reveal": ("member_id",),
    "stage_change": ("customer_id", "before", "after", "actor_id"),
    "tag": ("colour",),
    "customer_key": ("customer_id", "value", "guard"),  # squeezed for comparing, and shown nowhere
    "binned_key": ("record_id", "value"),
    "duplicate_ask": ("told",),
    "customer_merge": ("winner_id", "loser_id", "actor_id"),
    "share_request": ("customer_id", "asker_id", "owner_id", "manager_id", "decider_id", "state"),
    "custom_field": ("object", "key", "type"),
    "custom_value": ("field_id", "record_id", "sort_key", "unique_key"),  # folded for comparing, and shown nowhere
    "corp_rule": ("value",),  # numbers, switches and choices
    "role": ("key", "grants", "fields"),
    "delegation": ("absent_id", "deputy_id"),
    "pool": ("kind", "departments", "people", "roles", "managers", "hidden", "rules"),
    "ownership": ("customer_id", "owner_id", "pool_id", "ending", "kept"),
    "pool_day": ("member_id",),
    "pool_view": ("member_id", "customer_id"),
    "handover": ("actor_id", "cause", "leaver_id", "plan", "moved", "credits", "state"),
    "owner_clock": ("owner_id",),
    "draw": ("customer_id", "pool_id", "winner_id"),
    "draw_entry": ("draw_id", "member_id"),
    "recycle_run": ("state", "after"),
    "owner_request": ("customer_id", "owner_id", "manager_id", "decider_id", "pool_id", "wish", "state"),
    "search_entry": ("kind", "words", "phones", "sounds", "grams"),  # what is found by; filled, nothing would be found
    "search_reading": ("char", "sounds"),
    "saved_view": ("member_id",),
    "default_view": ("view_id",),
    "bulk_run": ("member_id", "action", "ids", "state"),
    "deletion": ("object", "customer_id", "owner_id", "actor_id", "loose", "counts"),
    "deletion_run": ("object", "ids", "actor_id", "state"),
    "import_job": ("member_id", "object", "format", "on_duplicate", "owner_id", "pool_id", "mapping", "state"),
    "import_batch": ("job_id",),
    "import_mapping": ("field",),
    "export_job": ("member_id", "object", "format", "columns", "state", "decider_id"),
    "audit_chain": ("first_prev", "base_mac", "last_mac"),
    "task": (
        *("customer_id", "kind", "reminders", "assignee_id", "creator_id", "priority", "repeat", "series_id", "state"),
        *("source", "source_id", "done_by", "repeat_days", "repeat_free"),
    ),
    "reminder": ("task_id", "kind", "state"),
    "watch": ("member_id", "customer_id", "task_id"),
    "silence": ("owner_id",),
    "mirror_choice": ("home", "lease"),
    "task_mirror": ("task_id", "member_id", "kind", "state", "host_id", "had", "lease"),
    "follow_up": ("customer_id", "author_id", "contact_id", "kind"),
    "comment": ("follow_up_id", "visit_id", "author_id"),
    "log_like": ("member_id", "follow_up_id", "visit_id"),
    "mention": ("member_id", "follow_up_id", "visit_id", "comment_id"),
    "appeal": (
        *("wish", "customer_id", "task_id", "asker_id", "reader_id", "decider_id", "owner_id", "facts", "guard"),
        "state",
    ),
    "phrase": ("member_id",),
    "visit": ("customer_id", "member_id", "plan_id", "state", "trust"),
    "visit_plan": ("customer_id", "member_id", "state"),
    "visit_participant": ("plan_id", "member_id"),
    "location_consent": ("way",),
    "draft_ask": ("member_id", "customer_id", "object", "state"),
    "work_report": ("member_id", "kind", "figures", "items"),
    "report_reader": ("report_id", "member_id"),
    "event": ("kind", "subject_type", "subject_id", "customer_id", "actor_id", "via", "prev", "mac"),
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
    "stored_file": ("owner_id", "record_id", "part", "state", "content_type"),
}
MACHINE_KEYS = frozenset(
    {
        *("owner", "assignee", "before", "trust", "url", "key", "style", "kind", "id", "task", "at", "customers"),
        *("type", "object", "kinds", "currency", "from", "field", "op"),  # of fields that the corp designed
    }
)
# A record's id, and a day or moment as the program writes it: no form takes anything else where these stand.
IDS_AND_DATES = re.compile(r"[0-9a-z]{20}|\d{4}-\d\d-\d\d(T\d\d:\d\d[0-9:.+Z-]*)?")
# Of these two rows may not say the same, or what is beside one another (两个客户合并) shows only what differs.
DIFFERENT = {("customer_phone", "number"), ("tag", "name"), ("customer", "note"), ("customer", "industry")}


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
        corp = Base.metadata.tables["corp"]  # or what is kept of roles, fields, pools and tags would still be shown
        db.session.execute(sa.update(corp).values(standing=corp.c.standing + 1))
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
    if column.name == "contents":  # rows of other tables
        return {name: [_row(Base.metadata.tables[name], row, text) for row in rows] for name, rows in old.items()}
    if column.name == "entries":  # what became of rows of a sheet
        return [{**_leaves(one, text), "outcome": one["outcome"]} for one in old]
    if isinstance(column.type, sa.JSON):
        old = json.loads(old) if isinstance(old, str) else old
        if column.name == "custom":  # of the corp's own fields, and one that is not there any more
            filled = _leaves(old or {}, f"{text} {number}")
            return {key: one for key, one in filled.items() if KEY.fullmatch(key)} | {text: text}
        return _leaves(old, text)
    unique = f" {number}" if (column.table.name, column.name) in DIFFERENT else ""
    length = getattr(column.type, "length", None) if is_postgresql() else None
    return (text[: length - len(unique)] if length else text) + unique


def _row(table: sa.Table, row: dict[str, Any], text: str) -> dict[str, Any]:
    written = WRITTEN.get(table.name, ())
    return {name: _value(table.c[name], one, text, 0) if name in written else one for name, one in row.items()}


def _leaves(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {key: _leaf(key, one, text) for key, one in value.items()}
    if isinstance(value, list):
        return [_leaves(one, text) for one in value]
    return text if isinstance(value, str) and not IDS_AND_DATES.fullmatch(value) else value


def _leaf(key: str, value: Any, text: str) -> Any:
    if key == "formula":
        return repr(text)  # a formula that yields the text: what is none is never kept
    return value if key in MACHINE_KEYS else _leaves(value, text)
