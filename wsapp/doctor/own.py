"""The checks of the installation itself: address, certificate, proxy, clock, disk, queue, schema, keys."""

import os
import platform
import shutil
import socket
import ssl
import stat
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from wsapp import __version__, clock, hosts, worklist
from wsapp.connectors.base import TryLater
from wsapp.connectors.checks import Check, Ground, Result, fail, ok, warn
from wsapp.connectors.http import parse_object
from wsapp.crm.org.holidays import newest_year
from wsapp.db import database_now, db, reading
from wsapp.doctor import fetching
from wsapp.house import house, local_now
from wsapp.schema import schema_versions
from wsapp.texts import lazy
from wsapp.vault import digest

FREE_DISK, SCARCE_DISK = 0.05, 0.10
LATE = timedelta(minutes=10)
SKEW, SMALL_SKEW = 60.0, 2.0  # seconds
CALENDAR_AHEAD = timedelta(days=21)  # before a year begins its holidays should be known
EXPIRES_SOON = timedelta(days=14)
UNCERTAIN_ZONES = ("UTC", "Etc/UTC", "GMT", "Etc/GMT")
# OpenSSL's codes of a refused certificate (X509_V_ERR_*).
EXPIRED, NOT_YET, SELF_SIGNED, NO_CHAIN, WRONG_NAME = {10}, {9}, {18, 19}, {2, 20, 21}, {62, 64}
MARK_PATH = "/healthz/mark"


def checks() -> Sequence[Check]:
    """Return the checks of the installation, the address first."""
    return (
        Check("own.url", lazy("访问地址"), _url, place=lazy("config.toml › server.public_url")),
        Check("own.dns", lazy("域名解析"), _dns, ("own.url",), lazy("域名服务商 › 解析记录")),
        Check("own.tls", lazy("HTTPS 证书"), _tls, ("own.dns",), lazy("反向代理的证书设置")),
        Check("own.public", lazy("访问地址通到本系统"), _public, ("own.tls",), lazy("反向代理、防火墙、安全组")),
        Check("own.proxy", lazy("反向代理的转发头"), _proxy, ("own.public",), lazy("config.toml › trusted_proxies")),
        Check("own.clock", lazy("数据库的时钟"), _clock),
        Check("own.disk", lazy("磁盘空间"), _disk),
        Check("own.schema", lazy("数据库结构"), _schema),
        Check("own.queue", lazy("后台任务"), _queue, ("own.schema",), lazy("服务器 › wsapp worker")),
        Check("own.key", lazy("主密钥文件的权限"), _key),
        Check("own.debug", lazy("调试模式已关闭"), _debug),
        Check("own.timezone", lazy("时区"), _timezone, place=lazy("config.toml › notifications.timezone")),
        Check("own.calendar", lazy("节假日日历"), _calendar),
        Check("own.version", lazy("版本"), _version),
        Check("own.backup", lazy("备份"), _backup),
    )


def mark() -> str:
    """Return what tells this installation from every other, without telling anything else."""
    return digest(f"mark {house().vault.derive('mark')!r}")


def _public_url() -> str:
    return house().settings.server.public_url


# --- the address --------------------------------------------------------------------------------------------------


def _url(ground: Ground) -> Result:
    url = _public_url()
    if url.startswith("https://"):
        return ok(url)
    if fetching.is_loopback(url):
        return ok(lazy("%(url)s：只有本机能打开，适合演示；正式使用需要 https 域名", url=url))
    return fail(
        lazy("%(url)s 不是 https", url=url),
        lazy("宿主平台只打开 https 页面：请为域名配置证书，并把访问地址改为 https。"),
    )


