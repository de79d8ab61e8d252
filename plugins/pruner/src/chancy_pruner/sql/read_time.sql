-- The time at this very moment, unlike now(), which is the transaction's.
SELECT clock_timestamp()
