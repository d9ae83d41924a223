-- A database of release 0.1.0 with rows in every table, as pg_dump --inserts writes it. Never changed: upgrades of this release are tried on it.
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;
CREATE FUNCTION public.lexical_apply(image bigint, old_lexemes text[], old_length integer, new_lexemes text[], frequencies integer[], tagged boolean[], new_length integer) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    held text[];
    held_length int;
    fresh boolean;
BEGIN
    INSERT INTO lexical_pending AS p (image_id, merged_length, merged_lexemes, length)
    VALUES (image, old_length, old_lexemes, new_length)
    ON CONFLICT (image_id) DO UPDATE SET length = excluded.length
    RETURNING p.merged_lexemes, p.merged_length, p.xmax = 0 INTO held, held_length, fresh;

    IF NOT fresh THEN
        DELETE FROM lexical_tail t WHERE t.image_id = image AND t.lexeme = ANY (coalesce(old_lexemes, '{}') || coalesce(held, '{}'));
        IF new_length IS NULL AND held_length IS NULL THEN
            DELETE FROM lexical_pending p WHERE p.image_id = image;
            RETURN;
        END IF;
    END IF;

    IF held IS NULL THEN
        INSERT INTO lexical_tail (lexeme, image_id, tf, length, tagged, merged)
        SELECT n.lexeme, image, n.tf, new_length, n.tagged, false
        FROM unnest(new_lexemes, frequencies, lexical_apply.tagged) AS n (lexeme, tf, tagged);
    ELSE
        INSERT INTO lexical_tail (lexeme, image_id, tf, length, tagged, merged)
        SELECT coalesce(n.lexeme, h.lexeme), image, coalesce(n.tf, 0), coalesce(new_length, 0), coalesce(n.tagged, false), h.lexeme IS NOT NULL
        FROM unnest(new_lexemes, frequencies, lexical_apply.tagged) AS n (lexeme, tf, tagged)
        FULL JOIN unnest(held) AS h (lexeme) ON h.lexeme = n.lexeme;
    END IF;
END $$;
CREATE FUNCTION public.lexical_frequency(fields text[], weights integer[]) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT weights[1] * cardinality(array_positions(fields, 'A')) + weights[2] * cardinality(array_positions(fields, 'B'))
         + weights[3] * cardinality(array_positions(fields, 'C')) + weights[4] * cardinality(array_positions(fields, 'D'))
$$;
CREATE FUNCTION public.lexical_removed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM lexical_apply(OLD.image_id, tsvector_to_array(OLD.text), OLD.length, '{}', '{}', '{}', NULL);
    RETURN NULL;
END $$;
CREATE FUNCTION public.lexical_set(image bigint, language regconfig, weights integer[], tags text[], caption text, crops text[], name text) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    new_text tsvector := lexical_text(language, tags, caption, crops, name);
    lexemes text[];
    frequencies int[];
    tagged boolean[];
    new_length int;
    old_text tsvector;
    old_length int;
BEGIN
    SELECT array_agg(u.lexeme), array_agg(u.tf), array_agg(u.tagged), coalesce(sum(u.tf), 0)
    INTO lexemes, frequencies, tagged, new_length
    FROM (SELECT t.lexeme, lexical_frequency(t.weights, lexical_set.weights) AS tf, 'A' = ANY (t.weights) AS tagged FROM unnest(new_text) AS t) AS u;

    LOOP
        SELECT d.text, d.length INTO old_text, old_length FROM lexical_documents d WHERE d.image_id = image FOR UPDATE;
        IF FOUND THEN
            IF old_text = new_text AND old_length = new_length THEN
                RETURN;
            END IF;
            UPDATE lexical_documents d SET text = new_text, length = new_length WHERE d.image_id = image;
            EXIT;
        END IF;
        INSERT INTO lexical_documents (image_id, length, text) VALUES (image, new_length, new_text) ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;

    PERFORM lexical_apply(image, tsvector_to_array(old_text), old_length, coalesce(lexemes, '{}'), coalesce(frequencies, '{}'), coalesce(tagged, '{}'), new_length);
