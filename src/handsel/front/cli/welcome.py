"""What a newcomer needs to know once everything runs."""

from handsel.foundation.core.settings import Settings
from handsel.foundation.db import embedded
from handsel.front.cli.supervisor import reachable


def greet(settings: Settings, url: str, seconds: float) -> None:
    """Print it on standard output."""
    base = f"http://{_bracketed(reachable(settings.host))}:{settings.port}"
    lines = [
        "",
        f"handsel is ready after {seconds:.1f} s.",
        "",
        f"  The page        {base}/",
        f"  The API's page  {base}/docs",
        f"  Health          {base}/readyz",
        *_members(url),
        "",
        f"  Try next        {_prefix(settings)}.venv/bin/handsel demo",
        "  Stop            Ctrl-C",
        *_data(settings),
        f"  Logs            {settings.home}/logs",
        "",
    ]
    print("\n".join(lines), flush=True)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _prefix(settings: Settings) -> str:
    """What must stand before another command for it to find this very copy."""
    parts = [f"PORT={settings.port}"] if settings.port != 8000 else []
    if settings.home.name != ".handsel":
        parts.append(f"HANDSEL_HOME={settings.home}")
    return "".join(f"{part} " for part in parts)


def _members(url: str) -> list[str]:
    from handsel.front.cli.town import describe_members

    described = describe_members(url)
    return (
        ["", "  Demo members: handle, tier, password (POST /v1/sessions)", *described]
        if described
        else []
    )


def _data(settings: Settings) -> list[str]:
    if settings.database_url:
        return ["  Data            in the database of HANDSEL_DATABASE_URL"]
    return [
        f"  Reset           {_prefix(settings)}make reset",
        f"  Data            {embedded.data_location(settings.home)}",
    ]
