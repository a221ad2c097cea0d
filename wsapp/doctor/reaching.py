"""Checks that hold for every host: can this machine reach it, and do the two clocks agree."""

from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

from wsapp import clock
from wsapp.connectors.base import Answer, Connector, TryLater
from wsapp.connectors.checks import Check, Ground, Result, fail, ok, warn
from wsapp.texts import lazy

SKEW, SMALL_SKEW = 60.0, 5.0  # seconds; the host's Date has whole seconds, and the way takes its time


def checks(connector: Connector) -> Sequence[Check]:
    """Return the checks of the way to a host; none for a host without addresses."""
    if not connector.bases:
        return ()

    def ask(ground: Ground) -> Answer:
        base = next(iter(connector.bases.values())).rstrip("/")
        found: Answer = ground.once("reach", lambda: connector.http.request("GET", f"{base}/", api="doctor"))
        return found

    def reach(ground: Ground) -> Result:
        try:
            status = ask(ground).status
        except TryLater as error:
            return fail(lazy("平台没有应答（%(code)s）", code=error.code), NO_WAY, code=error.code)
        if status >= 500:
            return fail(lazy("平台应答状态 %(status)s", status=status), ILL)
        return ok(lazy("平台有应答"))

    def clocks(ground: Ground) -> Result:
        try:
            theirs = parsedate_to_datetime(ask(ground).headers.get("date", "")).astimezone(UTC)
        except ValueError:
            return warn(lazy("平台没有报时"))
        skew = abs((theirs - clock.wall()).total_seconds())
        said = lazy("与平台相差 %(n)s 秒", n=round(skew))
        return fail(said, SYNC) if skew > SKEW else warn(said, SYNC) if skew > SMALL_SKEW else ok(said)

    return (
        Check("reach", lazy("能访问平台的接口"), reach, place=lazy("服务器的外网、防火墙、DNS")),
        Check("clock", lazy("服务器的时钟"), clocks, ("reach",), lazy("服务器 › timedatectl")),
    )


NO_WAY = lazy("请确认服务器能访问外网的 443 端口，没有被防火墙或出口代理拦住。")
ILL = lazy("平台暂时有故障，请稍后再检查。")
SYNC = lazy("回调与签名要求误差在 5 分钟内：请开启自动校时 timedatectl set-ntp true")
