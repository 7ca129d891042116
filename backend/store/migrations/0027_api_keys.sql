-- The keys of clients. A key is shown once, when it is made: its SHA-256 is stored. A key has 192 random
-- bits, which nobody guesses, however fast the hash is; a password hash would only make each request slow.

CREATE TABLE api_keys (
    id           text PRIMARY KEY,  -- the beginning of the key, which people know it by
    key_hash     bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    owner        text NOT NULL CHECK (owner <> ''),
    scopes       text[] NOT NULL CHECK (
        cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'trade', 'cancel', 'admin']
    ),
    networks     cidr[] NOT NULL DEFAULT '{}',  -- empty: from anywhere
    signing      text CHECK (signing IN ('hmac-sha256', 'ed25519')),  -- NULL: the key itself is shown
    public_key   bytea CHECK (octet_length(public_key) = 32),
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    replaced_by  text REFERENCES api_keys,
    last_used_at timestamptz,
    CHECK ((public_key IS NOT NULL) = (signing IS NOT DISTINCT FROM 'ed25519'))
);

-- A number that every change of a key raises in its transaction, whoever makes it: processes that have
-- the table in memory compare it. It is 0 as long as there has never been a key.
CREATE TABLE api_keys_version (
    version bigint NOT NULL
);

INSERT INTO api_keys_version VALUES (0);

CREATE FUNCTION raise_api_keys_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE api_keys_version SET version = version + 1;
    RETURN NULL;
END $$;

CREATE TRIGGER api_keys_changed
    AFTER INSERT OR DELETE OR TRUNCATE
       OR UPDATE OF key_hash, owner, scopes, networks, signing, public_key, expires_at, revoked_at
    ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION raise_api_keys_version();
