"""What ends an appeal that nobody answered: the customer went to another owner, the task to somebody else or an end."""

from wsapp.crm.appeals.asking import give_up, open_about, open_of_task
from wsapp.crm.appeals.models import WISHES
from wsapp.crm.appeals.parties import is_left
from wsapp.crm.events.models import Event

OF_CUSTOMERS = frozenset(
    {
        *("customer.assigned", "customer.claimed", "customer.released", "customer.recycled"),
        *("customer.merged", "customer.unmerged", "customer.changed"),
    }
)
OF_TASKS = frozenset({"task.assigned", "task.done", "task.cancelled"})


def on_event(event: Event) -> None:
    """End what is left without sense by an event."""
    if event.kind in OF_CUSTOMERS and event.customer_id:
        waiting = open_about(event.customer_id, *WISHES)
    elif event.kind in OF_TASKS:
        waiting = open_of_task(event.subject_id)
    else:
        return
    for appeal in waiting:
        if not is_left(appeal):
            give_up(appeal)
