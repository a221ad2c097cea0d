"""The demo with DingTalk's Stream mode."""

from pathlib import Path
from typing import Any

from wsapp import config
from wsapp.connectors import connector_classes
from wsapp.demo.layout import demo_settings, lay_out, make_emulator


def test_with_streams_both_sides_of_a_host_that_has_them_agree(tmp_path: Path) -> None:
    layout = lay_out(0)
    settings = config.load(None, {"WSAPP_SERVER_DATA_DIR": str(tmp_path)}, connector_classes())
    for streams, mode in ((False, "http"), (True, "stream")):
        corps = {one.host: one for one in demo_settings(settings, layout, streams=streams).corps}
        assert corps["dingtalk"].values["event_mode"] == mode
        assert "event_mode" not in corps["wecom"].values
        emulators: dict[str, Any] = {part.host: make_emulator(part, layout, streams=streams) for part in layout.parts}
        assert {one.event_mode for one in emulators["dingtalk"].world.apps.values()} == {mode}
