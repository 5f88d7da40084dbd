"""Backup and restore of a site as one set: topics at their offsets, tables, books, site folder."""
