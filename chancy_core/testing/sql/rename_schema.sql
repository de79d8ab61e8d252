-- Give a schema that tests hand on another name; its functions, whose text has the name in it, are made again.
DO LANGUAGE plpgsql $$
DECLARE
    made text;
BEGIN
    ALTER SCHEMA "{spare}" RENAME TO {schema};
    FOR made IN
        SELECT regexp_replace(pg_get_functiondef(oid), 'test_[0-9a-f]{12}', btrim('{schema}', '"'), 'g')
        FROM pg_proc
        WHERE pronamespace = '{schema}'::regnamespace AND prokind IN ('f', 'p')
    LOOP
        EXECUTE made;
    END LOOP;
END
$$
