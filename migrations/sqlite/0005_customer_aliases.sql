-- External ids that customers had before, so that usage which was recorded under them still counts. None of them is a
-- unique claim: whoever has an external id now has it.
CREATE TABLE customer_aliases (
    key INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (scope),
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL CHECK (customer_id <> ''),
    external_id TEXT NOT NULL CHECK (external_id <> ''),
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL
);
CREATE INDEX customer_aliases_external_id ON customer_aliases (scope, external_id, valid_to, id);
CREATE INDEX customer_aliases_by_customer ON customer_aliases (scope, customer_id, valid_to, id);
