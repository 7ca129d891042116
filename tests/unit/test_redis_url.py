"""REDIS_URL: what is taken, what is refused and why, and that no message shows a secret."""

from __future__ import annotations

import re

import pytest

from backend.config import ConfigurationError, Settings
from backend.config.redis.url import RedisAddress, parse_redis_url

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("redis://r", RedisAddress("redis://r:6379", {})),
        ("  redis://r:7000/3\n", RedisAddress("redis://r:7000?db=3", {})),
        ("valkey://r/0?db=0", RedisAddress("redis://r:6379", {})),
        ("REDIS://r?db=3", RedisAddress("redis://r:6379?db=3", {})),
        ("unix://:p@/a.sock", RedisAddress("unix:///a.sock", {"password": "p"})),
        ("unix:///run/a%20b.sock?db=4", RedisAddress("unix:///run/a%20b.sock?db=4", {})),
        (
            "redis://u%40x:p%2F%3F%23@[::1]:7/",
            RedisAddress("redis://[::1]:7", {"username": "u@x", "password": "p/?#"}),
        ),
        ("redis://:p@r", RedisAddress("redis://r:6379", {"password": "p"})),
        (
            "valkeys://r?ssl_cert_reqs=CERT_OPTIONAL&ssl_check_hostname=no&socket_timeout=9",
            RedisAddress(
                "rediss://r:6379",
                {"ssl_cert_reqs": "optional", "ssl_check_hostname": False, "socket_timeout": 9.0},
            ),
        ),
    ],
)
def test_an_address_is_taken_apart(text: str, address: RedisAddress) -> None:
    assert parse_redis_url(text) == address


def test_an_address_of_a_cluster_names_its_nodes() -> None:
    address = parse_redis_url(f"valkeys+cluster://u:{SECRET}@a:1,[::1],b/0?socket_timeout=9")
    assert address.nodes == (("a", 1), ("::1", 6379), ("b", 6379))
    assert address.options == {
        "username": "u",
        "password": SECRET,
        "socket_timeout": 9,
        "ssl": True,
    }
    assert SECRET not in repr(address)


def test_addresses_are_shown_in_brackets() -> None:
    assert parse_redis_url("redis+cluster://[::1],A:1").url == "redis+cluster://[::1]:6379,a:1"
    assert parse_redis_url("redis+sentinel://[::1]/o").url == "redis+sentinel://[::1]:26379/o"


@pytest.mark.parametrize(
    ("hosts", "reason"),
    [
        (f"u:{SECRET}@a,u:{SECRET}@b", "said once, before the first host"),
        (f"a,u:{SECRET}@b", "said once, before the first host"),
        (f"u:x@{SECRET}@b", "'@' as %40"),
        (f"u:x,{SECRET}@b", "',' as %2C"),
        ("a,@b", "said once, before the first host"),
        ("a:7000,7001", "a number in the place of a host: write {form}"),
        ("a,,b", "names no host: write {form}"),
        ("", "names no host: write {form}"),
        ("a;b", "separated by ','"),
        ("a%2Cb", "separated by ','"),
        ("a\x00", "no name or address"),
        ("a..b", "no name or address"),
        ("a" * 300, "no name or address"),
        ("[::1,b", "brackets"),
        ("[::1]x:3,b", "brackets"),
        ("a]", "brackets"),
        ("[a]", "brackets"),
        ("[]", "brackets"),
        ("[::1]:0", "port 0"),
        ("a:٣", "port that is no number"),
        ("a:65536", "port that is no number"),
    ],
)
@pytest.mark.parametrize(
    ("form", "scheme", "path"),
    [
        ("redis+cluster://host:6379,host:6379", "redis+cluster", ""),
        ("rediss+sentinel://host:26379,host:26379/name", "valkeys+sentinel", "/orders"),
    ],
)
def test_a_host_that_is_none_is_refused(
    hosts: str, reason: str, form: str, scheme: str, path: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(reason.format(form=form))) as refusal:
        parse_redis_url(f"{scheme}://{hosts}{path}")
    assert SECRET not in str(refusal.value)


