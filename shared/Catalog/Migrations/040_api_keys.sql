-- Keys for clients beyond loopback. Only the hash of a key is kept.
CREATE TABLE api_keys (
    id          text PRIMARY KEY CHECK (id ~ '^[a-z0-9]{8}$'),
    name        text NOT NULL,
    scopes      text[] NOT NULL CHECK (scopes <@ ARRAY['upload', 'search', 'operate'] AND cardinality(scopes) > 0),
    sha256      bytea NOT NULL CHECK (octet_length(sha256) = 32),
    created_at  timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at  timestamptz
);
