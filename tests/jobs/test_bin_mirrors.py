"""A deleted task leaves the host's lists, and a restored one is there again, once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.jobs.conftest import Firm
from tests.jobs.mirrors import LISTS, Desk, listening
from wsapp.crm.deletions.actions import delete, restore
from wsapp.crm.deletions.queries import find_deletion
from wsapp.db import db


@pytest.fixture
def desk(firm: Firm) -> Iterator[Desk]:
    with listening(firm.app, firm.emulator):
        yield Desk(firm)


def test_a_deleted_task_leaves_the_host_and_comes_back_with_it(desk: Desk) -> None:
    desk.switch(*LISTS[desk.firm.host])
    task_id = desk.firm.task("回访深圳市森林木业有限公司", due_in=timedelta(days=1)).id
    desk.settle()
    assert len(desk.items()) == len(LISTS[desk.firm.host])
    delete("task", task_id, actor=desk.firm.seller())
    db.session.commit()
    desk.settle()
    assert desk.items() == []
    seller = desk.firm.seller()
    restore(find_deletion(task_id, actor=seller), actor=seller)
    db.session.commit()
    desk.settle()
    assert {one["title"] for one in desk.items()} == {"回访深圳市森林木业有限公司"}
    assert len(desk.items()) == len(LISTS[desk.firm.host])
