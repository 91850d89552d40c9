"""What a daemon might have to say, for tests of more than one folder."""

from edge_fer.publish.reports import Info
from edge_fer.records import LABELS, Reading

INFO = Info(
    version="0.1.0",
    model_name="emotion",
    model_sha256="ab" * 32,
    labels=LABELS,
    camera="pattern",
    detector="yunet",
    started_at_s=0.0,
    config_digest="c0ffee",
)

HAPPY = Reading(
    0.0, 3, "happy", 0.7, {label: 0.7 if label == "happy" else 0.05 for label in LABELS}, (0.1, 0.2, 0.2, 0.2), 2.4
)
