"""Place: geopy is the oracle of every distance."""

import math
import random

import numpy as np
import pytest
from geopy.distance import geodesic
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from handsel_search import geo
from tests.search.conftest import quick

SECRET = b"a secret of the test, 32 bytes!!"
latitudes = st.floats(-89.9, 89.9)
longitudes = st.floats(-180.0, 180.0)


@quick
@given(latitudes, longitudes)
def test_published_point_is_near_stable_and_idempotent(lat: float, lon: float) -> None:
    published = geo.published_point(lat, lon, SECRET)

    assert published == geo.published_point(lat, lon, SECRET)
    assert geodesic((lat, lon), published).m <= 182
    assert geo.published_point(*published, SECRET) == published


@quick
@given(st.floats(-85, 85), longitudes, st.integers(0, 2**32))
def test_every_point_of_a_cell_publishes_the_same_point(lat: float, lon: float, seed: int) -> None:
    centre = geo.published_point(lat, lon, SECRET)
    draw = random.Random(seed)
    half_lat = 0.49 * 250 / 111195
    half_lon = half_lat / math.cos(math.radians(centre[0]))

    for _ in range(20):
        inner_lat = centre[0] + draw.uniform(-half_lat, half_lat)
        inner_lon = centre[1] + draw.uniform(-half_lon, half_lon)
        inner_lon = (inner_lon + 180) % 360 - 180
        assert geo.published_point(inner_lat, inner_lon, SECRET) == centre


def test_published_points_form_a_grid_of_about_250_m() -> None:
    rows = {geo.published_point(55.9 + i / 20000, -3.19, SECRET)[0] for i in range(1000)}
    columns = {geo.published_point(55.9, -3.19 + i / 20000, SECRET)[1] for i in range(1000)}

    row_m = geodesic((min(rows), -3.19), (max(rows), -3.19)).m / (len(rows) - 1)
    column_m = geodesic((55.9, min(columns)), (55.9, max(columns))).m / (len(columns) - 1)
    assert row_m == pytest.approx(250, abs=2)
    assert column_m == pytest.approx(250, abs=2)


def test_the_secret_moves_the_grid() -> None:
    other = b"another secret of 16 bytes or so"
    rng = random.Random(1)
    points = [(rng.uniform(-80, 80), rng.uniform(-180, 180)) for _ in range(200)]
    same = sum(geo.published_point(*p, SECRET) == geo.published_point(*p, other) for p in points)

    assert same == 0
    with pytest.raises(ValueError, match="16 bytes"):
        geo.published_point(1.0, 1.0, b"short")


def test_rows_depend_on_the_secret_and_columns_on_secret_and_row() -> None:
    other = b"another secret of 16 bytes or so"

    def phases(secret: bytes) -> tuple[float, set[float]]:
        """Where rows start, and where the columns of twenty neighbouring rows start (0..1)."""
        step = 250 / 111195.08
        rows = [geo.published_point(10 + i * step, 20.0, secret) for i in range(20)]
        columns = set()
        for lat, lon in rows:
            width = 360 / math.floor(360 * math.cos(math.radians(lat)) / step)
            columns.add(round((lon + 180) / width % 1, 1))
        return rows[0][0], columns

    rows, columns = phases(SECRET)
    other_rows, other_columns = phases(other)
    assert abs(rows - other_rows) > 1e-5
    assert len(columns) > 4
    assert len(other_columns) > 4


def test_no_point_outside_the_earth_is_published() -> None:
    for lat, lon in ((90.1, 0.0), (0.0, 180.1), (math.nan, 0.0), (0.0, math.inf)):
        with pytest.raises(ValueError, match="not a point"):
            geo.published_point(lat, lon, SECRET)
    assert geo.published_point(90.0, 0.0, SECRET)[0] <= 90.0
    assert geo.published_point(-90.0, 0.0, SECRET)[0] >= -90.0


@quick
@given(latitudes, longitudes, latitudes, longitudes)
def test_distances_agree_with_geopy(lat: float, lon: float, lat2: float, lon2: float) -> None:
    oracle = geodesic((lat, lon), (lat2, lon2)).m

    assert geo.distance_m((lat, lon), (lat2, lon2)) == pytest.approx(oracle, abs=1e-6)
    assert geo.distances_m(lat, lon, [lat2, lat], [lon2, lon]) == pytest.approx(
        np.array([oracle, 0.0]), abs=1e-6
    )


@quick
@given(latitudes, longitudes, st.floats(0, 360), st.floats(1, 5_000_000))
def test_sphere_and_ellipsoid_stay_within_the_proven_ratio(
    lat: float, lon: float, bearing: float, metres: float
) -> None:
    goal = geodesic(meters=metres).destination((lat, lon), bearing)
    sphere = geo.sphere_distances_m(lat, lon, [goal.latitude], [goal.longitude])[0]

    assert geo.SPHERE_RATIO_MIN * metres - 0.001 <= sphere
    assert sphere <= geo.SPHERE_RATIO_MAX * metres + 0.001


@given(st.floats(-90, 90), longitudes, st.floats(0, 360), st.floats(100, 200_000))
@settings(max_examples=200, deadline=None)
def test_nothing_within_the_radius_is_outside_the_box(
    lat: float, lon: float, bearing: float, radius: float
) -> None:
    goal = geodesic(meters=radius).destination((lat, lon), bearing)
    goal_lon = (goal.longitude + 180) % 360 - 180
    box = geo.bounding_box(lat, lon, radius)

    assert box.south <= goal.latitude <= box.north
    if box.west <= box.east:
        assert box.west <= goal_lon <= box.east or abs(goal_lon) == 180
    else:
        assert goal_lon >= box.west or goal_lon <= box.east


@quick
@given(st.floats(-60, 60), st.floats(-170, 170), st.floats(100, 200_000))
def test_the_box_is_not_larger_than_needed(lat: float, lon: float, radius: float) -> None:
    box = geo.bounding_box(lat, lon, radius)
    assume(box.west < box.east)

    assert geodesic((box.south, lon), (lat, lon)).m <= radius * 1.015
    assert geodesic((lat, box.east), (lat, lon)).m <= radius * 1.1


@quick
@given(st.floats(1, 20_000_000))
def test_chord_is_that_of_the_arc(radius: float) -> None:
    chord = geo.chord_length(radius)

    assert chord <= radius
    arc = 2 * geo.EARTH_RADIUS_M * math.asin(chord / (2 * geo.EARTH_RADIUS_M))
    assert arc == pytest.approx(radius, rel=1e-6)
