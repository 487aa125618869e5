"""Place: the published grid point, geodesic distances, and the boxes engines filter by.

Every distance is geodesic on WGS84 (pyproj, the algorithm geopy's ``geodesic`` uses) and ends at
a *published* point. Engines only pre-select with cheaper spheres; the bounds between sphere and
ellipsoid are proven here once, so that no hit inside a radius is ever lost.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

__all__ = (
    "EARTH_RADIUS_M",
    "GRID_M",
    "PREFILTER",
    "SPHERE_RATIO_MAX",
    "SPHERE_RATIO_MIN",
    "Box",
    "bounding_box",
    "chord_length",
    "distance_m",
    "distances_m",
    "published_point",
    "sphere_distances_m",
)

GRID_M: Final = 250.0
EARTH_RADIUS_M: Final = 6378168.0  # earthdistance's earth()
PREFILTER: Final = 1.008

# Sphere and ellipsoid are two metrics on the same (lat, lon) plane; at every point and bearing the
# ratio of their line elements lies between R/N_max = R/M_max (a^2/b) and R/M_min (a(1 - e^2)).
# Lengths of all paths, hence distances, obey the same bounds: sphere/geodesic is 0.99665..1.00675.
SPHERE_RATIO_MIN: Final = EARTH_RADIUS_M / 6399593.63 - 1e-6
SPHERE_RATIO_MAX: Final = EARTH_RADIUS_M / 6335439.32 + 1e-6

_GEOD: Final = Geod(ellps="WGS84")
_METRES_PER_DEGREE: Final = math.pi * 6371008.77 / 180.0
_DLAT: Final = GRID_M / _METRES_PER_DEGREE

Floats = NDArray[np.float64]


class Box(NamedTuple):
    """Degrees; ``west > east`` means the box crosses the antimeridian."""

    south: float
    west: float
    north: float
    east: float


def _check_point(lat: float, lon: float) -> None:
    if not (-90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0):
        raise ValueError(f"not a point on the earth: {lat}, {lon}")


def _fraction(secret: bytes, label: str) -> float:
    """A fixed pseudo-random number in [0, 1) of the secret and a label."""
    digest = hmac.digest(secret, label.encode(), hashlib.sha256)
    return int.from_bytes(digest[:7], "big") / 2**56


def published_point(lat: float, lon: float, secret: bytes) -> tuple[float, float]:
    """The centre of the ~250 m grid cell that holds a true point, in degrees (6 decimals).

    Every point of one cell gives the same answer, for ever: nothing is re-drawn, so asking often
    reveals nothing more. The grid's rows are offset by the secret, the columns of each row by the
    secret and the row, so the cell borders cannot be computed from a map. The published point is
    at most ~180 m from the true one.

    Limits: rows hold a whole number of columns, so the antimeridian is an ordinary border or an
    inner line of a cell. Cells shrink to one triangle-like column within ~40 m of a pole, where
    the published latitude is clamped to 90 degrees. Two secrets give two unrelated grids:
    changing the secret moves every point once, and both answers together narrow the true place.

    Raises:
        ValueError: not a point on the earth, or a secret shorter than 16 bytes.
    """
    _check_point(lat, lon)
    if len(secret) < 16:
        raise ValueError("the grid secret needs at least 16 bytes")
    origin = -90.0 - _fraction(secret, "rows") * _DLAT
    row = math.floor((lat - origin) / _DLAT)
    centre_lat = min(90.0, max(-90.0, origin + (row + 0.5) * _DLAT))
    columns = max(1, math.floor(360.0 * math.cos(math.radians(centre_lat)) / _DLAT))
    dlon = 360.0 / columns
    offset = _fraction(secret, f"row {row}") * dlon
    column = math.floor(((lon + 180.0 - offset) % 360.0) / dlon)
    centre_lon = (offset + (column + 0.5) * dlon) % 360.0 - 180.0
    return round(centre_lat, 6), round(centre_lon, 6)


def distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Geodesic metres between two (lat, lon) points in degrees."""
    return float(_GEOD.inv(a[1], a[0], b[1], b[0])[2])


def distances_m(
    lat: float, lon: float, lats: Sequence[float] | Floats, lons: Sequence[float] | Floats
) -> Floats:
    """Geodesic metres from one point to n points: shape (n,), degrees in, metres out."""
    to_lats = np.asarray(lats, dtype=np.float64)
    to_lons = np.asarray(lons, dtype=np.float64)
    if to_lats.shape != to_lons.shape or to_lats.ndim != 1:
        raise ValueError("lats and lons must be two vectors of one length")
    from_lats = np.full_like(to_lats, lat)
    from_lons = np.full_like(to_lons, lon)
    return np.asarray(_GEOD.inv(from_lons, from_lats, to_lons, to_lats)[2], dtype=np.float64)


def sphere_distances_m(
    lat: float, lon: float, lats: Sequence[float] | Floats, lons: Sequence[float] | Floats
) -> Floats:
    """Haversine metres on earthdistance's sphere, shape (n,): what engines order by."""
    phi = np.radians(np.asarray(lats, dtype=np.float64))
    lam = np.radians(np.asarray(lons, dtype=np.float64))
    phi0, lam0 = math.radians(lat), math.radians(lon)
    h = np.sin((phi - phi0) / 2) ** 2
    h = h + math.cos(phi0) * np.cos(phi) * np.sin((lam - lam0) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0))))


def chord_length(radius_m: float) -> float:
    """Straight metres through earthdistance's sphere for an arc of ``radius_m``."""
    half_arc = min(radius_m / (2 * EARTH_RADIUS_M), math.pi / 2)
    return 2 * EARTH_RADIUS_M * math.sin(half_arc)


def bounding_box(lat: float, lon: float, radius_m: float) -> Box:
    """A box that holds every point within ``radius_m`` (geodesic) of a point, at radius x 1.008.

    Near a pole the box is a whole cap (west -180, east 180).
    """
    _check_point(lat, lon)
    angle = radius_m * PREFILTER / 6371000.0
    reach = math.degrees(angle)
    south, north = lat - reach, lat + reach
    if south <= -90.0 or north >= 90.0 or angle >= math.pi / 2:
        return Box(max(south, -90.0), -180.0, min(north, 90.0), 180.0)
    ratio = math.sin(angle) / math.cos(math.radians(lat))
    span = math.degrees(math.asin(min(1.0, ratio)))
    if span >= 180.0:
        return Box(south, -180.0, north, 180.0)
    west, east = lon - span, lon + span
    return Box(
        south,
        west + 360.0 if west < -180.0 else west,
        north,
        east - 360.0 if east > 180.0 else east,
    )