END $$;
CREATE FUNCTION public.lexical_text(language regconfig, tags text[], caption text, crops text[], name text) RETURNS tsvector
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
    gap constant tsvector := '''|'':8';
    result tsvector := '';
    part text;
BEGIN
    FOREACH part IN ARRAY tags LOOP
        result := result || setweight(to_tsvector(language, part), 'A') || gap;
    END LOOP;
    result := result || setweight(to_tsvector(language, caption), 'B') || gap;
    FOREACH part IN ARRAY crops LOOP
        result := result || setweight(to_tsvector(language, part), 'C') || gap;
    END LOOP;
    result := result || setweight(to_tsvector(language, name), 'D');
    RETURN ts_delete(result, '|');
END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.api_keys (
    id text NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    sha256 bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_id_check CHECK ((id ~ '^[a-z0-9]{8}$'::text)),
    CONSTRAINT api_keys_scopes_check CHECK (((scopes <@ ARRAY['upload'::text, 'search'::text, 'operate'::text]) AND (cardinality(scopes) > 0))),
    CONSTRAINT api_keys_sha256_check CHECK ((octet_length(sha256) = 32))
);
CREATE TABLE public.audit_findings (
    id bigint NOT NULL,
    audit_id bigint NOT NULL,
    kind text NOT NULL,
    image_id bigint,
    sha256 bytea,
    bucket text,
    key text,
    model text,
    detail text NOT NULL,
    repaired_at timestamp with time zone,
    repair text
);
ALTER TABLE public.audit_findings ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_findings_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.audits (
    id bigint NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    deep boolean NOT NULL,
    repair boolean NOT NULL,
    grace_seconds integer NOT NULL,
    phase text DEFAULT 'uploads'::text NOT NULL,
    cursor text DEFAULT ''::text NOT NULL,
    checked bigint DEFAULT 0 NOT NULL,
    total bigint DEFAULT 0 NOT NULL,
    error text,
    actor text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT audits_state_check CHECK ((state = ANY (ARRAY['running'::text, 'repairing'::text, 'done'::text, 'cancelled'::text, 'failed'::text])))
);
ALTER TABLE public.audits ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audits_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.bitstreams (
    image_id bigint NOT NULL,
    model text NOT NULL,
    quality real NOT NULL,
    key text NOT NULL,
    bytes bigint NOT NULL,
    sha256 bytea NOT NULL,
    thumbnail_key text NOT NULL,
    encode_ms real NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT bitstreams_bytes_check CHECK ((bytes > 0)),
    CONSTRAINT bitstreams_sha256_check CHECK ((octet_length(sha256) = 32))
);
CREATE TABLE public.captions (
    image_id bigint NOT NULL,
    region smallint NOT NULL,
    x real NOT NULL,
    y real NOT NULL,
    w real NOT NULL,
    h real NOT NULL,
    captioner text NOT NULL,
    prompt_version text NOT NULL,
    tags text[] NOT NULL,
    caption text NOT NULL,
    prompt_tokens integer DEFAULT 0 NOT NULL,
    completion_tokens integer DEFAULT 0 NOT NULL,
    milliseconds real DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.embedding_models (
    id smallint NOT NULL,
    name text NOT NULL,
    dimensions integer NOT NULL,
    mean real[],
    state text DEFAULT 'registered'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    activated_at timestamp with time zone,
    CONSTRAINT embedding_models_dimensions_check CHECK (((dimensions >= 1) AND (dimensions <= 4000))),
    CONSTRAINT embedding_models_state_check CHECK ((state = ANY (ARRAY['registered'::text, 'filling'::text, 'active'::text, 'standby'::text])))
);
ALTER TABLE public.embedding_models ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.embedding_models_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.embeddings (
    model_id smallint NOT NULL,
    image_id bigint NOT NULL,
    vector public.halfvec NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.failed_messages (
    id bigint NOT NULL,
    state text DEFAULT 'failed'::text NOT NULL,
    endpoint text NOT NULL,
    source text NOT NULL,
    message_id text,
    message_type text,
    exception_type text NOT NULL,
    exception_message text NOT NULL,
    stack_trace text NOT NULL,
    first_frame text NOT NULL,
    group_key text NOT NULL,
    transient boolean NOT NULL,
    image_id bigint,
    sha256 bytea,
    bucket text,
    key text,
    trace_id text,
    properties jsonb NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    attempts integer DEFAULT 1 NOT NULL,
    copies integer DEFAULT 1 NOT NULL,
    first_failed_at timestamp with time zone NOT NULL,
    last_failed_at timestamp with time zone NOT NULL,
    next_retry_at timestamp with time zone,
    edited_from bigint,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT failed_messages_state_check CHECK ((state = ANY (ARRAY['failed'::text, 'retrying'::text, 'resolved'::text, 'archived'::text])))
);
ALTER TABLE ONLY public.failed_messages ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE public.failed_messages ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.failed_messages_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.failure_attempts (
    delivery_key bytea NOT NULL,
    failure_id bigint NOT NULL,
    failed_at timestamp with time zone NOT NULL,
    exception_type text NOT NULL,
    exception_message text NOT NULL,
    first_frame text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.failure_notes (
    group_key text NOT NULL,
    note text NOT NULL,
    actor text NOT NULL,
    noted_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.failure_texts (
    failure_id bigint NOT NULL,
    text text NOT NULL
);
CREATE TABLE public.images (
    id bigint NOT NULL,
    sha256 bytea NOT NULL,
    format text NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    bytes bigint NOT NULL,
    taken_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT images_bytes_check CHECK ((bytes > 0)),
    CONSTRAINT images_height_check CHECK ((height > 0)),
    CONSTRAINT images_sha256_check CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT images_width_check CHECK ((width > 0))
);
ALTER TABLE public.images ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.images_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.lexical_blocks (
    lexeme text NOT NULL COLLATE pg_catalog."C",
    block integer NOT NULL,
    data bytea NOT NULL
);
ALTER TABLE ONLY public.lexical_blocks ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE public.lexical_documents (
    image_id bigint NOT NULL,
    length integer NOT NULL,
    text tsvector NOT NULL
);
CREATE TABLE public.lexical_pending (
    image_id bigint NOT NULL,
    merged_length integer,
    merged_lexemes text[],
    length integer,
    since timestamp with time zone DEFAULT now() NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.1');
CREATE TABLE public.lexical_settings (
    one boolean DEFAULT true NOT NULL,
    language text NOT NULL,
    weights integer[] NOT NULL,
    CONSTRAINT lexical_settings_one_check CHECK (one),
    CONSTRAINT lexical_settings_weights_check CHECK ((cardinality(weights) = 4))
);
CREATE TABLE public.lexical_statistics (
    one boolean DEFAULT true NOT NULL,
    documents bigint NOT NULL,
    length bigint NOT NULL,
    CONSTRAINT lexical_statistics_one_check CHECK (one)
);
CREATE TABLE public.lexical_tail (
    lexeme text NOT NULL COLLATE pg_catalog."C",
    image_id bigint NOT NULL,
    tf integer NOT NULL,
    length integer NOT NULL,
    tagged boolean NOT NULL,
    merged boolean NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.1');
CREATE TABLE public.lexical_terms (
    lexeme text NOT NULL COLLATE pg_catalog."C",
    df integer NOT NULL,
    directory bytea NOT NULL,
    open bytea NOT NULL
)
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0.1');
ALTER TABLE ONLY public.lexical_terms ALTER COLUMN directory SET STORAGE EXTERNAL;
ALTER TABLE ONLY public.lexical_terms ALTER COLUMN open SET STORAGE EXTERNAL;
CREATE TABLE public.objects (
    bucket text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    image_id bigint NOT NULL,
    etag text NOT NULL,
    bytes bigint NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.operator_log (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail text DEFAULT ''::text NOT NULL
);
ALTER TABLE public.operator_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.operator_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.operator_settings (
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.pending_removals (
    image_id bigint NOT NULL,
    sha256 bytea NOT NULL,
    removed_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.rejections (
    bucket text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    etag text NOT NULL,
    code text NOT NULL,
    reason text NOT NULL,
    rejected_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.retries (
    id bigint NOT NULL,
    kind text NOT NULL,
    selection text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    rate real,
    batch integer DEFAULT 0 NOT NULL,
    reason text,
    actor text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT retries_kind_check CHECK ((kind = ANY (ARRAY['manual'::text, 'edit'::text, 'automatic'::text]))),
    CONSTRAINT retries_rate_check CHECK ((rate > (0)::double precision)),
    CONSTRAINT retries_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text, 'done'::text, 'stopped'::text, 'cancelled'::text])))
);
ALTER TABLE public.retries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.retries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.retry_items (
    retry_id bigint NOT NULL,
    failure_id bigint NOT NULL,
    batch integer NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    sends integer DEFAULT 0 NOT NULL,
    sent_at timestamp with time zone,
    decided_at timestamp with time zone,
    decided_by text,
    CONSTRAINT retry_items_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'sending'::text, 'sent'::text, 'succeeded'::text, 'failed'::text, 'cancelled'::text])))
);
CREATE TABLE public.schema_migrations (
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.stage_controls (
    queue text NOT NULL,
    paused boolean NOT NULL,
    actor text NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.stage_events (
    message_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    stage text NOT NULL,
    image_id bigint,
    sha256 bytea,
    bucket text,
    key text,
    detail text,
    trace_id text,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.stage_jobs (
    id bigint NOT NULL,
    stage text NOT NULL,
    model text,
    state text DEFAULT 'running'::text NOT NULL,
    rate real NOT NULL,
    sweep integer DEFAULT 1 NOT NULL,
    cursor bigint DEFAULT 0 NOT NULL,
    requested bigint DEFAULT 0 NOT NULL,
    swept_at timestamp with time zone,
    actor text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT stage_jobs_rate_check CHECK ((rate > (0)::double precision)),
    CONSTRAINT stage_jobs_stage_check CHECK ((stage = ANY (ARRAY['encode'::text, 'embed'::text, 'caption'::text]))),
    CONSTRAINT stage_jobs_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text, 'done'::text, 'incomplete'::text, 'cancelled'::text])))
);
ALTER TABLE public.stage_jobs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.stage_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
INSERT INTO public.api_keys VALUES ('abcdefgh', 'nightly import', '{upload}', '\x2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b', '2026-11-25 09:00:00+00', NULL, NULL);
INSERT INTO public.audit_findings OVERRIDING SYSTEM VALUE VALUES (1, 1, 'vector-missing', 1, NULL, NULL, NULL, NULL, 'no vector under other/1', '2026-11-25 12:01:00+00', 'embed was asked for');
INSERT INTO public.audits OVERRIDING SYSTEM VALUE VALUES (1, 'done', true, true, 900, 'texts', '3', 12, 12, NULL, 'timer', '2026-11-25 12:00:00+00', '2026-11-25 12:01:00+00');
INSERT INTO public.bitstreams VALUES (1, 'lic-lot/1', 4, 'bitstreams/2d/2dabd364013897cccceb7b1526cffb689610f8202cff6b4a8c387525982ad437/lic-lot-1-q4.lic', 21001, '\xc05381ba0dfee284b4407ef33ad9c72d4095982a3310fe883c9ef0283028e6d8', 'thumbnails/2dabd364013897cccceb7b1526cffb689610f8202cff6b4a8c387525982ad437.webp', 120.5, '2026-11-25 10:01:00+00');
INSERT INTO public.bitstreams VALUES (2, 'lic-lot/1', 4, 'bitstreams/44/44f53bd737577450478c9be340f9bc77938f17c3df08ccdaf99144425dce9412/lic-lot-1-q4.lic', 21002, '\x525321ac0ce008b2704060802fa98a28e7fd9f065549ebcb0d1fbc8daaa69117', 'thumbnails/44f53bd737577450478c9be340f9bc77938f17c3df08ccdaf99144425dce9412.webp', 120.5, '2026-11-25 10:02:00+00');
INSERT INTO public.bitstreams VALUES (3, 'lic-lot/1', 4, 'bitstreams/84/847afbbaf422d2eb96c14579268ca37fe2ae83744eddc31ead995f0dd3d00974/lic-lot-1-q4.lic', 21003, '\x1db61d93c951577172f37c9583075f7c49a3b4bc2a575a8ddf29662c1d1821b0', 'thumbnails/847afbbaf422d2eb96c14579268ca37fe2ae83744eddc31ead995f0dd3d00974.webp', 120.5, '2026-11-25 10:03:00+00');
INSERT INTO public.captions VALUES (1, 0, 0, 0, 1, 1, 'mllm:llava', 'v1', '{dog,"beach 1"}', 'A dog runs along beach number 1', 800, 40, 900.5, '2026-11-25 10:01:00+00');
INSERT INTO public.captions VALUES (2, 0, 0, 0, 1, 1, 'mllm:llava', 'v1', '{dog,"beach 2"}', 'A dog runs along beach number 2', 800, 40, 900.5, '2026-11-25 10:02:00+00');
INSERT INTO public.captions VALUES (3, 0, 0, 0, 1, 1, 'mllm:llava', 'v1', '{dog,"beach 3"}', 'A dog runs along beach number 3', 800, 40, 900.5, '2026-11-25 10:03:00+00');
INSERT INTO public.captions VALUES (2, 1, 0, 0, 0.6, 0.6, 'mllm:llava', 'v1', '{waves}', 'Waves at night', 400, 20, 500, '2026-11-25 10:02:00+00');
INSERT INTO public.embedding_models OVERRIDING SYSTEM VALUE VALUES (1, 'lic-adapter/1', 4, '{0.1,0.2,0.3,0.4}', 'active', '2026-11-25 09:00:00+00', '2026-11-25 09:00:00+00');
INSERT INTO public.embedding_models OVERRIDING SYSTEM VALUE VALUES (2, 'other/1', 3, NULL, 'standby', '2026-11-25 09:30:00+00', NULL);
INSERT INTO public.embeddings VALUES (1, 1, '[1,0.5,-0.25,1]', '2026-11-25 10:01:00+00');
INSERT INTO public.embeddings VALUES (1, 2, '[2,0.5,-0.25,1]', '2026-11-25 10:02:00+00');
INSERT INTO public.embeddings VALUES (1, 3, '[3,0.5,-0.25,1]', '2026-11-25 10:03:00+00');
INSERT INTO public.embeddings VALUES (2, 1, '[1,0,0]', '2026-11-25 10:01:00+00');
INSERT INTO public.embeddings VALUES (2, 2, '[1,0,0]', '2026-11-25 10:02:00+00');
INSERT INTO public.embeddings VALUES (2, 3, '[1,0,0]', '2026-11-25 10:03:00+00');
INSERT INTO public.failed_messages VALUES (1, 'failed', 'codec', 'codec_error', 'm-failed', 'ImageIngested', 'System.TimeoutException', 'The store did not answer', 'at X', 'X', 'g1', true, 1, '\x148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940', 'images', 'copy of 1.jpg', 'abababababababababababababababab', '{"content_type": "application/vnd.masstransit+json"}', '{"MT-Reason": "fault"}', '\x7b7d', 1, 1, '2026-11-25 11:00:00+00', '2026-11-25 11:01:00+00', NULL, NULL, '2026-11-25 11:02:00+00');
INSERT INTO public.failed_messages VALUES (2, 'archived', 'codec', 'codec_error', 'm-archived', 'ImageIngested', 'System.TimeoutException', 'The store did not answer', 'at X', 'X', 'g1', true, 1, '\x148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940', 'images', 'copy of 1.jpg', 'abababababababababababababababab', '{"content_type": "application/vnd.masstransit+json"}', '{"MT-Reason": "fault"}', '\x7b7d', 1, 1, '2026-11-25 11:00:00+00', '2026-11-25 11:01:00+00', NULL, NULL, '2026-11-25 11:02:00+00');
INSERT INTO public.failure_attempts VALUES ('\x01', 1, '2026-11-25 11:00:00+00', 'System.TimeoutException', 'The store did not answer', 'X', '2026-11-25 11:00:00+00');
INSERT INTO public.failure_notes VALUES ('g1', 'the store was down', 'ann', '2026-11-25 11:10:00+00');
INSERT INTO public.failure_texts VALUES (1, 'codec timeout {}');
INSERT INTO public.failure_texts VALUES (2, 'archived');
INSERT INTO public.images OVERRIDING SYSTEM VALUE VALUES (1, '\x2dabd364013897cccceb7b1526cffb689610f8202cff6b4a8c387525982ad437', 'jpeg', 641, 480, 90001, '2021-07-04 12:00:00+00', '2026-11-25 10:01:00+00');
INSERT INTO public.images OVERRIDING SYSTEM VALUE VALUES (2, '\x44f53bd737577450478c9be340f9bc77938f17c3df08ccdaf99144425dce9412', 'png', 642, 480, 90002, NULL, '2026-11-25 10:02:00+00');
INSERT INTO public.images OVERRIDING SYSTEM VALUE VALUES (3, '\x847afbbaf422d2eb96c14579268ca37fe2ae83744eddc31ead995f0dd3d00974', 'webp', 643, 480, 90003, NULL, '2026-11-25 10:03:00+00');
INSERT INTO public.lexical_blocks VALUES ('old', 0, '\x010203');
INSERT INTO public.lexical_documents VALUES (1, 1500, '''1'':11A,26B,35 ''along'':23B ''beach'':10A,24B ''dog'':1A,21B ''jpg'':37 ''number'':25B ''run'':22B ''us'':36');
INSERT INTO public.lexical_documents VALUES (2, 1500, '''2'':11A,26B,35 ''along'':23B ''beach'':10A,24B ''dog'':1A,21B ''jpg'':37 ''number'':25B ''run'':22B ''us'':36');
INSERT INTO public.lexical_documents VALUES (3, 1500, '''3'':11A,26B,35 ''along'':23B ''beach'':10A,24B ''dog'':1A,21B ''jpg'':37 ''number'':25B ''run'':22B ''us'':36');
INSERT INTO public.lexical_pending VALUES (1, NULL, NULL, 1500, '2026-11-25 18:18:51.68882+00');
INSERT INTO public.lexical_pending VALUES (2, NULL, NULL, 1500, '2026-11-25 18:18:51.68882+00');
INSERT INTO public.lexical_pending VALUES (3, NULL, NULL, 1500, '2026-11-25 18:18:51.68882+00');
INSERT INTO public.lexical_settings VALUES (true, 'english', '{200,100,50,100}');
INSERT INTO public.lexical_statistics VALUES (true, 0, 0);
INSERT INTO public.lexical_tail VALUES ('1', 1, 400, 1500, true, false);
INSERT INTO public.lexical_tail VALUES ('along', 1, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('beach', 1, 300, 1500, true, false);
INSERT INTO public.lexical_tail VALUES ('dog', 1, 300, 1500, true, false);
INSERT INTO public.lexical_tail VALUES ('jpg', 1, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('number', 1, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('run', 1, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('us', 1, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('2', 2, 400, 1500, true, false);
INSERT INTO public.lexical_tail VALUES ('along', 2, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('beach', 2, 300, 1500, true, false);
INSERT INTO public.lexical_tail VALUES ('dog', 2, 300, 1500, true, false);
INSERT INTO public.lexical_tail VALUES ('jpg', 2, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('number', 2, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('run', 2, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('us', 2, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('3', 3, 400, 1500, true, false);
INSERT INTO public.lexical_tail VALUES ('along', 3, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('beach', 3, 300, 1500, true, false);
INSERT INTO public.lexical_tail VALUES ('dog', 3, 300, 1500, true, false);
INSERT INTO public.lexical_tail VALUES ('jpg', 3, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('number', 3, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('run', 3, 100, 1500, false, false);
INSERT INTO public.lexical_tail VALUES ('us', 3, 100, 1500, false, false);
INSERT INTO public.lexical_terms VALUES ('old', 1, '\x', '\x0102');
INSERT INTO public.objects VALUES ('images', 'holiday/1 ü''s.jpg', 1, 'etag1', 90001, '2026-11-25 10:01:00+00');
INSERT INTO public.objects VALUES ('images', 'holiday/2 ü''s.jpg', 2, 'etag2', 90002, '2026-11-25 10:02:00+00');
INSERT INTO public.objects VALUES ('images', 'holiday/3 ü''s.jpg', 3, 'etag3', 90003, '2026-11-25 10:03:00+00');
INSERT INTO public.objects VALUES ('images', 'copy of 1.jpg', 1, 'etag1', 90001, '2026-11-25 10:01:00+00');
INSERT INTO public.operator_log OVERRIDING SYSTEM VALUE VALUES (1, '2026-11-25 11:20:00+00', 'ann', 'pause', 'captioner', '');
INSERT INTO public.operator_settings VALUES ('automatic-retries', 'on');
INSERT INTO public.pending_removals VALUES (99, '\x283bb9deef02e6843abfb538efa1eca70801bd8a701c3f98191e123496339247', '2026-11-25 10:06:00+00');
INSERT INTO public.rejections VALUES ('images', 'drawing.svg', 'e1', 'UnsupportedFormat', 'SVG is not taken.', '2026-11-25 10:05:00+00');
INSERT INTO public.retries OVERRIDING SYSTEM VALUE VALUES (1, 'manual', 'group g1', 'done', NULL, 1, NULL, 'ann', '2026-11-25 11:12:00+00', '2026-11-25 11:13:00+00');
INSERT INTO public.retry_items VALUES (1, 2, 1, 'succeeded', 1, '2026-11-25 11:12:00+00', '2026-11-25 11:13:00+00', 'event');
INSERT INTO public.schema_migrations VALUES ('001_catalog.sql', '2026-11-25 00:00:00+00');
INSERT INTO public.schema_migrations VALUES ('020_lexical.sql', '2026-11-25 00:00:00+00');
INSERT INTO public.schema_migrations VALUES ('030_operator.sql', '2026-11-25 00:00:00+00');
INSERT INTO public.schema_migrations VALUES ('040_api_keys.sql', '2026-11-25 00:00:00+00');
INSERT INTO public.stage_controls VALUES ('captioner', true, 'ann', '2026-11-25 11:20:00+00');
INSERT INTO public.stage_events VALUES ('00000000-0000-0000-0000-000000000001', '2026-11-25 10:01:00+00', 'ingested', 1, '\x148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940', 'images', 'copy of 1.jpg', NULL, 'abababababababababababababababab', '2026-11-25 10:01:00+00');
INSERT INTO public.stage_jobs OVERRIDING SYSTEM VALUE VALUES (1, 'embed', 'other/1', 'done', 50, 1, 3, 3, NULL, 'ann', '2026-11-25 09:40:00+00', NULL);
SELECT pg_catalog.setval('public.audit_findings_id_seq', 1, true);
SELECT pg_catalog.setval('public.audits_id_seq', 1, true);
SELECT pg_catalog.setval('public.embedding_models_id_seq', 2, true);
SELECT pg_catalog.setval('public.failed_messages_id_seq', 2, true);
SELECT pg_catalog.setval('public.images_id_seq', 3, true);
SELECT pg_catalog.setval('public.operator_log_id_seq', 1, true);
SELECT pg_catalog.setval('public.retries_id_seq', 1, true);
SELECT pg_catalog.setval('public.stage_jobs_id_seq', 1, true);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.audit_findings
    ADD CONSTRAINT audit_findings_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.audits
    ADD CONSTRAINT audits_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.bitstreams
    ADD CONSTRAINT bitstreams_pkey PRIMARY KEY (image_id);
ALTER TABLE ONLY public.captions
    ADD CONSTRAINT captions_pkey PRIMARY KEY (image_id, region);
ALTER TABLE ONLY public.embedding_models
    ADD CONSTRAINT embedding_models_name_key UNIQUE (name);
ALTER TABLE ONLY public.embedding_models
    ADD CONSTRAINT embedding_models_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.embeddings
    ADD CONSTRAINT embeddings_pkey PRIMARY KEY (model_id, image_id);
ALTER TABLE ONLY public.failed_messages
    ADD CONSTRAINT failed_messages_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.failure_attempts
    ADD CONSTRAINT failure_attempts_pkey PRIMARY KEY (delivery_key);
ALTER TABLE ONLY public.failure_notes
    ADD CONSTRAINT failure_notes_pkey PRIMARY KEY (group_key);
ALTER TABLE ONLY public.failure_texts
    ADD CONSTRAINT failure_texts_pkey PRIMARY KEY (failure_id);
ALTER TABLE ONLY public.images
    ADD CONSTRAINT images_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.images
    ADD CONSTRAINT images_sha256_key UNIQUE (sha256);
ALTER TABLE ONLY public.lexical_blocks
    ADD CONSTRAINT lexical_blocks_pkey PRIMARY KEY (lexeme, block);
ALTER TABLE ONLY public.lexical_documents
    ADD CONSTRAINT lexical_documents_pkey PRIMARY KEY (image_id);
ALTER TABLE ONLY public.lexical_pending
    ADD CONSTRAINT lexical_pending_pkey PRIMARY KEY (image_id);
ALTER TABLE ONLY public.lexical_settings
    ADD CONSTRAINT lexical_settings_pkey PRIMARY KEY (one);
ALTER TABLE ONLY public.lexical_statistics
    ADD CONSTRAINT lexical_statistics_pkey PRIMARY KEY (one);
ALTER TABLE ONLY public.lexical_tail
    ADD CONSTRAINT lexical_tail_pkey PRIMARY KEY (lexeme, image_id);
ALTER TABLE ONLY public.lexical_terms
    ADD CONSTRAINT lexical_terms_pkey PRIMARY KEY (lexeme);
ALTER TABLE ONLY public.objects
    ADD CONSTRAINT objects_pkey PRIMARY KEY (bucket, key);
ALTER TABLE ONLY public.operator_log
    ADD CONSTRAINT operator_log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.operator_settings
    ADD CONSTRAINT operator_settings_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.pending_removals
    ADD CONSTRAINT pending_removals_pkey PRIMARY KEY (image_id);
ALTER TABLE ONLY public.rejections
    ADD CONSTRAINT rejections_pkey PRIMARY KEY (bucket, key);
ALTER TABLE ONLY public.retries
    ADD CONSTRAINT retries_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.retry_items
    ADD CONSTRAINT retry_items_pkey PRIMARY KEY (retry_id, failure_id);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.stage_controls
    ADD CONSTRAINT stage_controls_pkey PRIMARY KEY (queue);
ALTER TABLE ONLY public.stage_events
    ADD CONSTRAINT stage_events_pkey PRIMARY KEY (message_id);
ALTER TABLE ONLY public.stage_jobs
    ADD CONSTRAINT stage_jobs_pkey PRIMARY KEY (id);
CREATE INDEX audit_findings_kind ON public.audit_findings USING btree (audit_id, kind, id);
CREATE INDEX audit_findings_open ON public.audit_findings USING btree (audit_id, id) WHERE (repaired_at IS NULL);
CREATE INDEX audits_open ON public.audits USING btree (id) WHERE (state = ANY (ARRAY['running'::text, 'repairing'::text]));
CREATE INDEX bitstreams_key ON public.bitstreams USING btree (key COLLATE "C");
CREATE INDEX captions_tags ON public.captions USING gin (tags);
CREATE UNIQUE INDEX embedding_models_one_active ON public.embedding_models USING btree ((true)) WHERE (state = 'active'::text);
CREATE INDEX embeddings_hnsw_1 ON public.embeddings USING hnsw (((vector)::public.halfvec(4)) public.halfvec_cosine_ops) WITH (m='16', ef_construction='128') WHERE (model_id = 1);
CREATE INDEX embeddings_image ON public.embeddings USING btree (image_id);
CREATE INDEX failed_messages_due ON public.failed_messages USING btree (next_retry_at) WHERE ((next_retry_at IS NOT NULL) AND (state = 'failed'::text));
CREATE INDEX failed_messages_group ON public.failed_messages USING btree (group_key, last_failed_at DESC);
CREATE INDEX failed_messages_image ON public.failed_messages USING btree (image_id) WHERE (image_id IS NOT NULL);
CREATE INDEX failed_messages_key ON public.failed_messages USING btree (key text_pattern_ops) WHERE (key IS NOT NULL);
CREATE INDEX failed_messages_recent ON public.failed_messages USING btree (state, last_failed_at DESC, id DESC);
CREATE INDEX failed_messages_sha256 ON public.failed_messages USING btree (sha256) WHERE (sha256 IS NOT NULL);
CREATE INDEX failure_attempts_failure ON public.failure_attempts USING btree (failure_id, failed_at);
CREATE INDEX failure_attempts_time ON public.failure_attempts USING btree (failed_at);
CREATE INDEX failure_texts_trigrams ON public.failure_texts USING gin (text public.gin_trgm_ops);
CREATE INDEX images_created ON public.images USING btree (created_at, id);
CREATE INDEX objects_image ON public.objects USING btree (image_id);
CREATE INDEX objects_key ON public.objects USING btree (key);
CREATE INDEX objects_key_bytes ON public.objects USING btree (bucket, key);
CREATE INDEX retries_open ON public.retries USING btree (id) WHERE (state = 'running'::text);
CREATE INDEX retry_items_failure ON public.retry_items USING btree (failure_id);
CREATE UNIQUE INDEX retry_items_one_open ON public.retry_items USING btree (failure_id) WHERE (state = ANY (ARRAY['pending'::text, 'sending'::text, 'sent'::text]));
CREATE INDEX retry_items_open ON public.retry_items USING btree (retry_id, batch, state);
CREATE INDEX stage_events_image ON public.stage_events USING btree (image_id, at) WHERE (image_id IS NOT NULL);
CREATE INDEX stage_events_key ON public.stage_events USING btree (key, at) WHERE (key IS NOT NULL);
CREATE INDEX stage_events_sha256 ON public.stage_events USING btree (sha256) WHERE (sha256 IS NOT NULL);
CREATE INDEX stage_events_stage ON public.stage_events USING btree (stage, at);
CREATE INDEX stage_jobs_open ON public.stage_jobs USING btree (id) WHERE (state = 'running'::text);
CREATE TRIGGER lexical_removed AFTER DELETE ON public.lexical_documents FOR EACH ROW EXECUTE FUNCTION public.lexical_removed();
ALTER TABLE ONLY public.audit_findings
    ADD CONSTRAINT audit_findings_audit_id_fkey FOREIGN KEY (audit_id) REFERENCES public.audits(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.bitstreams
    ADD CONSTRAINT bitstreams_image_id_fkey FOREIGN KEY (image_id) REFERENCES public.images(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.captions
    ADD CONSTRAINT captions_image_id_fkey FOREIGN KEY (image_id) REFERENCES public.images(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.embeddings
    ADD CONSTRAINT embeddings_image_id_fkey FOREIGN KEY (image_id) REFERENCES public.images(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.embeddings
    ADD CONSTRAINT embeddings_model_id_fkey FOREIGN KEY (model_id) REFERENCES public.embedding_models(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.failed_messages
    ADD CONSTRAINT failed_messages_edited_from_fkey FOREIGN KEY (edited_from) REFERENCES public.failed_messages(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.failure_attempts
    ADD CONSTRAINT failure_attempts_failure_id_fkey FOREIGN KEY (failure_id) REFERENCES public.failed_messages(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.failure_texts
    ADD CONSTRAINT failure_texts_failure_id_fkey FOREIGN KEY (failure_id) REFERENCES public.failed_messages(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.lexical_documents
    ADD CONSTRAINT lexical_documents_image_id_fkey FOREIGN KEY (image_id) REFERENCES public.images(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.objects
    ADD CONSTRAINT objects_image_id_fkey FOREIGN KEY (image_id) REFERENCES public.images(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.retry_items
    ADD CONSTRAINT retry_items_failure_id_fkey FOREIGN KEY (failure_id) REFERENCES public.failed_messages(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.retry_items
    ADD CONSTRAINT retry_items_retry_id_fkey FOREIGN KEY (retry_id) REFERENCES public.retries(id) ON DELETE CASCADE;
