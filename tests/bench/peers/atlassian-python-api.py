"""atlassian-python-api as its users call it: the repositories of each project, the commits of each repository, into SQLite."""

import json
import os
import sqlite3

from atlassian import Bitbucket

bitbucket = Bitbucket(
    url=os.environ["BITBUCKET_URL"], username=os.environ["BITBUCKET_USERNAME"], password=os.environ["BITBUCKET_PASSWORD"]
)
database = sqlite3.connect(os.environ["DATABASE"])
database.executescript(
    """
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE commits (repository TEXT, sha TEXT, author TEXT, email TEXT, created INTEGER, committed INTEGER,
                          message TEXT, parents TEXT, PRIMARY KEY (repository, sha));
    """
)


def rows(name, commits):
    for commit in commits:
        author = commit["author"]
        parents = json.dumps([parent["id"] for parent in commit["parents"]])
        dates = (commit["authorTimestamp"], commit["committerTimestamp"])
        yield (name, commit["id"], author["name"], author.get("emailAddress"), *dates, commit["message"], parents)


for project in list(bitbucket.project_list(limit=1000)):
    for repository in list(bitbucket.repo_list(project["key"], limit=1000)):
        # As large as pages may be; it is the only setting that helps.
        commits = bitbucket.get_commits(project["key"], repository["slug"], limit=1000)
        name = f"{project['key']}/{repository['slug']}"
        with database:
            database.executemany("INSERT OR IGNORE INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows(name, commits))
print(database.execute("SELECT count(*) FROM commits").fetchone()[0])
