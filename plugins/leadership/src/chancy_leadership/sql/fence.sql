-- Keep the row as it is until this transaction ends: nobody else is elected before that. Renewals go on. Returns the
-- term; no row if `holder` does not lead in `term` any longer.
--
-- holder   text
-- term     bigint
SELECT term
FROM {schema}.leadership
WHERE holder = %(holder)s AND term = %(term)s
FOR KEY SHARE
