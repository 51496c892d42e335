-- DX's tables and columns; what stands below "ours" in each table is not DX's.

CREATE TABLE bitbucket_connections (
    id INTEGER PRIMARY KEY,
    cluster TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    url TEXT NOT NULL,
    UNIQUE (cluster, namespace, name)
);

CREATE TABLE bitbucket_server_instances (
    id INTEGER PRIMARY KEY,
    normalized_instance_url TEXT NOT NULL UNIQUE
);

CREATE TABLE bitbucket_server_projects (
    id INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL,
    source_url TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    public BOOLEAN NOT NULL,
    connection_id INTEGER NOT NULL REFERENCES bitbucket_connections (id),
    api_accessible BOOLEAN NOT NULL DEFAULT TRUE,
    -- ours
    instance_id INTEGER NOT NULL REFERENCES bitbucket_server_instances (id),
    UNIQUE (connection_id, instance_id, source_id)
);

CREATE TABLE bitbucket_server_repositories (
    id INTEGER PRIMARY KEY,
    source_id INTEGER NOT NULL,
    project_id INTEGER NOT NULL REFERENCES bitbucket_server_projects (id),
    source_url TEXT NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    description TEXT,
    public BOOLEAN NOT NULL,
    default_branch TEXT,
    default_branch_commits_sync_to TEXT,
    default_branch_commits_page_start INTEGER,
    commits_synced_at TEXT,
    api_accessible BOOLEAN NOT NULL DEFAULT TRUE,
    allowlisted BOOLEAN NOT NULL DEFAULT TRUE,
    archived BOOLEAN NOT NULL DEFAULT FALSE,
    -- ours
    connection_id INTEGER NOT NULL REFERENCES bitbucket_connections (id),
    instance_id INTEGER NOT NULL REFERENCES bitbucket_server_instances (id),
    -- new, synced, empty or no_default_branch
    state TEXT NOT NULL DEFAULT 'new',
    -- the commit that the stored set belongs to
    head TEXT,
    -- the checkpoint of the walk under way; all NULL while there is none
    walk_target TEXT,
    walk_since TEXT,
    walk_after_id INTEGER,
    walk_closed_id INTEGER,
    -- whether the last finished listing showed it
    listed BOOLEAN NOT NULL DEFAULT TRUE,
    -- why the last run left it behind; NULL where it did not
    failure TEXT,
    UNIQUE (connection_id, instance_id, source_id)
);

CREATE TABLE bitbucket_server_users (
    id INTEGER PRIMARY KEY,
    source_id INTEGER,
    connection_id INTEGER NOT NULL REFERENCES bitbucket_connections (id),
    source_url TEXT,
    name TEXT,
    email TEXT,
    created_at TEXT,
    active BOOLEAN,
    bot BOOLEAN NOT NULL DEFAULT FALSE,
    type TEXT NOT NULL DEFAULT 'human',
    -- ours
    instance_id INTEGER NOT NULL REFERENCES bitbucket_server_instances (id),
    -- 'id:' and the account's id, or 'mail:' and the lower-case mail, or 'name:' and the name
    key TEXT NOT NULL,
    UNIQUE (connection_id, instance_id, key)
);

CREATE TABLE bitbucket_server_repository_default_branch_commits (
    -- AUTOINCREMENT: a row of a walk always has a higher id than every row before the walk, whatever was deleted
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sha TEXT NOT NULL,
    author_id INTEGER REFERENCES bitbucket_server_users (id),
    repository_id INTEGER NOT NULL REFERENCES bitbucket_server_repositories (id),
    created TEXT,
    message TEXT NOT NULL,
    -- ours
    parents TEXT NOT NULL,
    committed TEXT,
    author_name TEXT,
    author_email TEXT,
    UNIQUE (repository_id, sha)
);

CREATE INDEX bitbucket_server_repositories_project ON bitbucket_server_repositories (project_id);
CREATE INDEX bitbucket_server_commits_author ON bitbucket_server_repository_default_branch_commits (author_id);

-- When a run last looked at a repository. Apart from the repositories, so that a check that finds nothing new
-- rewrites none of them.
CREATE TABLE bitbucket_sync_runs (
    connection_id INTEGER NOT NULL REFERENCES bitbucket_connections (id),
    instance_id INTEGER NOT NULL REFERENCES bitbucket_server_instances (id),
    checked_at TEXT NOT NULL,
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
