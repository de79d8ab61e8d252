-- compatible: yes
-- A push by SQL: from triggers, psql and programs in other languages. Version 1; a parameter that comes later stands at the end
-- and has a default. The numbers and the words are those of chancy_core/values, and a test compares what both refuse.

-- push                  Store a job: what push does in Python, in the transaction of whoever calls, with his own rights.
--
-- func ... on_conflict  the fields of a Job
-- payload_limit_bytes   what kwargs and meta may take together
-- notify                whether workers are told at the commit; they find the job without, by polling
--
-- Returns the id of the job, or that of the job that holds its unique_key. Raises 22023 for what cannot be pushed, and 23505 for
-- a key that is taken if on_conflict says so. Uses jobs_unique_key and jobs_waiting_key.
CREATE FUNCTION {schema}.push(
    func                text,
    kwargs              jsonb       DEFAULT '{}',
    queue               text        DEFAULT 'default',
    priority            integer     DEFAULT 0,
    scheduled_at        timestamptz DEFAULT NULL,
    max_attempts        integer     DEFAULT 1,
    unique_key          text        DEFAULT NULL,
    limits              jsonb       DEFAULT '[]',
    meta                jsonb       DEFAULT '{}',
    expires_at          timestamptz DEFAULT NULL,
    backoff             jsonb       DEFAULT NULL,
    keep_result         boolean     DEFAULT true,
    retry_on            text[]      DEFAULT '{}',
    give_up_on          text[]      DEFAULT '{}',
    unique_while        text        DEFAULT 'live',
    on_conflict         text        DEFAULT 'existing',
    payload_limit_bytes integer     DEFAULT 1048576,
    notify              boolean     DEFAULT true
) RETURNS uuid
LANGUAGE plpgsql
VOLATILE
SECURITY INVOKER
-- No table or function of the caller's stands in for one that is meant here.
SET search_path = pg_catalog, pg_temp
AS $push$
#variable_conflict use_column
DECLARE
    earliest CONSTANT timestamptz := '0001-01-02 00:00+00';
    latest   CONSTANT timestamptz := '9999-12-30 00:00+00';
    -- What Python's identifiers are, of ASCII; any other letter is as good as an x here.
    dotted   CONSTANT text := '^[A-Za-z_][A-Za-z0-9_]*([.:][A-Za-z_][A-Za-z0-9_]*)*$';
    kind     CONSTANT text := '^(<locals>|[A-Za-z_][A-Za-z0-9_]*)(\.(<locals>|[A-Za-z_][A-Za-z0-9_]*))*$';
    limited_by CONSTANT jsonpath := '
        ($."type" == "memory" || $."type" == "time" || $."type_" == "memory" || $."type_" == "time")
        && !(exists($."type") && exists($."type_"))
        && $."value" > 0 && $."value" <= 9007199254740992
        && !exists($.keyvalue() ? (@."key" != "type" && @."key" != "type_" && @."key" != "value"))';
    most     CONSTANT integer := coalesce(push.payload_limit_bytes, 1048576);
    payload  CONSTANT bigint := octet_length(push.kwargs::text) + octet_length(coalesce(push.meta, '{}')::text);
    micros   CONSTANT bigint := extract(epoch FROM clock_timestamp()) * 1000000;
    problem  text;
    job      uuid;
    held     record;
    waits    boolean;
    limited  json;
    more     jsonb;
    heard    text;
