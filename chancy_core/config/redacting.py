"""What may be shown of a value that could hold a secret.

The rule is to show what is known to be harmless, never to hide what is known to be secret: a
misspelt `pasword` hides its value too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

HIDDEN: Final = "***"

# The keywords of a connection string whose values anyone may read (PostgreSQL manual, "Parameter
# Key Words"). Those left out are secret, or not libpq's.
_HARMLESS: Final = frozenset(
    """
    application_name channel_binding client_encoding connect_timeout dbname
    fallback_application_name gssdelegation gssencmode gsslib host hostaddr keepalives
    keepalives_count keepalives_idle keepalives_interval krbsrvname load_balance_hosts options
    passfile port replication require_auth requirepeer service ssl_max_protocol_version
    ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey sslmode
    sslnegotiation sslrootcert sslsni target_session_attrs tcp_user_timeout user
    """.split()  # noqa: SIM905 -- forty lines of quotes say no more
)
_SECRET_WORDS: Final = ("password", "passwd", "secret", "token", "key", "dsn", "credential")

# libpq looks for the `@` before the first `/`, and takes the user up to the first `:`. Everything
# between that and the last `@` is hidden, because a password may hold an `@` that nobody encoded.
_HOST: Final = r"(?:\[[0-9A-Fa-f:.%]+\]|[^:@/?\[\]\s,]*)(?::\d*)?"
_URL: Final = re.compile(
    r"(?P<scheme>postgres(?:ql)?://)"
    r"(?:(?P<user>[^:@/\s]*)(?P<password>:[^/]*)?@)?"
    rf"(?P<server>{_HOST}(?:,{_HOST})*)"
    r"(?P<database>/[^@/?=\s]*)?"
    r"(?:\?(?P<options>[^@\s]*))?"
)
# One `key = value` of a conninfo string. The possessive quantifiers keep a value that libpq reads
# past a blank, as in `password= x`, from being taken for an empty one.
_PAIR: Final = re.compile(
    r"\s*+(?P<key>\w+)\s*+=\s*+(?P<value>'(?:[^'\\]|\\.)*+'|(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*+|)"
    r"(?=\s|\Z)",
    re.DOTALL | re.ASCII,  # libpq's blanks are those of C
)


def redacted(dsn: str) -> str:
    """`dsn` without its secrets, in the form it was written in.

    Returns:
        The URL or `key=value` string with `***` in place of each secret; only `***` for what is not
        clearly one of the two.
    """
    shown = _url(dsn) if dsn.startswith(("postgresql://", "postgres://")) else _pairs(dsn)
    return shown or HIDDEN


def _url(dsn: str) -> str | None:
    found = _URL.fullmatch(dsn)
    if found is None:
        return None
    user = found["user"]
    password = f":{HIDDEN}" if found["password"] else ""
    login = "" if user is None else f"{user}{password}@"
    options = found["options"]
    query = "" if options is None else "?" + "&".join(map(_option, options.split("&")))
    return f"{found['scheme']}{login}{found['server']}{found['database'] or ''}{query}"


def _option(option: str) -> str:
    key, equals, value = option.partition("=")
    if not equals:
        return HIDDEN if option else ""
    return f"{key}={value if _harmless(unquote(key), unquote(value)) else HIDDEN}"


def _pairs(dsn: str) -> str | None:
    shown: list[str] = []
    end = 0
    while dsn[end:].strip():
        found = _PAIR.match(dsn, end)
        if found is None:
            return None
        key, value = found["key"], found["value"]
        shown.append(f"{key}={value if _harmless(key, value) else HIDDEN}")
        end = found.end()
    return " ".join(shown)


def _harmless(key: str, value: str) -> bool:
    # Drivers accept a whole connection string as `dbname`.
    return key in _HARMLESS and not (key == "dbname" and ("=" in value or "://" in value))


def is_secret(key: str) -> bool:
    """Whether a key's name says that its value is nobody's business."""
    return any(word in key.lower() for word in _SECRET_WORDS)


def without_secrets(value: Any, key: str = "") -> Any:
    """`value` of a table that is not ours, such as a plugin's, with its secrets replaced.

    Args:
        value: what TOML can hold.
        key: the key it stands under; one that names a secret hides the whole value.
    """
    if is_secret(key):
        return HIDDEN
    if isinstance(value, Mapping):
        return {name: without_secrets(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return HIDDEN if isinstance(value, str) and _holds_login(value) else value


def _holds_login(text: str) -> bool:
    return ("://" in text and "@" in text) or ("=" in text and "password" in text.lower())
