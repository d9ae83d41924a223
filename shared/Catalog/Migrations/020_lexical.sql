-- The BM25 index: closed and open posting blocks made by the merger, and a tail of postings that writers add in their own
-- transactions. docs/bm25.md gives the formula and the layout.

-- What the postings were made with; other field weights need a rebuild, another language new documents.
CREATE TABLE lexical_settings (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    language    text NOT NULL,
    weights     int[] NOT NULL CHECK (cardinality(weights) = 4)   -- tags, caption, crop captions, name; hundredths
);

-- captioner: one row per indexed image. Positions carry the field as a weight: A tags, B caption, C crop captions, D name.
CREATE TABLE lexical_documents (
    image_id    bigint PRIMARY KEY REFERENCES images ON DELETE CASCADE,
    length      int NOT NULL,                  -- weighted length in units of the settings
    text        tsvector NOT NULL
);

-- merger: totals over what the blocks hold.
CREATE TABLE lexical_statistics (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    documents   bigint NOT NULL,
    length      bigint NOT NULL
);
INSERT INTO lexical_statistics (documents, length) VALUES (0, 0);

-- merger: one row per lexeme. The directory lists the closed blocks (id range, count, score frontier), the open block is the last one.
CREATE TABLE lexical_terms (
    lexeme      text COLLATE "C" PRIMARY KEY,
    df          int NOT NULL,
    directory   bytea NOT NULL,
    open        bytea NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.1);
ALTER TABLE lexical_terms ALTER directory SET STORAGE EXTERNAL, ALTER open SET STORAGE EXTERNAL;

CREATE TABLE lexical_blocks (
    lexeme      text COLLATE "C",
    block       int,
    data        bytea NOT NULL,
    PRIMARY KEY (lexeme, block)
);
ALTER TABLE lexical_blocks ALTER data SET STORAGE EXTERNAL;

-- One row per image whose postings the blocks do not hold in their present state: what the blocks hold (merged_*, null: nothing)
-- and the present length (null: removed). Locking this row is how writer and merger keep apart.
CREATE TABLE lexical_pending (
    image_id    bigint PRIMARY KEY,
    merged_length int,
    merged_lexemes text[],
    length      int,
    since       timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.1);

-- Postings of pending images; they override the blocks. tf 0: the blocks hold this posting (merged), but it is gone.
CREATE TABLE lexical_tail (
    lexeme      text COLLATE "C",
    image_id    bigint,
    tf          int NOT NULL,
    length      int NOT NULL,
    tagged      boolean NOT NULL,
    merged      boolean NOT NULL,
    PRIMARY KEY (lexeme, image_id)
) WITH (autovacuum_vacuum_scale_factor = 0.1);

-- The four fields as one tsvector. A gap of eight positions keeps phrases from matching across fields, tags and crops.
CREATE FUNCTION lexical_text(language regconfig, tags text[], caption text, crops text[], name text) RETURNS tsvector
LANGUAGE plpgsql STABLE AS $$
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

-- Weighted frequency of a lexeme from the weights of its positions.
CREATE FUNCTION lexical_frequency(fields text[], weights int[]) RETURNS int
LANGUAGE sql IMMUTABLE AS $$
    SELECT weights[1] * cardinality(array_positions(fields, 'A')) + weights[2] * cardinality(array_positions(fields, 'B'))
         + weights[3] * cardinality(array_positions(fields, 'C')) + weights[4] * cardinality(array_positions(fields, 'D'))
$$;

-- Puts the change of one document into the tail. The caller holds the lock on its row of lexical_documents, so that without a
-- pending row the old lexemes are exactly what the blocks hold.
CREATE FUNCTION lexical_apply(image bigint, old_lexemes text[], old_length int, new_lexemes text[], frequencies int[], tagged boolean[], new_length int)
RETURNS void LANGUAGE plpgsql AS $$
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

CREATE FUNCTION lexical_set(image bigint, language regconfig, weights int[], tags text[], caption text, crops text[], name text)
RETURNS void LANGUAGE plpgsql AS $$
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

-- Also runs when the image itself goes, by the cascade.
CREATE FUNCTION lexical_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lexical_apply(OLD.image_id, tsvector_to_array(OLD.text), OLD.length, '{}', '{}', '{}', NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER lexical_removed AFTER DELETE ON lexical_documents FOR EACH ROW EXECUTE FUNCTION lexical_removed();
