"""Landmarks of faces that came without: found on rendered views, lifted to 3D."""
