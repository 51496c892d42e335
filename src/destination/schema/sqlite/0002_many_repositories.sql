-- A walk's own rows. Without it, whoever ends a walk reads all that other repositories have stored since the walk
-- began, and nobody else writes meanwhile. Ten bytes a commit.
CREATE INDEX bitbucket_server_commits_repository ON bitbucket_server_repository_default_branch_commits (repository_id);

-- A repository's rows in the table of commits, as in PostgreSQL: counting them anew took longer with every one of them.
ALTER TABLE bitbucket_server_repositories ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;

UPDATE bitbucket_server_repositories SET commits = (
    SELECT count(*) FROM bitbucket_server_repository_default_branch_commits c
    WHERE c.repository_id = bitbucket_server_repositories.id);
