"""The process, the board, its V4L2 devices and its files."""
