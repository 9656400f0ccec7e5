"""A run from settings to exit code; what systemd and journald are told; installing the service."""