BEGIN
    problem := CASE
        WHEN push.func IS NULL THEN 'func is NULL: give the dotted name of a function, as in ''package.module.function''.'
        WHEN push.func !~ '\S' THEN 'func is empty: give it a name.'
        WHEN length(push.func) > 500
            THEN format('func has %s characters (%L ...): the most is 500.', length(push.func), left(push.func, 40))
        WHEN regexp_replace(push.func, '[^\u0001-\u007f]', 'x', 'g') !~ dotted COLLATE "C"
            THEN format('func is %L: give the dotted name of a function, as in ''package.module.function''.', left(push.func, 80))
        WHEN push.kwargs IS NULL THEN 'kwargs is NULL: give a JSON object, such as ''{"user": 7}'', or leave it out.'
        WHEN jsonb_typeof(push.kwargs) <> 'object'
            THEN format('kwargs is %s: give a JSON object of names to values.', left(push.kwargs::text, 80))
        WHEN jsonb_typeof(push.meta) <> 'object'
            THEN format('meta is %s: give a JSON object of names to values.', left(push.meta::text, 80))
        WHEN payload > most
            THEN format(
                'The kwargs and meta of %s take %s bytes as JSON: the limit is %s. Store what is large elsewhere and pass its name, '
                'or raise payload_limit_bytes.', push.func, payload, most
            )
        WHEN payload > 200 AND jsonb_path_exists(
            jsonb_build_array(push.kwargs, push.meta), 'strict $.**{101 to last} ? (@.type() == "object" || @.type() == "array")'
        ) THEN 'kwargs or meta is nested deeper than 100 levels.'
        -- More digits than Python reads.
        WHEN payload > 4000 AND jsonb_path_exists(
            jsonb_build_array(push.kwargs, push.meta), 'strict $.** ? (@.type() == "number" && (@ >= 1e4214 || @ <= -1e4214))'
        ) THEN 'kwargs or meta has a number of more than 4214 digits: pass it as a string.'
        WHEN push.queue IS NULL THEN 'queue is NULL: give the name of a queue, or leave it out for ''default''.'
        WHEN push.priority IS NULL THEN 'priority is NULL: give a whole number from -2,147,483,648 to 2,147,483,647.'
        WHEN push.max_attempts IS NULL OR push.max_attempts < 1
            THEN format('max_attempts is %s: give a whole number from 1 to 2,147,483,647.', coalesce(push.max_attempts::text, 'NULL'))
        WHEN push.scheduled_at NOT BETWEEN earliest AND latest
            THEN format('scheduled_at is %s: give a moment from 0001-01-02 to 9999-12-30.', push.scheduled_at)
        WHEN push.expires_at NOT BETWEEN earliest AND latest
            THEN format('expires_at is %s: give a moment from 0001-01-02 to 9999-12-30.', push.expires_at)
        WHEN push.unique_key !~ '\S' THEN 'unique_key is empty: give it a name.'
        WHEN length(push.unique_key) > 500
            THEN format('unique_key has %s characters (%L ...): the most is 500.', length(push.unique_key), left(push.unique_key, 40))
        WHEN coalesce(push.unique_while, 'live') NOT IN ('live', 'waiting')
            THEN format('unique_while is %L: give ''live'' (the default: a job holds its unique key until it has ended) or '
                        '''waiting'' (until it is started).', left(push.unique_while, 80))
        WHEN coalesce(push.on_conflict, 'existing') NOT IN ('existing', 'raise', 'replace')
            THEN format('on_conflict is %L: give ''existing'' (the default: the push returns the job that is there), ''raise'', or '
                        '''replace'' (while that waits).', left(push.on_conflict, 80))
    END;
    -- Each of these is a query, and few jobs have any of them.
    IF push.limits NOT IN ('[]', 'null') THEN
        SELECT json_agg(json_build_object('type_', coalesce(one ->> 'type', one ->> 'type_'), 'value', one -> 'value')),
               CASE WHEN count(*) = 0
                         OR count(*) FILTER (WHERE one @@ limited_by) < count(*)
                         OR count(DISTINCT coalesce(one ->> 'type', one ->> 'type_')) < count(*)
                    THEN format(
                        'limits is %s: give an array of {"type": "memory" or "time", "value": number}, one of each type at most, '
                        'with a number of bytes or seconds above zero, at most 2**53.', left(push.limits::text, 200)
                    )
                    ELSE problem
               END
        INTO limited, problem
        FROM jsonb_path_query(push.limits, 'strict $ ? (@.type() == "array")[*]') AS one;
    END IF;
    IF push.backoff <> 'null' THEN
        SELECT CASE WHEN jsonb_typeof(push.backoff) <> 'object' OR NOT coalesce(bool_and(
                        CASE WHEN jsonb_typeof(value) = 'number' THEN (value #>> '{}')::numeric BETWEEN low AND high ELSE false END
                        IS TRUE
                    ), true)
                    THEN format(
                        'backoff is %s: give an object of base_s, max_s and step_s (seconds from 0 to 31,536,000), factor (a number '
                        'from 1 to 1,000) and jitter (a number from 0 to 1), each or none.', left(push.backoff::text, 200)
                    )
                    ELSE problem
               END
        INTO problem
        FROM jsonb_each(CASE WHEN jsonb_typeof(push.backoff) = 'object' THEN push.backoff ELSE '{}' END) AS given (name, value)
        LEFT JOIN (
            VALUES ('base_s', 0, 31536000), ('factor', 1, 1000), ('max_s', 0, 31536000), ('jitter', 0, 1), ('step_s', 0, 31536000)
        ) AS known (name, low, high) ON known.name = given.name;
    END IF;
    IF push.retry_on <> '{}' OR push.give_up_on <> '{}' THEN
        SELECT CASE WHEN NOT bool_and((regexp_replace(name, '[^\u0001-\u007f]', 'x', 'g') ~ kind COLLATE "C") IS TRUE)
                    THEN format('retry_on and give_up_on are %s and %s: give names of exceptions.', push.retry_on, push.give_up_on)
                    ELSE problem
               END
        INTO problem
        FROM unnest(push.retry_on || push.give_up_on) AS name;
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- A UUIDv7 (RFC 9562) with microseconds, so that jobs of one session stay in the order in which they were pushed.
    job := lpad(to_hex(micros / 1000), 12, '0') || to_hex(28672 + micros % 1000 * 4096 / 1000)
           || replace(right(gen_random_uuid()::text, 17), '-', '');
    waits := push.unique_key IS NOT NULL AND push.unique_while = 'waiting';
    more := jsonb_strip_nulls(jsonb_build_object(
        'backoff', push.backoff,
        'keep_result', CASE WHEN NOT push.keep_result THEN false END,
        'retry_on', to_jsonb(nullif(push.retry_on, '{}')),
        'give_up_on', to_jsonb(nullif(push.give_up_on, '{}')),
        'unique_while', CASE WHEN waits THEN push.unique_while END,
        'on_conflict', CASE WHEN push.unique_key IS NOT NULL THEN nullif(push.on_conflict, 'existing') END
    ));
    heard := CASE
        WHEN push.notify IS FALSE OR pg_notification_queue_usage() >= 0.5 THEN NULL
        WHEN push.scheduled_at IS NULL THEN 'ready:'
        WHEN push.scheduled_at < clock_timestamp() + interval '1 minute' THEN 'due:'
    END;

    -- Each round that finds neither room nor a holder means that a holder has ended in between.
    FOR round IN 1..20 LOOP
        IF waits THEN
            INSERT INTO {schema}.jobs (
                id, queue, func, priority, max_attempts, scheduled_at, waiting_key, kwargs, meta, limits, options, expires_at, state
            )
            SELECT job, name, push.func, push.priority, push.max_attempts, push.scheduled_at, push.unique_key,
                   nullif(push.kwargs, '{}')::json, nullif(push.meta, '{}')::json, limited, nullif(more, '{}')::json,
                   push.expires_at, CASE WHEN push.scheduled_at > now() THEN 'scheduled' ELSE 'pending' END
            FROM {schema}.queues
            WHERE name = push.queue
              -- A limit, as in insert_waiting.
              AND (
                  SELECT true
                  FROM {schema}.jobs AS other
                  WHERE other.waiting_key = push.unique_key
                    AND (other.claims = 0 OR other.state <> 'running' AND other.cancel_note IS NULL)
                  LIMIT 1
              ) IS NULL
            ON CONFLICT DO NOTHING;
        ELSE
            -- Nothing here reads jobs: a role may push and see nothing of what others have pushed.
            INSERT INTO {schema}.jobs (
                id, queue, func, priority, max_attempts, scheduled_at, unique_key, kwargs, meta, limits, options, expires_at, state
            )
            SELECT job, name, push.func, push.priority, push.max_attempts, push.scheduled_at, push.unique_key,
                   nullif(push.kwargs, '{}')::json, nullif(push.meta, '{}')::json, limited, nullif(more, '{}')::json,
                   push.expires_at, CASE WHEN push.scheduled_at > now() THEN 'scheduled' ELSE 'pending' END
            FROM {schema}.queues
            WHERE name = push.queue
            ON CONFLICT DO NOTHING;
        END IF;
        IF FOUND THEN
            IF heard IS NOT NULL THEN
                PERFORM pg_notify('chancy.' || btrim('{schema}', '"'), heard || push.queue);
            END IF;
            RETURN job;
        END IF;
        IF NOT EXISTS (SELECT FROM {schema}.queues WHERE name = push.queue) THEN
            RAISE EXCEPTION 'Queue % was never declared in schema %.',
                quote_literal(left(push.queue, 80)), quote_literal(btrim('{schema}', '"'))
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = coalesce(
                                 (SELECT 'Declared are: ' || string_agg(name, ', ' ORDER BY name) FROM (
                                     SELECT name FROM {schema}.queues ORDER BY name LIMIT 20
                                 ) AS declared),
                                 'No queue is declared'
                             )
                             || '. To make it: a table [queues.<name>] in chancy.toml, or `chancy queue declare` on the command line.';
        END IF;
        IF waits THEN
            SELECT id, state, queue, state <> 'running' AND cancel_note IS NULL AS replaceable
            INTO held
            FROM {schema}.jobs
            WHERE waiting_key = push.unique_key AND (claims = 0 OR state <> 'running' AND cancel_note IS NULL)
            ORDER BY claims, id
            LIMIT 1;
        ELSE
            SELECT id, state, queue, state <> 'running' AND cancel_note IS NULL AS replaceable
            INTO held
            FROM {schema}.jobs
            WHERE unique_key = push.unique_key AND unique_key IS NOT NULL;
        END IF;
        CONTINUE WHEN NOT FOUND;
        IF push.on_conflict = 'replace' AND held.replaceable THEN
            -- One that was started before begins anew, as in replace_jobs.
            UPDATE {schema}.jobs
            SET queue = push.queue, func = push.func, priority = push.priority, max_attempts = push.max_attempts, attempts = 0,
                scheduled_at = push.scheduled_at, kwargs = nullif(push.kwargs, '{}')::json, meta = nullif(push.meta, '{}')::json,
                limits = limited, options = nullif(more, '{}')::json, expires_at = push.expires_at, progress = NULL, note = NULL,
                state = CASE WHEN push.scheduled_at > now() THEN 'scheduled' ELSE 'pending' END
            WHERE id = held.id AND state <> 'running' AND cancel_note IS NULL;
            CONTINUE WHEN NOT FOUND;
            IF heard IS NOT NULL THEN
                -- Its id is older than what was claimed last.
                heard := CASE WHEN push.scheduled_at > now() THEN 'due:' ELSE 'back:' END;
                PERFORM pg_notify('chancy.' || btrim('{schema}', '"'), heard || push.queue);
            END IF;
            RETURN held.id;
        ELSIF push.on_conflict = 'raise' THEN
            RAISE EXCEPTION 'The unique key % is taken by the job %, which is %, so % was not stored.',
                quote_literal(push.unique_key), held.id, held.state, push.func
                USING ERRCODE = 'unique_violation',
                      HINT = 'on_conflict => ''existing'' returns that job''s id, and ''replace'' replaces it while it waits.';
        ELSIF push.on_conflict = 'replace' THEN
            RAISE EXCEPTION 'The unique key % is taken by the job %, which is %, so it cannot be replaced, and % was not stored.',
                quote_literal(push.unique_key), held.id,
                CASE WHEN held.state = 'running' THEN held.state ELSE held.state || ', and being cancelled' END, push.func
                USING ERRCODE = 'unique_violation',
                      HINT = 'With unique_while => ''waiting'' one may wait while another runs.';
        ELSIF waits THEN
            -- It is not started before the caller's transaction has ended, or it could run without what that writes.
            PERFORM FROM {schema}.jobs WHERE id = held.id AND state <> 'running' FOR SHARE;
            CONTINUE WHEN NOT FOUND;
            -- A claim that has met a locked row has gone past it, and no other notice tells of that.
            IF push.notify IS NOT FALSE AND pg_notification_queue_usage() < 0.5 THEN
                PERFORM pg_notify('chancy.' || btrim('{schema}', '"'), 'back:' || held.queue);
            END IF;
        END IF;
        RETURN held.id;
    END LOOP;
    RAISE EXCEPTION 'The unique key % was taken and free again 20 times in a row while this job was pushed. Push it again.',
        quote_literal(push.unique_key)
        USING ERRCODE = 'serialization_failure';
END
$push$;

COMMENT ON FUNCTION {schema}.push IS 'Push a job, in this transaction. Chancy, push version 1';
