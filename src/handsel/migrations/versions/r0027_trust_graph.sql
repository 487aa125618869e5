-- Nightly snapshots of the trust graph: who is trusted how much, and whose reviews weigh what.
SELECT 1;
