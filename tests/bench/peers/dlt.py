"""dlt's own source for REST APIs, told about the same endpoints, into DuckDB: the destination that it knows best."""

import os
import sys

# The folder of this file is searched first, and the file has the package's name.
sys.path.pop(0)

import dlt
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from dlt.sources.rest_api import rest_api_source

of_repository = {
    "project": {"type": "resolve", "resource": "repos", "field": "project.key"},
    "slug": {"type": "resolve", "resource": "repos", "field": "slug"},
}
source = rest_api_source(
    {
        "client": {
            "base_url": os.environ["BITBUCKET_URL"] + "/rest/api/1.0/",
            "auth": {
                "type": "http_basic",
                "username": os.environ["BITBUCKET_USERNAME"],
                "password": os.environ["BITBUCKET_PASSWORD"],
            },
            "paginator": JSONResponseCursorPaginator(cursor_path="nextPageStart", cursor_param="start"),
        },
        "resources": [
            {"name": "repos", "endpoint": {"path": "repos", "params": {"limit": 1000}, "data_selector": "values"}},
            {
                "name": "commits",
                "endpoint": {
                    "path": "projects/{project}/repos/{slug}/commits",
                    "params": {"limit": 1000, **of_repository},
                    "data_selector": "values",
                },
                "include_from_parent": ["id"],
                "parallelized": True,
            },
        ],
    }
)
# Parents stay in their commit, as JSON: tables of their own would be more work.
source.max_table_nesting = 0
pipeline = dlt.pipeline(
    pipeline_name="bench", destination=dlt.destinations.duckdb(os.environ["DATABASE"]), dataset_name="bitbucket"
)
pipeline.run(source)
with pipeline.sql_client() as client:
    print(client.execute_sql("SELECT count(*) FROM commits")[0][0])
