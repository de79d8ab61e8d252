-- Nothing but an answer, for `chancy bench`: how long a question is under way.
SELECT 1
