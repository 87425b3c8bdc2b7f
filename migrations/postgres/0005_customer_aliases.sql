-- oldest_reader: 3
-- External ids that customers had before, so that usage which was recorded under them still counts. None of them is a
-- unique claim: whoever has an external id now has it.
CREATE TABLE customer_aliases (
    scope bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    customer_id text COLLATE "C" NOT NULL CHECK (customer_id <> ''),
    external_id text COLLATE "C" NOT NULL CHECK (external_id <> ''),
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL,
    PRIMARY KEY (scope, id)
);
CREATE INDEX customer_aliases_external_id ON customer_aliases (scope, external_id, valid_to, id);
CREATE INDEX customer_aliases_by_customer ON customer_aliases (scope, customer_id, valid_to, id);
