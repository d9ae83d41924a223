-- operator: how the vectors of a model are indexed, and what its binary codes are signs against. The centre stays what it was when the
-- index was built, whatever becomes of the manifest's mean: index and query must have the same expression.
ALTER TABLE embedding_models
    ADD COLUMN index_kind text NOT NULL DEFAULT 'half' CHECK (index_kind IN ('half', 'binary')),
    ADD COLUMN code_centre real[];
