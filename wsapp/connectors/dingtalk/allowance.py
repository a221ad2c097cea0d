"""What DingTalk counts by the month, and how much of it there is.

Pages dingtalk-application-development-platform-billing-model (2026-05-09) and
basic-interfaces-such-as-log-off-and-address-book (2026-07-22): tokens, sign-in, tickets and contacts are free, all else
counts; posts of webhook robots have an allowance of their own, together with pushed events.
"""

from collections.abc import Mapping
from typing import ClassVar

from wsapp.connectors.base import Account
from wsapp.connectors.channels import Allowances
from wsapp.texts import mark

CALLS, WEBHOOK = "calls", "webhook"
STANDARD = 5_000  # calls a month without a paid edition, since 2025-11-19
PACK = 5_000_000  # calls a month from which on the add-on pack is there
A_SECOND, A_SECOND_PACKED = 18, 54  # calls of one API: a tenth below the host's 20 and 60 (call-frequency-limit)
WEBHOOK_OF = ((5_000_000, 550_000), (200_000, 50_000), (0, 3_000))  # calls a month from … → posts a month
FREE = ("/v1.0/oauth2", "/v1.0/contact/", "/topapi/v2/user/", "/topapi/v2/department/", "/topapi/user/", "/gettoken")
COUNTED = ("/v1.0/contact/users/search", "/v1.0/contact/departments/search")
ROBOT_API = "/robot/send"


class DingTalkAllowances(Allowances):
    """The monthly allowance. The edition stands in the host's console only: the administrator types what it grants."""

    account: Account
    meters: ClassVar[Mapping[str, str]] = {CALLS: mark("接口调用"), WEBHOOK: mark("群机器人与 Stream 消息")}

    def meter_of(self, api: str) -> str:
        if api == ROBOT_API:
            return WEBHOOK
        return "" if api.startswith(FREE) and not api.startswith(COUNTED) else CALLS

    def calls_a_second(self) -> int:
        """Return how many calls of one API the app should make a second at most."""
        return A_SECOND_PACKED if self.allowance(CALLS) >= PACK else A_SECOND

    def allowance(self, meter: str) -> int:
        digits = str(self.account["monthly_calls"])
        calls = int(digits) if digits.isascii() and digits.isdigit() and int(digits) else STANDARD
        if meter == CALLS:
            return calls
        return next(posts for least, posts in WEBHOOK_OF if calls >= least) if meter == WEBHOOK else 0
