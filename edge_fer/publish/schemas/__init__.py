"""JSON Schemas (draft 2020-12) of every payload, one file each, with descriptions and examples."""

import json
from importlib.resources import files
from typing import Any, Final

TOPICS: Final = {
    "availability": "availability",
    "camera/availability": "availability",
    "running": "running",
    "info": "info",
    "emotion": "reading",
    "faces": "faces",
    "faces/+": "reading",
    "event": "event",
    "health": "health",
    "command": "command",
    "response": "response",
}
"""The schema's name for each topic below `<base>/<device>`, as an MQTT topic filter."""

PLAIN_TEXT: Final = frozenset({"availability", "running"})
"""The schemas that describe the payload's text itself; the others describe JSON."""


def load(name: str) -> dict[str, Any]:
    """A schema by its name.

    Raises:
        FileNotFoundError: there is none of this name.
    """
    schema: dict[str, Any] = json.loads(files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return schema
