"""Settings: environment over ``handsel.toml`` over defaults, read once, passed as a value.

Secrets are generated into ``HANDSEL_HOME`` on the first start and never printed.
"""

import contextlib
import os
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from handsel.foundation.core.errors import UserError

_PLAIN_NAMES = {
    "PORT": "port",
    "MEILISEARCH_URL": "meilisearch_url",
    "MEILISEARCH_API_KEY": "meilisearch_api_key",
}
_MASKED = {
    "secret",
    "meilisearch_api_key",
    "database_url",
    "stripe_secret_key",
    "stripe_webhook_secret",
}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may set. Environment names: ``HANDSEL_`` + upper case, but for PORT and
    MEILISEARCH_*."""

    home: Path = Path(".handsel")
    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str | None = None
    data: Path | None = None
    meilisearch_url: str | None = None
    meilisearch_api_key: str | None = None
    #: Sandbox mode: the built-in providers answer, and the clock may be moved.
    sandbox: bool = True
    #: Where members reach this house, for what is printed: QR codes. Without it, where it listens.
    public_url: str = ""
    #: Outside of sandbox mode: Stripe, where there is a key. ``stripe_api_base`` is for tests.
    stripe_secret_key: str = ""
    #: Of the endpoint for our own account and of the one for connected accounts, with a comma.
    stripe_webhook_secret: str = ""
    #: Where a payer comes back to after a step with their bank (3-D Secure). Without it, a card
    #: that needs one is declined.
    stripe_return_url: str = ""
    stripe_api_base: str = ""
    log_level: str = "info"
    pool_size: int = 16
    #: Keys cursors, confirmations and the published grid. Generated when not given.
    secret: str = ""

    def masked(self) -> dict[str, Any]:
        """For ``handsel config``: every setting, secrets as ``***``."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return {k: "***" if k in _MASKED and v else v for k, v in plain.items()}

    @property
    def public_address(self) -> str:
        """The beginning of every address that is given to people, without a slash at its end."""
        return self.public_url.rstrip("/") or f"http://{self.host}:{self.port}"

    def secret_bytes(self) -> bytes:
        """The key material for HMACs."""
        return self.secret.encode()


def load(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Read the settings. Raises ``UserError`` with the name of what is wrong."""
    environ = os.environ if environ is None else environ
    given: dict[str, Any] = _from_file(file or Path("handsel.toml")) | _from_environment(environ)
    try:
        settings = msgspec.convert(given, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise UserError(f"A setting is wrong: {error}.") from None
    if not 1 <= settings.port <= 65535:
        raise UserError(f"A setting is wrong: PORT must be 1 to 65535, not {settings.port}.")
    home = settings.home.absolute()
    data = settings.data or _default_data()
    secret = settings.secret or _stored_secret(home)
    return msgspec.structs.replace(settings, home=home, data=data, secret=secret)


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise TypeError(f"no setting is a {kind}")


def _from_file(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not valid TOML: {error}.") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    names = _PLAIN_NAMES | {
        f"HANDSEL_{field.upper()}": field for field in Settings.__struct_fields__
    }
    return {field: environ[name] for name, field in names.items() if environ.get(name)}


def _default_data() -> Path | None:
    beside = Path("../shared/data")
    return beside.resolve() if beside.is_dir() else None


def _stored_secret(home: Path) -> str:
    file = home / "secret"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            side = home / f"secret.{os.getpid()}"
            side.touch(mode=0o600)
            side.write_text(secrets.token_urlsafe(48))
            with contextlib.suppress(FileExistsError):
                file.hardlink_to(side)  # atomic: of two first starts one wins
            side.unlink()
        return file.read_text()
    except OSError as error:
        raise UserError(f"HANDSEL_HOME {home} cannot be used: {error.strerror}.") from None
