-- The secret that the cursors of the stream are sealed with: the same for every API process, and
-- for as long as the journal. 244 of its 256 bits are random, from PostgreSQL's strong source.
ALTER TABLE journal ADD COLUMN cursor_key bytea NOT NULL
    DEFAULT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
    CHECK (length(cursor_key) = 32);
