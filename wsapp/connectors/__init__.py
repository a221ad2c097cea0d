"""Hosts (宿主): everything that only DingTalk or only WeCom knows. One line per host."""

from importlib import import_module

from wsapp.connectors.base import Connector

CONNECTORS: dict[str, str] = {
    "wecom": "wsapp.connectors.wecom.connector:WeComConnector",
    "dingtalk": "wsapp.connectors.dingtalk.connector:DingTalkConnector",
}


def connector_class(host: str) -> type[Connector]:
    """Return the connector class of a host; KeyError for a host that nobody registered."""
    module, _, name = CONNECTORS[host].partition(":")
    return getattr(import_module(module), name)


def connector_classes() -> dict[str, type[Connector]]:
    """Return every registered connector class by host name."""
    return {host: connector_class(host) for host in CONNECTORS}
