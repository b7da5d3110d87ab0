"""Scopes and exchanges: our application as a guest, others' applications hosted. asgiref is
imported here only."""
