-- How much a fact weighs, and the kinds of facts that paying afterwards and lending leave.
SELECT 1;
