"""The joints: applications, the handling of their requests, runners. Here the wings meet."""
