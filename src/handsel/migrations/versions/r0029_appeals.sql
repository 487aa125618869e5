-- What changed in a score, and the appeal of a member to a person.
SELECT 1;
