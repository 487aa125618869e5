"""In which language somebody is answered."""

from handsel_ml.reasons import LANGUAGES, Language

_FALLBACK: Language = "en"


def preferred(accept_language: str | None) -> Language:
    """The best of our languages for an ``Accept-Language`` header (RFC 9110 §12.5.4); English where
    it names none of them, or is none."""
    ranked: list[tuple[float, int, Language]] = []
    for position, part in enumerate((accept_language or "").split(",")[:20]):
        tag, _, parameter = part.partition(";")
        primary = tag.strip().lower().split("-")[0]
        quality = _quality(parameter)
        ranked += [
            (-quality, position, language)
            for language in LANGUAGES
            if language == primary and quality > 0
        ]
    return min(ranked)[2] if ranked else _FALLBACK


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    whole, _, part = value.strip().partition(".")
    if name.strip() != "q" or not (whole + part).isascii() or not (whole + part).isdigit():
        return 0.0
    return min(float(f"{whole[:1] or 0}.{part[:3] or 0}"), 1.0)
