-- How long the lease of the holder is, in seconds: it never lies further ahead than that, unless the clock was set back.
-- NULL: nobody has said so yet; then it is taken to be as long as that of whoever looks.
ALTER TABLE {schema}.leadership ADD COLUMN lease_s double precision;
