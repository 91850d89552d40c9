"""What systemd is given: units, user, folders. Installed as `edge_fer.systemd`, read by `edge_fer.service`."""
