-- Keep a batch of an operation's jobs, as they were found.
--
-- operation  uuid
-- batch      integer
-- ids        uuid[]
-- states     text[]
-- claims     integer[]
INSERT INTO {schema}.dashboard_targets (operation, batch, ids, states, claims)
VALUES (%(operation)s, %(batch)s, %(ids)s, %(states)s, %(claims)s)
