-- What an operator that stands by was told of pushes, until the one that leads has read it.
CREATE TABLE bitbucket_hints (
    cluster text NOT NULL,
    namespace text NOT NULL,
    name text NOT NULL,
    source_id bigint NOT NULL,
    -- NULL: any
    refs text[],
    PRIMARY KEY (cluster, namespace, name, source_id)
);
COMMENT ON TABLE bitbucket_hints IS 'Pushes that the operator in charge has not heard of yet';
