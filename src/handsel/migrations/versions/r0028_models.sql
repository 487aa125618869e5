-- The register of credit models: candidates, approvals, shadow scores, champions, and the policies that decisions were made by.
SELECT 1;
