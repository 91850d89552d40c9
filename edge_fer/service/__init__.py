"""Installing the daemon as a systemd service, and taking it away again."""
