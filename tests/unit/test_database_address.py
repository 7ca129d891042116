"""``DATABASE_URL`` as libpq reads it; nothing of it but names of hosts is in an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.domain.errors import Rejected
from backend.store.address import DatabaseAddress, Host, parse_address

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://h/d", [Host("h")]),
        ("postgres://u@h:6543/d", [Host("h", 6543)]),
        ("postgresql://[::1]:5433/d", [Host("::1", 5433)]),
        ("postgresql://[2001:db8::1]/d", [Host("2001:db8::1")]),
        ("postgresql://a:1,b:2,[::1]:3/d", [Host("a", 1), Host("b", 2), Host("::1", 3)]),
        ("postgresql://a,b/d", [Host("a"), Host("b")]),
        ("postgresql:///d?host=a,b&port=1,2", [Host("a", 1), Host("b", 2)]),
        ("postgresql:///d?host=a,b&port=1", [Host("a", 1), Host("b", 1)]),
        ("postgresql:///d?host=/run/postgresql&port=7", [Host("/run/postgresql", 7)]),
        ("postgresql://%2Frun%2Fpg/d", [Host("/run/pg")]),
        ("postgresql://u@/d?hostaddr=10.0.0.1", [Host("10.0.0.1")]),
        ("postgresql:///d", []),
        ("postgresql://", []),
    ],
)
def test_the_hosts_are_those_of_libpq(url: str, hosts: list[Host]) -> None:
    assert list(parse_address(url).hosts) == hosts


def test_parts_are_percent_decoded() -> None:
    address = parse_address("postgresql://us%65r:p%40ss%3Aw%2F%25@h/da%20ta")
    assert (address.user, address.password, address.database) == ("user", "p@ss:w/%", "da ta")


def test_a_password_may_contain_a_bare_at_sign() -> None:
    address = parse_address("postgresql://user:p@ss@h:1/d")
    assert (address.password, address.hosts) == ("p@ss", (Host("h", 1),))


def test_parameters_override_the_parts() -> None:
    address = parse_address("postgresql://u:p@h/d?user=v&password=q&dbname=e&host=i&port=9")
    parts = address.user, address.password, address.database, address.hosts
    assert parts == ("v", "q", "e", (Host("i", 9),))


TAKEN = {
    "passfile": "{file}",
    "connect_timeout": "5",
    "options": "-c statement_timeout=0",
    "application_name": "mine",
    "fallback_application_name": "other",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "sslmode": "prefer",
    "sslnegotiation": "postgres",
    "sslcert": "{file}",
    "sslkey": "{file}",
    "sslpassword": SECRET,
    "sslrootcert": "{file}",
    "sslcrl": "{file}",
    "ssl_min_protocol_version": "TLSv1.2",
    "ssl_max_protocol_version": "TLSv1.3",
    "requiressl": "0",
    "krbsrvname": "postgres",
    "gsslib": "gssapi",
    "service": "mine",
    "servicefile": "{file}",
    "target_session_attrs": "read-write",
}
IGNORED = {
    "channel_binding": "require",
    "client_encoding": "auto",
    "gssencmode": "prefer",
    "gssdelegation": "0",
    "load_balance_hosts": "random",
    "require_auth": "scram-sha-256",
    "sslcertmode": "allow",
    "sslcompression": "0",
    "sslkeylogfile": "{file}",
    "sslsni": "1",
    "min_protocol_version": "3.0",
    "max_protocol_version": "3.2",
}


def test_every_parameter_of_libpq_is_taken_ignored_or_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    taken = {name: value.replace("{file}", str(file)) for name, value in TAKEN.items()}
    ignored = {name: value.replace("{file}", str(file)) for name, value in IGNORED.items()}
    query = "&".join(f"{name}={value}" for name, value in {**taken, **ignored}.items())
    address = parse_address(f"postgresql://u@h/d?{query}")
    assert set(address.ignored) == set(ignored)
    assert address.connect_timeout_s == 5
    assert address.server_settings == {"application_name": "mine", "options": taken["options"]}
    assert len(address.tcp_options) == 4
    assert address.tls["sslmode"] == "prefer"
    for name in ("requirepeer", "replication", "sslcrldir", "scram_client_key", "oauth_issuer"):
        with pytest.raises(Rejected, match=name):
            parse_address(f"postgresql://u@h/d?{name}=x")


@pytest.mark.parametrize(
    ("query", "mode"),
    [("ssl=true", "require"), ("requiressl=1", "require"), ("sslrootcert=system", "verify-full")],
)
def test_other_ways_to_ask_for_tls_are_taken(query: str, mode: str) -> None:
    assert parse_address(f"postgresql://h/d?{query}").tls["sslmode"] == mode


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (f"mysql://u:{SECRET}@h/d", "must start with postgresql://"),
        (f"postgresql+asyncpg://u:{SECRET}@h/d", "must start with postgresql://"),
        (f"u:{SECRET}@h", "must start with postgresql://"),
        (f"postgresql://u:{SECRET}@h/d?sslmod=require", "'sslmod'.*did you mean sslmode?"),
        (f"postgresql://u:{SECRET}@h/d?pgbouncer=true", "'pgbouncer'"),
        (f"postgresql://u:{SECRET}@h/d?sslmode={SECRET}", "sslmode, which must be one of"),
        (f"postgresql://u:{SECRET}@h/d?connect_timeout={SECRET}", "connect_timeout.*whole number"),
        (f"postgresql://u:{SECRET}@h/d?keepalives_idle=x", "keepalives_idle.*whole number"),
        (f"postgresql://u:{SECRET}@h/d?target_session_attrs=standby", "target_session_attrs"),
        (f"postgresql://u:{SECRET}@h/d?gssencmode=require", "gssencmode=require"),
        (f"postgresql://u:{SECRET}@h/d?sslrootcert=/no/such/file", "sslrootcert.*cannot be read"),
        (f"postgresql://u:{SECRET}@h/d?connect_timeout", "'connect_timeout' without a value"),
        (f"postgresql://u:{SECRET}@h:x/d", "port"),
        (f"postgresql://u:{SECRET}@h:70000/d", "port"),
        (f"postgresql://u:{SECRET}@a,b/d?port=1,2,3", "3 ports for 2 hosts"),
        (f"postgresql://u:{SECRET}@a,/d", "empty host"),
        (f"postgresql://u:{SECRET}%@h/d", "'%' in its password"),
        (f"postgresql://u:{SECRET}#x@h/d", "'#'|host|port"),
        (f"postgresql://u:a/{SECRET}@h/d", "percent-encode"),
        (f"postgresql://u:1/{SECRET}@h/d", "percent-encode"),
        (f"postgresql://u:1?{SECRET}@h/d", "percent-encode"),
        (f"postgresql://u:1?{SECRET}=x@h/d", "percent-encode"),
        (f"postgresql://u:{SECRET}@[::1/d", "cannot be read|host"),
    ],
)
def test_a_wrong_url_is_an_error_that_names_what_is_wrong_without_a_secret(
    url: str, sentence: str
) -> None:
    with pytest.raises(Rejected, match=sentence) as raised:
        parse_address(url)
    assert SECRET not in str(raised.value)


def test_the_text_of_an_address_has_no_secret() -> None:
    address = parse_address(f"postgresql://u:{SECRET}@h,[::1]:7/d?sslpassword={SECRET}")
    assert SECRET not in repr(address) + str(address)
    assert str(address) == "h:5432, [::1]:7"
    assert str(DatabaseAddress(())) == "the default address"