def test_resp3_is_noted_and_not_spoken() -> None:
    address = parse_redis_url("redis://r?protocol=3")
    assert address.options == {}
    assert "RESP2" in address.notes[0]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"http://u:{SECRET}@r", "must begin with redis://"),
        (f"redis:/u:{SECRET}@r", "must begin with redis://"),
        (f"redis+sentinel://u:{SECRET}@r", "names no primary"),
        (f"redis+cluster://u:{SECRET}@", "names no host"),
        (f"redis+cluster://u:{SECRET}@a,,b", "names no host"),
        (f"redis+cluster://u:{SECRET}@a:0,b", "port 0"),
        (f"redis+cluster://u:{SECRET}:7@a,b:x", "port that is no number"),
        (f"redis+cluster://u:{SECRET}@a,b/1", "names a database, of which a Cluster has one"),
        (f"redis+cluster://u:{SECRET}@a?db=1", "names a database, of which a Cluster has one"),
        (f"redis+cluster://u:{SECRET}@a/orders", "path that is no database"),
        (f"redis+cluster://:a/{SECRET}@r", "'@' behind the host"),
        (f"redis+cluster://{SECRET}@r", "user without a password"),
        ("redis+cluster://a?ssl_ca_certs=x", "needs rediss://"),
        ("redis+cluster://a?sentinel_password=x", "needs redis+sentinel://"),
        ("redis://a:1,b:2", "redis+cluster://"),
        (f"{SECRET}@r:6379", "must begin with redis://"),
        ("r:6379", "must begin with redis://"),
        ("redis://", "names no host"),
        ("redis://:6379/0", "names no host"),
        (f"redis://u:{SECRET}@", "names no host"),
        ("redis://r:0", "port 0"),
        ("redis://r:65536", "port that is no number"),
        ("redis://r:http", "port that is no number"),
        ("redis://[::1", "brackets"),
        ("redis://a:1,b:2", "several hosts"),
        (f"redis://u:{SECRET}@a,u:{SECRET}@b", "said once"),
        (f"redis://u:x@{SECRET}@b", "'@' as %40"),
        ("redis://7001", "a number in the place of a host: write redis://host:6379"),
        ("redis://[::1]x", "brackets"),
        ("redis://a;b", "no name or address"),
        ("redis://r/one", "path that is no database"),
        ("redis://r/-1", "path that is no database"),
        ("redis://r/0/1", "path that is no database"),
        ("redis://r/1?db=2", "two databases"),
        ("redis://r?db=", "parameter db: it must be a whole number"),
        ("redis://r?db=1&db=1", "parameter db twice"),
        ("redis://r?protocol=4", "parameter protocol: it must be 2 or 3"),
        ("redis://r?max_connections=5", "parameter 'max_connections', which is not known"),
        ("redis://r?DB=5", "parameter 'DB', which is not known"),
        ("redis://r?socket_timeout=0.5", "parameter socket_timeout: it must be a number of sec"),
        ("redis://r?socket_timeout=nan", "parameter socket_timeout: it must be a number of sec"),
        ("redis://r?ssl_cert_reqs=none", "needs rediss://"),
        ("rediss://r?ssl_cert_reqs=maybe", "ssl_cert_reqs: it must be required, optional or none"),
        ("rediss://r?ssl_min_version=1.1", "ssl_min_version: it must be 1.2 or 1.3"),
        ("unix://", "names no socket"),
        ("unix://r/redis.sock", "names no socket"),
        (f"redis://{SECRET}@r", "user without a password"),
        (f"redis://:{SECRET}@r?password=x", "password twice"),
        (f"redis://:a/{SECRET}@r", "'@' behind the host"),
        (f"redis://:a?{SECRET}@r", "'@' behind the host"),
        (f"redis://:a#{SECRET}@r", "blank or a '#'"),
        (f"redis://:a {SECRET}@r", "blank or a '#'"),
        (f"redis://u:{SECRET}:6379", "port that is no number"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name_and_without_the_secret(
    url: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Settings.load(redis_url=url)
    message = str(refusal.value)
    assert message.startswith("REDIS_URL ")
    assert reason in message
    assert SECRET not in message


def test_an_empty_address_is_none() -> None:
    assert Settings.load(redis_url="").redis_url is None
