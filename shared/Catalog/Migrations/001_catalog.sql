-- Pictures, the keys they lie under, and what the workers made of them. Each table has one writing service.

CREATE EXTENSION IF NOT EXISTS vector;

-- ingest: one row per distinct content.
CREATE TABLE images (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha256      bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    format      text NOT NULL,
    width       int NOT NULL CHECK (width > 0),
    height      int NOT NULL CHECK (height > 0),
    bytes       bigint NOT NULL CHECK (bytes > 0),
    taken_at    timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX images_created ON images (created_at, id);

-- ingest: every key of the upload bucket that holds a picture; two keys with the same bytes share one image.
CREATE TABLE objects (
    bucket      text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,   -- byte order, as stores list keys
    image_id    bigint NOT NULL REFERENCES images ON DELETE CASCADE,
    etag        text NOT NULL,
    bytes       bigint NOT NULL,
    seen_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, key)
);
CREATE INDEX objects_image ON objects (image_id);
CREATE INDEX objects_key ON objects (key);

-- ingest: objects that are no pictures we take, with the reason that the uploader can ask for.
CREATE TABLE rejections (
    bucket      text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,   -- byte order, as stores list keys
    etag        text NOT NULL,
    code        text NOT NULL,
    reason      text NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, key)
);

-- codec: one bitstream per image, replaced when it is encoded again.
CREATE TABLE bitstreams (
    image_id    bigint PRIMARY KEY REFERENCES images ON DELETE CASCADE,
    model       text NOT NULL,
    quality     real NOT NULL,
    key         text NOT NULL,
    bytes       bigint NOT NULL CHECK (bytes > 0),
    sha256      bytea NOT NULL CHECK (octet_length(sha256) = 32),
    thumbnail_key text NOT NULL,
    encode_ms   real NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- operator: embedding models that are known, and which of them answers queries.
CREATE TABLE embedding_models (
    id          smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,          -- name/version, as in the manifest
    dimensions  int NOT NULL CHECK (dimensions BETWEEN 1 AND 4000),
    mean        real[],                        -- mean vector of the space, for centred binary codes
    state       text NOT NULL DEFAULT 'registered' CHECK (state IN ('registered', 'filling', 'active', 'standby')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    activated_at timestamptz
);
CREATE UNIQUE INDEX embedding_models_one_active ON embedding_models ((true)) WHERE state = 'active';

-- embedder: one vector per image and model. The HNSW index of each model is partial and made when the model is registered.
CREATE TABLE embeddings (
    model_id    smallint NOT NULL REFERENCES embedding_models ON DELETE CASCADE,
    image_id    bigint NOT NULL REFERENCES images ON DELETE CASCADE,
    vector      halfvec NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model_id, image_id)
);
CREATE INDEX embeddings_image ON embeddings (image_id);

-- captioner: one text set per image; regions are the whole picture (region 0) and its crops.
CREATE TABLE captions (
    image_id    bigint NOT NULL REFERENCES images ON DELETE CASCADE,
    region      smallint NOT NULL,
    x real NOT NULL, y real NOT NULL, w real NOT NULL, h real NOT NULL,   -- rectangle as shares of width and height
    captioner   text NOT NULL,                 -- which model wrote it, for instance tagger:lic-adapter/1 or mllm:llava
    prompt_version text NOT NULL,
    tags        text[] NOT NULL,
    caption     text NOT NULL,
    prompt_tokens int NOT NULL DEFAULT 0,
    completion_tokens int NOT NULL DEFAULT 0,
    milliseconds real NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (image_id, region)
);
CREATE INDEX captions_tags ON captions USING gin (tags);

-- ingest: images that are gone but whose ImageRemoved is not yet published (written with the deletion, emptied after publishing).
CREATE TABLE pending_removals (
    image_id    bigint PRIMARY KEY,
    sha256      bytea NOT NULL,
    removed_at  timestamptz NOT NULL DEFAULT now()
);
