"""Shared by all parts: devices, processes, files, errors, the command line."""
