"""A declarative source of airbyte-cdk, as its low-code connectors are, told about the same endpoints. Records are read and
counted, and go nowhere: its best case."""

import logging
import os

from airbyte_cdk.models import SyncMode, Type
from airbyte_cdk.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream, DestinationSyncMode
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource

PAGED = {
    "type": "DefaultPaginator",
    "page_token_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "start"},
    "pagination_strategy": {
        "type": "CursorPagination",
        "cursor_value": "{{ response['nextPageStart'] }}",
        "stop_condition": "{{ response['isLastPage'] }}",
    },
}
SCHEMA = {"type": "InlineSchemaLoader", "schema": {"type": "object", "additionalProperties": True, "properties": {}}}


def stream(name, path, router=None):
    retriever = {
        "type": "SimpleRetriever",
        "requester": {
            "type": "HttpRequester",
            "url_base": os.environ["BITBUCKET_URL"] + "/rest/api/1.0",
            "path": path,
            "http_method": "GET",
            "request_parameters": {"limit": "1000"},
            "authenticator": {
                "type": "BasicHttpAuthenticator",
                "username": os.environ["BITBUCKET_USERNAME"],
                "password": os.environ["BITBUCKET_PASSWORD"],
            },
        },
        "record_selector": {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": ["values"]}},
        "paginator": PAGED,
    }
    if router:
        retriever["partition_router"] = router
    return {
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": ["id"],
        "schema_loader": SCHEMA,
        "retriever": retriever,
    }


repositories = stream("repositories", "/repos")
parent = {
    "type": "ParentStreamConfig",
    "stream": repositories,
    "parent_key": "slug",
    "partition_field": "slug",
    "extra_fields": [["project", "key"]],
}
commits = stream(
    "commits",
    "/projects/{{ stream_slice.extra_fields['project.key'] }}/repos/{{ stream_slice.slug }}/commits",
    {"type": "SubstreamPartitionRouter", "parent_stream_configs": [parent]},
)
manifest = {
    "version": "6.0.0",
    "type": "DeclarativeSource",
    "check": {"type": "CheckStream", "stream_names": ["repositories"]},
    "streams": [commits],
    "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
    # As many requests at a time as the others have.
    "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": 4, "max_concurrency": 4},
}
source = ConcurrentDeclarativeSource(config={}, catalog=None, state=None, source_config=manifest)
logger = logging.getLogger("airbyte")
logger.setLevel(logging.ERROR)
found = source.discover(logger, {})
catalog = ConfiguredAirbyteCatalog(
    streams=[
        ConfiguredAirbyteStream(
            stream=one, sync_mode=SyncMode.full_refresh, destination_sync_mode=DestinationSyncMode.overwrite
        )
        for one in found.streams
    ]
)
# With its catalog, it knows what is read, and reads several repositories at a time.
source = ConcurrentDeclarativeSource(config={}, catalog=catalog, state=None, source_config=manifest)
print(sum(1 for message in source.read(logger, {}, catalog) if message.type == Type.RECORD))
