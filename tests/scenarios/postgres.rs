//! PostgreSQL's own: the schema, who may write it, and what a query may do.

use bitbucket_connector::destination::{ConnectionKey, DatabaseUrl, Destination, Error, query};
use serde_json::json;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::support::page::blocks;
use crate::support::postgres::{Database, PASSWORD_IN_URI, server};

async fn database() -> Database {
    server().await.database().await
}

fn schema(url: DatabaseUrl, name: &str) -> DatabaseUrl {
    url.with_schema(name.parse().unwrap()).unwrap()
}

async fn opened(url: &DatabaseUrl) -> Result<(), Error> {
    Destination::open(url).await.map(drop)
}

/// The message of a fault that waits for a person.
async fn invalid(url: &DatabaseUrl) -> String {
    match opened(url).await {
        Err(Error::Invalid(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Everything that a migration makes.
const CATALOG: &str = "
    SELECT 'column', table_name::text, column_name::text, data_type || ' ' || is_nullable || coalesce(column_default, '')
    FROM information_schema.columns WHERE table_schema = 'bitbucket'
    UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'bitbucket'
    UNION ALL SELECT 'view', viewname, '', definition FROM pg_views WHERE schemaname = 'bitbucket'
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'bitbucket'::regnamespace
    ORDER BY 1, 2, 3, 4";

#[tokio::test]
async fn the_schema_is_made_where_that_is_permitted_and_not_where_it_is_there() {
    let database = database().await;
    // The role owns `bitbucket` and may not make another one.
    opened(&database.url()).await.unwrap();
    let other = schema(database.url(), "other \"one\"");
    assert!(invalid(&other).await.contains("42501"));
    let grant = format!("GRANT CREATE ON DATABASE {} TO {}", database.name, database.role);
    database.admin().await.batch_execute(&grant).await.unwrap();
    opened(&other).await.unwrap();
    let schemas = "SELECT schemaname FROM pg_tables WHERE tablename = 'bitbucket_connections' ORDER BY 1";
    assert_eq!(json!(query(&other, schemas).await.unwrap().rows), json!([["bitbucket"], ["other \"one\""]]));
    // Each has its own rows.
    let key = ConnectionKey { cluster: "c".into(), namespace: "n".into(), name: "a".into(), uid: "1".into() };
    let destination = Destination::open(&other).await.unwrap();
    destination.scope(key, "https://git.example.com".to_owned()).await.unwrap();
    let count = "SELECT count(*) FROM bitbucket_connections";
    assert_eq!(json!(query(&other, count).await.unwrap().rows), json!([[1]]));
    assert_eq!(json!(query(&database.url(), count).await.unwrap().rows), json!([[0]]));
}

#[tokio::test]
async fn many_programs_that_start_at_once_migrate_once() {
    let database = database().await;
    let urls = vec![database.url(); 8];
    for result in futures::future::join_all(urls.iter().map(opened)).await {
        result.unwrap();
    }
    let versions = "SELECT version FROM bitbucket_schema_versions ORDER BY version";
    assert_eq!(json!(query(&database.url(), versions).await.unwrap().rows), json!([[1], [2]]));
}

#[tokio::test]
async fn every_earlier_version_becomes_the_newest_and_keeps_its_rows() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/destination/schema/postgres");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let newest = database().await;
    opened(&newest.url()).await.unwrap();
    let expected = query(&newest.url(), CATALOG).await.unwrap();
    for earlier in 0..=files.len() {
        let database = database().await;
        let admin = database.admin().await;
        admin.batch_execute(&format!("SET ROLE {}", database.role)).await.unwrap();
        let versions = "CREATE TABLE bitbucket_schema_versions (
            version integer PRIMARY KEY, migrated_at timestamptz NOT NULL DEFAULT now())";
        admin.batch_execute(versions).await.unwrap();
        for (number, file) in files[..earlier].iter().enumerate() {
            admin.batch_execute(&std::fs::read_to_string(file).unwrap()).await.unwrap();
            let version = format!("INSERT INTO bitbucket_schema_versions (version) VALUES ({})", number + 1);
            admin.batch_execute(&version).await.unwrap();
        }
        if earlier > 0 {
            // What the first version could hold, all of which every later one must keep.
            admin.batch_execute(ROWS).await.unwrap();
        }
        opened(&database.url()).await.unwrap();
        assert_eq!(query(&database.url(), CATALOG).await.unwrap(), expected, "from version {earlier}");
        let kept = "SELECT c.sha, u.name, r.slug FROM bitbucket_server_repository_default_branch_commits c
                    JOIN bitbucket_server_users u ON u.id = c.author_id
                    JOIN bitbucket_server_repositories r ON r.id = c.repository_id";
        let rows = query(&database.url(), kept).await.unwrap().rows;
        assert_eq!(json!(rows), if earlier > 0 { json!([["1111", "Jane", "api"]]) } else { json!([]) });
    }
}

const ROWS: &str = "
    INSERT INTO bitbucket_connections (cluster, namespace, name, uid, url) VALUES ('c', 'n', 'a', '1', 'https://h');
    INSERT INTO bitbucket_server_instances (normalized_instance_url) VALUES ('https://h');
    INSERT INTO bitbucket_server_projects (source_id, source_url, key, name, public, connection_id, instance_id)
        VALUES (1, 'https://h/projects/P', 'P', 'P', false, 1, 1);
    INSERT INTO bitbucket_server_repositories
        (source_id, project_id, source_url, name, slug, public, connection_id, instance_id)
        VALUES (1, 1, 'https://h/projects/P/repos/api', 'api', 'api', false, 1, 1);
    INSERT INTO bitbucket_server_users (connection_id, instance_id, key, name) VALUES (1, 1, 'name:Jane', 'Jane');
    INSERT INTO bitbucket_server_repository_default_branch_commits (sha, author_id, repository_id, message, parents)
        VALUES ('1111', 1, 1, 'first', '[]');
";

#[tokio::test]
async fn who_must_help_is_told_what_is_wrong() {
    let database = database().await;
    let address = &database.server.address;
    let (role, name) = (&database.role, &database.name);
    let url = |text: String| text.parse::<DatabaseUrl>().unwrap();
    let right = format!("{role}:{PASSWORD_IN_URI}@{address}");
    for (text, says) in [
        (format!("postgres://{role}:wrong-hunter2@{address}/{name}"), "refuses the login"),
        (format!("postgres://{role}@{address}/{name}"), "asks for a password"),
        (format!("postgres://{right}/nothing_{name}"), "3D000"),
        (format!("postgres://{right}/{name}?sslmode=require"), "does not offer TLS"),
        (format!("postgres://{right}/{name}?sslrootcert=/nowhere"), "sslrootcert cannot be read"),
    ] {
        let message = invalid(&url(text)).await;
        assert!(message.contains(says) && !message.contains("hunter2") && !message.contains(address), "{says}");
    }
    opened(&database.url()).await.unwrap();
    let admin = database.admin().await;
    admin.batch_execute("INSERT INTO bitbucket_schema_versions (version) VALUES (99)").await.unwrap();
    assert!(invalid(&database.url()).await.contains("version 99"));
    let undo =
        "DELETE FROM bitbucket_schema_versions WHERE version = 99; REVOKE INSERT ON bitbucket_server_users FROM ";
    admin.batch_execute(&format!("{undo}{role}")).await.unwrap();
    assert!(invalid(&database.url()).await.contains("42501"));
    let odd = format!("CREATE DATABASE latin_{name} TEMPLATE template0 ENCODING 'LATIN1' OWNER {role}");
    database.server.admin("postgres").await.batch_execute(&odd).await.unwrap();
    assert!(invalid(&url(format!("postgres://{right}/latin_{name}"))).await.contains("encoding"));
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let database = database().await;
    let unavailable = async |text: String, says: &str| match opened(&text.parse().unwrap()).await {
        Err(Error::Unavailable(text)) => assert!(text.contains(says), "{text}"),
        other => panic!("{other:?}"),
    };
    unavailable("postgres://u:hunter2@127.0.0.1:1/x".to_owned(), "refuses the connection").await;
    unavailable("postgres://u:hunter2@nowhere.invalid/x".to_owned(), "looked up").await;
    unavailable("postgres://u:hunter2@%2Fnowhere/x".to_owned(), "no such socket").await;
    let read_only = format!("{}?options=-c%20default_transaction_read_only%3Don", database.text());
    unavailable(read_only.clone(), "25006").await;
    opened(&database.url()).await.unwrap();
    unavailable(read_only, "25006").await;
}

#[tokio::test]
async fn a_query_reads_one_statement_and_never_writes() {
    let database = database().await;
    let url = database.url();
    opened(&url).await.unwrap();
    let rows =
        query(&url, "SELECT 1 AS a, true AS b, ARRAY['x', NULL] AS c, to_timestamp(0) AS d, 1 AS a;").await.unwrap();
    assert_eq!(rows.columns, ["a", "b", "c", "d", "a"]);
    assert_eq!(json!(rows.rows), json!([[1, true, ["x", null], "1970-01-01T00:00:00Z", 1]]));
    assert_eq!(json!(query(&url, "SHOW search_path").await.unwrap().rows), json!([["bitbucket"]]));
    for sql in [
        "DELETE FROM bitbucket_connections",
        "DELETE FROM bitbucket_connections RETURNING id",
        "WITH gone AS (DELETE FROM bitbucket_connections RETURNING id) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM bitbucket_connections",
        "CREATE TABLE x (y int)",
        "SELECT nextval('bitbucket_connections_id_seq')",
        "SELECT 1 INTO x",
        "COMMIT",
        "SET TRANSACTION READ WRITE",
        "DO $$ BEGIN DELETE FROM bitbucket_connections; END $$",
        "COPY bitbucket_connections TO '/tmp/x'",
        "COPY bitbucket_connections TO STDOUT",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT 1; SELECT 2",
        "COMMIT; DELETE FROM bitbucket_connections",
        "SELEC 1",
        "",
    ] {
        assert!(query(&url, sql).await.is_err(), "{sql}");
    }
    let Err(Error::Unavailable(text)) = query(&url, "SELECT x").await else { panic!() };
    assert!(text.contains("column \"x\" does not exist"), "{text}");
    let Err(Error::Unavailable(text)) = query(&url, "SELECT lower(1)").await else { panic!() };
    assert!(text.contains("lower(integer) does not exist") && text.contains("explicit type casts"), "{text}");
    let slow = format!("{}?options=-c%20statement_timeout%3D1ms", database.text()).parse().unwrap();
    assert!(query(&slow, "SELECT count(*) FROM generate_series(1, 100000000)").await.is_err());
}

#[tokio::test]
async fn the_roles_of_the_page_write_and_read() {
    let page = include_str!("../../docs/postgresql.md");
    let database = database().await;
    // Roles are those of the whole server.
    let (owner, analyst) = (format!("{}_owner", database.role), format!("{}_analyst", database.role));
    let statements: Vec<_> = blocks(page, "sql")
        .iter()
        .map(|sql| sql.replace("bitbucket_connector", &owner).replace("analyst", &analyst).replace('…', "hunter2"))
        .collect();
    let [for_writer, for_reader] = &statements[..] else { panic!("{statements:?}") };
    let url = |role: &str| format!("postgres://{role}:hunter2@{}/{}", database.server.address, database.name);
    let login = async |role: &str| {
        let (client, connection) = tokio_postgres::connect(&url(role), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    let admin = database.admin().await;
    admin.batch_execute("DROP SCHEMA bitbucket").await.unwrap();
    admin.batch_execute(for_writer).await.unwrap();
    opened(&url(&owner).parse().unwrap()).await.unwrap();
    admin.batch_execute(for_reader).await.unwrap();
    login(&owner).await.batch_execute("CREATE TABLE bitbucket.of_a_later_version ()").await.unwrap();
    let client = login(&analyst).await;
    for table in ["bitbucket_repository_freshness", "of_a_later_version"] {
        client.batch_execute(&format!("SELECT * FROM {table}")).await.unwrap();
    }
    let refused = client.batch_execute("DELETE FROM bitbucket_connections").await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
}
