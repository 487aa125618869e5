"""What must hold of reviews: (name, rule, tables, rows, violations), as ``Check`` has them."""

_SEEN_EARLY = """
SELECT r.id AS what FROM deals.reviews r
  LEFT JOIN deals.reviews o ON o.order_id = r.order_id AND o.author_id = r.subject_id
 WHERE r.published_at < r.closes_at AND coalesce(o.published_at > r.published_at, true)
    OR r.published_at IS NULL AND o.id IS NOT NULL
"""
_COUNTS_TWICE = """
SELECT id AS what FROM (
    SELECT id, published_at - lag(published_at) OVER (PARTITION BY author_id, subject_id
                                                      ORDER BY published_at) AS since
      FROM deals.reviews WHERE weight_bps > 0) AS counted
 WHERE since < interval '30 days'
"""

REVIEWS: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
    (
        "R01_reviews_are_double_blind",
        "a review is published together with the other side's, or when the time to write is over",
        ("deals.reviews",),
        "SELECT count(*) FROM deals.reviews",
        _SEEN_EARLY,
    ),
    (
        "R02_one_review_of_a_pair_counts",
        "of one pair, one review in thirty days has a weight",
        ("deals.reviews",),
        "SELECT count(*) FROM deals.reviews WHERE weight_bps > 0",
        _COUNTS_TWICE,
    ),
)