def _dns(ground: Ground) -> Result:
    host, port = fetching.address(_public_url())
    try:
        found = sorted({str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except OSError:
        return fail(
            lazy("域名 %(host)s 没有解析记录", host=host), lazy("请添加指向本服务器的 A 或 AAAA 记录，稍后再检查。")
        )
    return ok("、".join(found[:4]))


def _tls(ground: Ground) -> Result:
    if not _public_url().startswith("https://"):
        return ok(lazy("没有使用 https"))
    try:
        end = fetching.certificate(_public_url())
    except ssl.SSLCertVerificationError as error:
        return _bad_certificate(error.verify_code, error.verify_message)
    except ssl.SSLError as error:
        return fail(
            lazy("TLS 握手失败：%(why)s", why=error.reason or "SSL"),
            lazy("请检查该端口是否真的提供 https、证书与私钥是否配对。"),
        )
    except OSError as error:
        return fail(
            lazy("连接不上：%(why)s", why=type(error).__name__),
            lazy("请确认反向代理在运行，防火墙与安全组放行了该端口。"),
        )
    left = datetime.fromtimestamp(ssl.cert_time_to_seconds(end), UTC) - clock.wall()
    said = lazy("有效期还有 %(days)s 天", days=left.days)
    if left < EXPIRES_SOON:
        return warn(said, lazy("证书即将过期，请续期；自动续期的请检查定时任务。"))
    return ok(said)


def _bad_certificate(code: int, message: str) -> Result:
    if code in EXPIRED:
        return fail(lazy("证书已过期"), lazy("请续期证书并重新加载反向代理。"))
    if code in NOT_YET:
        return fail(lazy("证书尚未生效"), lazy("请检查服务器时间，或更换证书。"))
    if code in WRONG_NAME:
        return fail(lazy("证书不是发给这个域名的"), lazy("请换成包含该域名的证书。"))
    if code in SELF_SIGNED | NO_CHAIN:
        return fail(
            lazy("证书链不完整或不受信任"),
            lazy("请使用正规机构签发的证书，并在反向代理里配置完整的证书链（fullchain）。"),
        )
    return fail(lazy("证书无效：%(why)s", why=message), lazy("请更换证书。"))


def _mark(ground: Ground) -> dict[str, Any]:
    found = ground.fetch(MARK_PATH)
    answer = parse_object(found.body) if found.status == 200 else None
    return {"status": found.status, **(answer or {})}


def _public(ground: Ground) -> Result:
    try:
        found = ground.once("mark", lambda: _mark(ground))
    except TryLater:
        return fail(
            lazy("访问地址没有应答"),
            lazy("请确认反向代理在运行并转给本系统，防火墙与安全组放行了端口；服务器须能访问自己的域名。"),
        )
    if found.get("mark") == mark():
        return ok(lazy("从外面打开的就是本系统"))
    if found.get("mark"):
        return fail(
            lazy("应答的是另一套本系统"), lazy("域名指向了另一套安装：请核对解析与反向代理，两套安装不能共用一个应用。")
        )
    return fail(
        lazy("应答的不是本系统（状态 %(status)s）", status=found["status"]),
        lazy("请检查反向代理是否把整个域名转给本系统，有没有登录页或拦截页挡在前面。"),
    )


def _proxy(ground: Ground) -> Result:
    found = ground.once("mark", lambda: _mark(ground))
    url, trusted = _public_url(), house().settings.server.trusted_proxies
    scheme, _, host = url.partition("://")
    hops = int(found.get("hops") or 0)
    if found.get("scheme") != scheme:
        return fail(
            lazy("本系统看到的是 %(seen)s，访问地址是 %(wanted)s", seen=str(found.get("scheme")), wanted=scheme),
            lazy("请让反向代理传 X-Forwarded-Proto，并把 trusted_proxies 设为代理的层数（通常是 1）。"),
        )
    if not found.get("at_home"):
        return fail(
            lazy("本系统看到的域名不是 %(host)s", host=host),
            lazy("请让反向代理原样传 Host 头（nginx：proxy_set_header Host $http_host）。"),
        )
    if hops < trusted:
        return fail(
            lazy("配置信任 %(trusted)s 层代理，请求只经过 %(hops)s 层", trusted=trusted, hops=hops),
            lazy("任何人都能伪造来源地址：请把 trusted_proxies 改为实际层数，或让代理传 X-Forwarded-For。"),
        )
    if hops > trusted:
        return warn(
            lazy("请求经过 %(hops)s 层代理，只信任 %(trusted)s 层", trusted=trusted, hops=hops),
            lazy("看不到访客的真实地址，限速会误伤：请把 trusted_proxies 改为实际层数。"),
        )
    return ok(lazy("经过 %(hops)s 层代理", hops=hops))


# --- the machine --------------------------------------------------------------------------------------------------


def _clock(ground: Ground) -> Result:
    with reading():
        skew = abs((database_now() - clock.wall()).total_seconds())
    said = lazy("与数据库相差 %(n)s 秒", n=round(skew, 1))
    advice = lazy("请在所有服务器上开启自动校时：timedatectl set-ntp true")
    return fail(said, advice) if skew > SKEW else warn(said, advice) if skew > SMALL_SKEW else ok(said)


def _disk(ground: Ground) -> Result:
    folder = house().settings.server.data_dir
    usage = shutil.disk_usage(folder)
    share = usage.free / usage.total
    said = lazy("%(folder)s 剩余 %(share)s%%", folder=str(folder), share=round(share * 100))
    advice = lazy("请清理或扩容磁盘：df -h；旧的日志与备份通常最占地方。")
    return fail(said, advice) if share < FREE_DISK else warn(said, advice) if share < SCARCE_DISK else ok(said)


def _schema(ground: Ground) -> Result:
    current, head = schema_versions()
    if current == head:
        return ok(lazy("版本 %(head)s", head=head))
    return fail(
        lazy("数据库是 %(current)s，程序需要 %(head)s", current=current or "-", head=head),
        lazy("请运行 wsapp db upgrade；若数据库更新，说明程序太旧，请升级程序。"),
    )


def _queue(ground: Ground) -> Result:
    with reading():
        now = worklist.overview()
    if now.lag > LATE:
        return fail(
            lazy("最早的任务已晚了 %(n)s 分钟", n=round(now.lag.total_seconds() / 60)),
            lazy("后台进程没有运行或太慢：请启动 wsapp serve（或 wsapp worker），并查看日志。"),
        )
    if now.dead:
        return warn(lazy("有 %(n)s 项任务失败", n=now.dead), lazy("请在“后台任务”里查看原因后重试。"))
    return ok(lazy("等待 %(n)s 项，没有延误", n=now.waiting))


def _key(ground: Ground) -> Result:
    path = house().settings.server.data_dir / "master.key"
    try:
        found = path.stat()
    except OSError:
        return fail(lazy("找不到 %(path)s", path=str(path)), lazy("没有主密钥就打不开已保存的凭证：请从备份恢复它。"))
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        return fail(
            lazy("权限是 %(mode)s，其他用户可以读取", mode=f"{mode:o}"),
            lazy("请运行 chmod 600 %(path)s", path=str(path)),
        )
    return ok(lazy("权限是 %(mode)s", mode=f"{mode:o}"))


def _debug(ground: Ground) -> Result:
    app = hosts.app_object()
    if app.debug or os.environ.get("FLASK_DEBUG", "0") not in ("", "0", "false", "False"):
        return fail(lazy("调试模式开启，出错时会泄露内部信息"), lazy("请去掉环境变量 FLASK_DEBUG 后重启。"))
    if house().extra.get("demo"):
        return warn(lazy("这是演示：时钟可以拨动，谁都能登录"), lazy("正式使用请运行 wsapp serve。"))
    return ok()


def _timezone(ground: Ground) -> Result:
    name = house().settings.notifications.timezone
    said = lazy("%(name)s，现在是 %(now)s", name=name, now=f"{local_now():%H:%M}")
    if name in UNCERTAIN_ZONES:
        return warn(said, lazy("免打扰与提醒按这个时区计算：国内请设为 Asia/Shanghai。"))
    return ok(said)


def _calendar(ground: Ground) -> Result:
    """The next year's holidays are announced in November; a newer version of the program brings them."""
    year, needed = newest_year(), (local_now() + CALENDAR_AHEAD).year
    if year < needed:
        return warn(
            lazy("只知道到 %(year)s 年的节假日和调休", year=year),
            lazy("请升级程序；在此之前，可以在“工作日”里自己添加休息日和上班日，否则只按周末休息。"),
        )
    return ok(lazy("已包含 %(year)s 年的节假日和调休", year=year))


def _version(ground: Ground) -> Result:
    database = db.engine.dialect.name
    return ok(f"wsapp {__version__}，Python {platform.python_version()}，{database}")


def _backup(ground: Ground) -> Result:
    return warn(
        lazy("还没有备份"),
        lazy("请定期备份数据目录与数据库，主密钥 master.key 要另存一处：没有它，备份里的凭证打不开。"),
    )
