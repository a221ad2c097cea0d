"""Where the parts of a demo listen, and the settings that connect them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from wsapp import clock, serving
from wsapp.config import CorpSettings, Database, Notifications, Queue, Settings
from wsapp.connectors import CONNECTORS, connector_class
from wsapp.connectors.emulator import Emulator, VirtualClock

LOCAL = "127.0.0.1"
FIRST_PORT, LAST_PORT = 20_000, 32_000  # below those that systems hand out for outgoing connections
PORT_STEP = 10


@dataclass(frozen=True)
class HostPart:
    """One host of the demo: its emulator's address, and the address under which its phones open the product.

    The second one is needed because both phones run in one browser: as a port of its own it says which phone is asking.
    """

    host: str
    emulator_port: int
    phone_port: int

    @property
    def emulator_url(self) -> str:
        return f"http://{LOCAL}:{self.emulator_port}"

    @property
    def phone_url(self) -> str:
        return f"http://{LOCAL}:{self.phone_port}"


@dataclass(frozen=True)
class Layout:
    """The product's port, and what each host has."""

    port: int
    parts: tuple[HostPart, ...]

    @property
    def url(self) -> str:
        return f"http://{LOCAL}:{self.port}"

    @property
    def origins(self) -> frozenset[str]:
        """The further addresses of the product: one for each host's phones."""
        return frozenset(part.phone_url for part in self.parts)

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port, *(part.emulator_port for part in self.parts), *(part.phone_port for part in self.parts))


def lay_out(port: int) -> Layout:
    """Return the layout from `port` on: product, emulators, phones' addresses. With 0, any free stretch.

    Raises CannotServe, naming the port that is taken.
    """
    if port:
        layout = _from(port)
        _demand_free(layout)
        return layout
    stretches = range(FIRST_PORT, LAST_PORT, PORT_STEP)
    # By chance, not the first: two that look at the same moment must not find the same.
    for start in random.sample(stretches, len(stretches)):
        try:
            _demand_free(_from(start))
        except serving.CannotServe:
            continue
        return _from(start)
    raise serving.CannotServe("no free ports for the demo (没有可用端口)")


def _from(port: int) -> Layout:
    hosts = list(CONNECTORS)
    return Layout(
        port,
        tuple(
            HostPart(host, emulator_port=port + 1 + number, phone_port=port + 1 + len(hosts) + number)
            for number, host in enumerate(hosts)
        ),
    )


def _demand_free(layout: Layout) -> None:
    for port in layout.ports:
        serving.listen(f"{LOCAL}:{port}").close()


def demo_settings(settings: Settings, layout: Layout, *, streams: bool = False) -> Settings:
    """Return the settings of the demo: its own data folder, the emulators as hosts, their sample firms connected."""
    binds = (layout.port, *(part.phone_port for part in layout.parts))
    corps = tuple(_sample_firm(part.host, streams) for part in layout.parts)
    return replace(
        settings,
        server=replace(
            settings.server,
            public_url=layout.url,
            bind=tuple(f"{LOCAL}:{port}" for port in binds),
            data_dir=settings.server.data_dir / "demo",
            trusted_proxies=0,
        ),
        database=Database(url=""),
        queue=Queue(url=""),
        notifications=Notifications(quiet_hours=None, timezone=settings.notifications.timezone),
        hosts={part.host: _bases(part) for part in layout.parts},
        corps=corps,
        path=None,
        secrets=tuple(secret for corp in corps for secret in _secrets(corp)),
    )


def _bases(part: HostPart) -> Mapping[str, str]:
    return dict.fromkeys(connector_class(part.host).base_keys, part.emulator_url)


def _sample_firm(host: str, streams: bool) -> CorpSettings:
    values: dict[str, Any] = dict(_emulator_module(host).demo_corp())
    name, host, corp_id = values.pop("name"), values.pop("host"), values.pop("corp_id")
    known = {one.key for one in connector_class(host).credential_fields}
    credentials = dict.fromkeys(known, "") | {key: str(value) for key, value in values.items()}
    if streams and "event_mode" in known:
        credentials["event_mode"] = "stream"
    return CorpSettings(name, host, corp_id, credentials)


def _secrets(corp: CorpSettings) -> list[str]:
    fields = connector_class(corp.host).credential_fields
    return [corp.values[one.key] for one in fields if one.secret and corp.values.get(one.key)]


def _emulator_module(host: str) -> Any:
    return import_module(f"wsapp.connectors.{host}.emulator")


def sample_people(host: str) -> list[str]:
    """Return the userids of a host's sample firm."""
    corp = _emulator_module(host).demo_org("")["corps"][0]
    return [person["userid"] for person in corp["users"]]


def make_emulator(part: HostPart, layout: Layout, *, streams: bool = False) -> Emulator:
    """Return a host's emulator with its sample firm; its clock is the product's own."""
    module = _emulator_module(part.host)
    emulator: Emulator = module.EMULATOR()
    emulator.clock = SharedClock()
    emulator.load(module.demo_org(layout.url))  # type: ignore[attr-defined]
    if streams:
        emulator.use_streams()
    emulator.alias_webview(layout.url, part.phone_url)
    return emulator


class SharedClock(VirtualClock):
    """An emulator's clock that is the product's: whoever moves one moves both, in every process."""

    def time(self) -> float:
        return clock.now().timestamp()

    @property
    def offset(self) -> float:
        """Seconds that the product's clock is ahead."""
        return clock.offset().total_seconds()

    @offset.setter
    def offset(self, seconds: float) -> None:
        clock.advance(seconds - clock.offset().total_seconds())
