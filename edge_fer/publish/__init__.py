"""Readings out of the process: MQTT topics, JSON lines.

`sinks` holds the interface that the daemon uses, `mqtt` the sink with a broker behind it (it pulls in paho-mqtt,
so import it where one is used), `schemas` describes every payload.
"""
