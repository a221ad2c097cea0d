"""Imports and exports at work: lot by lot, each in its own transaction, so that nobody waits long for the database."""

import sqlalchemy as sa

from wsapp.crm.transfer import exports, imports, running
from wsapp.crm.transfer.models import FAILED, ExportJob
from wsapp.db import db, first, reading
from wsapp.jobs.runner import Desk, Later
from wsapp.leases import Claim
from wsapp.texts import _


def run_import(claim: Claim, desk: Desk) -> None:
    """Take an import's rows. Whoever comes after a killed worker goes on behind the last lot that was committed."""
    lots = running.open_lots(claim.payload["job"])
    db.session.commit()
    while lots is not None and running.run_batch(lots):
        db.session.commit()
        if desk.is_stopping() and not lots.job.dry_run:
            raise Later("stopping", after=0, counted=False)


def undo_import(claim: Claim, desk: Desk) -> None:
    """Take an import back, the newest lot first."""
    while (job := running.held(claim.payload["job"])) is not None and imports.undo_next(job):
        db.session.commit()
        if desk.is_stopping():
            raise Later("stopping", after=0, counted=False)


def bury_import(claim: Claim, reason: str) -> None:
    """Say on the import's page that it will not go on."""
    job = running.held(claim.payload["job"])
    if job is not None:
        job.state, job.fault = FAILED, _("导入中断，请联系管理员查看后台任务")


def run_export(claim: Claim, desk: Desk) -> None:
    """Write an export's file; nothing is locked while it grows."""
    job = exports.begin(claim.payload["job"])
    db.session.commit()
    if job is None:
        return
    with reading():
        _path, count = exports.make_file(job)
        db.session.rollback()
    found = exports.begin(job.id)
    if found is not None:
        exports.finish(found, count)


def bury_export(claim: Claim, reason: str) -> None:
    """Say on the export's page that there will be no file."""
    job = first(sa.select(ExportJob).where(ExportJob.id == claim.payload["job"]))
    if job is not None:
        job.state, job.fault = FAILED, _("导出失败，请联系管理员查看后台任务")
