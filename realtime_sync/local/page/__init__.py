"""The server's web page: its sessions, live, for whoever opens it in a browser."""
