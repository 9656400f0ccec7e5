"""A run from settings to exit code; messages to systemd and journald; installing the service."""
