-- Let the leader be gone, as if its lease had run out and another one had led and gone meanwhile.
--
-- Returns (holder), who led; NULL: nobody. Uses leadership_pkey.
UPDATE {schema}.leadership AS now
SET holder = NULL, term = now.term + 1, elected_at = coalesce(now.elected_at, now()), lease_until = now()
FROM {schema}.leadership AS before
RETURNING before.holder
