"""A real nginx in front of a server, for tests: Debian's package nginx-light.

Where it is missing the tests that use it are skipped, in CI they fail.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template

import pytest

NGINX = Path("/usr/sbin/nginx")
STOP_TIMEOUT_S = 30
SOCKETS = (
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;"
    " proxy_set_header Connection $connection_upgrade;"
)
"""What nginx needs to pass WebSockets on."""

_CONFIGURATION = Template("""
daemon off;
user root; worker_processes 1;
pid $folder/nginx.pid;
error_log $folder/error.log info;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    map $$http_upgrade $$connection_upgrade { default upgrade; '' ''; }
    $http
    server {
        listen 127.0.0.1:$port $listen;
        $server
    }
}
""")


def require_nginx() -> None:
    """Skip the test, or in CI fail it, if nginx is not installed."""
    if not NGINX.exists():
        reason = f"{NGINX} is missing: apt-get install --no-install-recommends nginx-light"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def create_certificate(folder: Path) -> str:
    """Make a certificate for 127.0.0.1; return the directives that use it."""
    key, certificate = folder / "tls.key", folder / "tls.crt"
    subprocess.run(
        [
            *("/usr/bin/openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return f"ssl_certificate {certificate}; ssl_certificate_key {key};"


@asynccontextmanager
async def run_nginx(
    folder: Path, server: str, *, http: str = "", listen: str = ""
) -> AsyncIterator[str]:
    """Run nginx with these directives of its ``server``; yields its host and port.

    It inherits a socket that listens already: nothing has to wait until it has started.
    """
    require_nginx()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)  # as nginx expects of it
        port = listener.getsockname()[1]
        text = _CONFIGURATION.substitute(
            folder=folder, port=port, server=server, http=http, listen=listen
        )
        configuration = folder / "nginx.conf"
        configuration.write_text(text)
        process = await asyncio.create_subprocess_exec(
            *(str(NGINX), "-p", str(folder), "-c", str(configuration)),
            pass_fds=(listener.fileno(),),
            env={**os.environ, "NGINX": f"{listener.fileno()};"},
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"127.0.0.1:{port}"
            assert process.returncode is None, (folder / "error.log").read_text()
        finally:
            if process.returncode is None:
                process.terminate()
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
