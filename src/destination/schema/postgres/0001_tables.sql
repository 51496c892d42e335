-- DX's tables and columns; what stands below "ours" in each table is not DX's. The same as in SQLite, with PostgreSQL's
-- types.

CREATE TABLE bitbucket_connections (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster text NOT NULL,
    namespace text NOT NULL,
    name text NOT NULL,
    uid text NOT NULL,
    url text NOT NULL,
    UNIQUE (cluster, namespace, name)
);

CREATE TABLE bitbucket_server_instances (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    normalized_instance_url text NOT NULL UNIQUE
);

CREATE TABLE bitbucket_server_projects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id bigint NOT NULL,
    source_url text NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    description text,
    public boolean NOT NULL,
    connection_id bigint NOT NULL REFERENCES bitbucket_connections (id),
    api_accessible boolean NOT NULL DEFAULT TRUE,
    -- ours
    instance_id bigint NOT NULL REFERENCES bitbucket_server_instances (id),
    UNIQUE (connection_id, instance_id, source_id)
);

CREATE TABLE bitbucket_server_repositories (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id bigint NOT NULL,
    project_id bigint NOT NULL REFERENCES bitbucket_server_projects (id),
    source_url text NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    description text,
    public boolean NOT NULL,
    default_branch text,
    default_branch_commits_sync_to timestamptz,
    default_branch_commits_page_start bigint,
    commits_synced_at timestamptz,
    api_accessible boolean NOT NULL DEFAULT TRUE,
    allowlisted boolean NOT NULL DEFAULT TRUE,
    archived boolean NOT NULL DEFAULT FALSE,
    -- ours
    connection_id bigint NOT NULL REFERENCES bitbucket_connections (id),
    instance_id bigint NOT NULL REFERENCES bitbucket_server_instances (id),
    -- new, synced, empty or no_default_branch
    state text NOT NULL DEFAULT 'new',
    -- the commit that the stored set belongs to
    head text COLLATE "C",
    -- the checkpoint of the walk under way; all NULL while there is none
    walk_target text COLLATE "C",
    walk_since text COLLATE "C",
    walk_after_id bigint,
    walk_closed_id bigint,
    -- whether the last finished listing showed it
    listed boolean NOT NULL DEFAULT TRUE,
    -- why the last run left it behind; NULL where it did not
    failure text,
    -- its rows in the table of commits: PostgreSQL would have to visit each of them to count
    commits bigint NOT NULL DEFAULT 0,
    UNIQUE (connection_id, instance_id, source_id)
) WITH (fillfactor = 70); -- every page of a walk updates its repository's row, which is cheap where there is room beside it

CREATE TABLE bitbucket_server_users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id bigint,
    connection_id bigint NOT NULL REFERENCES bitbucket_connections (id),
    source_url text,
    name text,
    email text,
    created_at timestamptz,
    active boolean,
    bot boolean NOT NULL DEFAULT FALSE,
    type text NOT NULL DEFAULT 'human',
    -- ours
    instance_id bigint NOT NULL REFERENCES bitbucket_server_instances (id),
    -- 'id:' and the account's id, or 'mail:' and the lower-case mail, or 'name:' and the name
    key text COLLATE "C" NOT NULL,
    UNIQUE (connection_id, instance_id, key)
);

-- Ids and keys are compared byte by byte (COLLATE "C"): that is faster, and no new version of a locale spoils the index.
CREATE TABLE bitbucket_server_repository_default_branch_commits (
    -- one at a time (CACHE 1): a row of a walk always has a higher id than every row of its repository before the walk
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    sha text COLLATE "C" NOT NULL,
    author_id bigint REFERENCES bitbucket_server_users (id),
    repository_id bigint NOT NULL REFERENCES bitbucket_server_repositories (id),
    created timestamptz,
    message text NOT NULL,
    -- ours
    parents jsonb NOT NULL,
    committed timestamptz,
    author_name text,
    author_email text,
    UNIQUE (repository_id, sha)
);

CREATE INDEX bitbucket_server_repositories_project ON bitbucket_server_repositories (project_id);
CREATE INDEX bitbucket_server_commits_author ON bitbucket_server_repository_default_branch_commits (author_id);

-- When a run last looked at a repository. Apart from the repositories, so that a check that finds nothing new
-- rewrites none of them.
CREATE TABLE bitbucket_sync_runs (
    connection_id bigint NOT NULL REFERENCES bitbucket_connections (id),
    instance_id bigint NOT NULL REFERENCES bitbucket_server_instances (id),
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (connection_id, instance_id)
);

CREATE VIEW bitbucket_repository_freshness AS
SELECT r.id AS repository_id, p.key || '/' || r.slug AS repository, r.state, r.head,
       r.head IS NOT NULL AND r.default_branch_commits_page_start IS NULL AS complete,
       r.commits_synced_at, r.failure,
       CASE WHEN r.listed AND r.api_accessible AND r.allowlisted AND r.failure IS NULL THEN c.checked_at END AS checked_at
FROM bitbucket_server_repositories r
JOIN bitbucket_server_projects p ON p.id = r.project_id
LEFT JOIN bitbucket_sync_runs c ON c.connection_id = r.connection_id AND c.instance_id = r.instance_id;

COMMENT ON TABLE bitbucket_connections IS 'BitbucketConnection objects of clusters, and names given to the sync command';
COMMENT ON TABLE bitbucket_server_instances IS 'Bitbucket Data Centers';
COMMENT ON TABLE bitbucket_server_projects IS 'Projects, as last listed';
COMMENT ON TABLE bitbucket_server_repositories IS 'Repositories, as last listed, and how far their commits are read';
COMMENT ON TABLE bitbucket_server_users IS 'Authors: accounts, and people whom Bitbucket has no account for';
COMMENT ON TABLE bitbucket_server_repository_default_branch_commits IS
    'Commits of default branches; complete where bitbucket_repository_freshness says so';
COMMENT ON TABLE bitbucket_sync_runs IS 'When a whole run last ended';
COMMENT ON VIEW bitbucket_repository_freshness IS
    'Per repository: whether its commits are complete, when they last changed, and when they were last checked';
COMMENT ON COLUMN bitbucket_server_repositories.default_branch_commits_sync_to IS 'When the stored head was committed';
COMMENT ON COLUMN bitbucket_server_repositories.default_branch_commits_page_start IS
    'Where a walk under way goes on; NULL where the set is complete';
COMMENT ON COLUMN bitbucket_server_repositories.commits_synced_at IS 'When the set of commits last changed';
COMMENT ON COLUMN bitbucket_server_repositories.commits IS 'How many commits are stored';
COMMENT ON COLUMN bitbucket_server_repository_default_branch_commits.created IS 'When it was written: the author''s time';
COMMENT ON COLUMN bitbucket_server_repository_default_branch_commits.committed IS 'When it was committed';
COMMENT ON COLUMN bitbucket_server_repository_default_branch_commits.parents IS 'Array of the parents'' ids';
