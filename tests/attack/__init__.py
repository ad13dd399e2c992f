"""The attack on this project, repeatable: see docs/security.md."""
