"""The doctor (安装体检): every question about an installation and a corp's set-up, asked at once, each with its fix.

`examine` asks, `wsapp.doctor.rounds` does it in the background for the console, `heard` keeps what the callbacks tell.
"""

from wsapp.doctor.examination import DEADLINE, examine, plan
from wsapp.doctor.findings import Finding

__all__ = ["DEADLINE", "Finding", "examine", "plan"]
