"""What must hold of appeals: (name, rule, tables, rows, violations), as ``Check`` has."""

_APPEALS = ("people.appeals", "people.fact_retractions")
_UNDECIDED = """
SELECT a.id AS what FROM people.appeals a LEFT JOIN people.members m ON m.id = a.decided_by
 WHERE a.state <> 'open' AND (m.id IS NULL OR a.decided_by = a.member_id OR a.answer = ''
       OR a.decided_at < a.filed_at)
    OR a.state = 'open' AND a.decided_by IS NOT NULL
"""
_ALONE = """
SELECT r.fact_id AS what FROM people.fact_retractions r
  JOIN people.appeals a ON a.id = r.appeal_id
  JOIN people.facts f ON f.id = r.fact_id
 WHERE r.proposed_by = r.confirmed_by OR r.member_id IN (r.proposed_by, r.confirmed_by)
    OR a.state NOT IN ('upheld', 'partly') OR a.member_id <> r.member_id
    OR f.member_id <> r.member_id OR r.retracted_at < f.known_at
"""

CREDIT: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
    (
        "K01_appeals_are_decided_by_people",
        "an appeal that is not open was decided by a person, not its own member, who says why",
        _APPEALS,
        "SELECT count(*) FROM people.appeals",
        _UNDECIDED,
    ),
    (
        "K02_facts_are_taken_out_by_two",
        "a fact is taken out by an upheld appeal of its member, by two others of the staff",
        _APPEALS,
        "SELECT count(*) FROM people.fact_retractions",
        _ALONE,
    ),
)
