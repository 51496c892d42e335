-- Its rows in the table of commits, as in PostgreSQL: counting them anew took longer with every one of them.
ALTER TABLE bitbucket_server_repositories ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;

UPDATE bitbucket_server_repositories SET commits = (
    SELECT count(*) FROM bitbucket_server_repository_default_branch_commits c
    WHERE c.repository_id = bitbucket_server_repositories.id);
