-- The register of credit models, and the policies that decisions were made by.
SELECT 1;
