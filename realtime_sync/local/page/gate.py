"""Who may see the page: the person at this machine, and no other site in his browser.

A page of any site can send requests to loopback. It is kept out three times: by `Origin`, by what
the browser says of who asks (`Sec-Fetch-Site`), and by `Host`, which a site that has its own name
resolved to loopback (DNS rebinding) cannot change. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from realtime_sync.local.http import Reply

__all__ = ["HEADERS", "refused", "stranger"]

#: Goes with every reply: nothing from elsewhere, nothing inside of another page, nothing kept.
HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


def refused(status: int, message: str, *headers: tuple[str, str]) -> Reply:
    """Why there is nothing to see: a reply with that status, and the message as text."""
    text = f"{message}\n".encode()
    return Reply(status, text, "text/plain; charset=utf-8", (*HEADERS, *headers))


def stranger(headers: Mapping[str, str], host: str, *, visit: bool) -> Reply | None:
    """Why a request is turned away; None: it is not.

    Args:
        headers: Of the request, names in lower case.
        host: Where the server listens.
        visit: Whether it is for the page itself, to which a link may lead from anywhere.
    """
    asked = headers.get("host", "")
    if not _is_here(_name_of(asked), host):
        message = "Open this page by an address, as it was printed, or by the name localhost."
        return refused(403, message)
    if headers.get("origin", f"http://{asked}").lower() != f"http://{asked}".lower():
        return refused(403, "This page is not for other sites.")
    led = visit and headers.get("sec-fetch-dest") == "document"
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not led:
        return refused(403, "This page is not for other sites.")
    return None


def _name_of(host: str) -> str:
    """A Host header without its port, an address of IPv6 without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().rstrip(".")


def _is_here(name: str, host: str) -> bool:
    # an address is no name: nobody else can have it point here
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or (name != "" and name == host.lower())
    return True
