//! What a real API server does with the custom resource: defaults, rejections, documentation.

use serde_json::json;

use crate::support::cluster::cluster;
use crate::support::manifests::connection;
use crate::support::until;

#[test]
fn a_minimal_manifest_is_filled_with_the_defaults() {
    let cluster = cluster();
    let namespace = cluster.namespace("crd");
    cluster.apply(&namespace, &connection("a", "https://git.example.com/bitbucket", "s", ""));
    let shown = cluster.kubectl(&["get", "bbc", "a", "-n", &namespace, "-o", "json"], "");
    let object: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(
        object["spec"],
        json!({
            "url": "https://git.example.com/bitbucket",
            "secretRef": {"name": "s"},
            "schedule": "0 * * * *",
            "timeZone": "Etc/UTC",
            "suspend": false,
            "verifyInterval": "10m",
            "timeout": "30s",
            "import": {"mode": "AllowAll", "personalProjects": "Exclude"},
            "limits": {"concurrency": 4},
            "deletionPolicy": "Retain"
        })
    );
    assert_eq!(object["status"], json!({"observedGeneration": -1}));
    let to = ", destination: {secretRef: {name: d}}";
    cluster.apply(&namespace, &connection("b", "https://git.example.com/bitbucket", "s", to));
    let shown = cluster.kubectl(&["get", "bbc", "b", "-n", &namespace, "-o", "jsonpath={.spec.destination}"], "");
    let destination: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(destination, json!({"secretRef": {"name": "d", "key": "uri"}, "schema": "bitbucket"}));
    let table = cluster.kubectl(&["get", "bbc", "-n", &namespace], "").out;
    let columns: Vec<&str> =
        table.lines().next().unwrap().split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
    assert_eq!(columns, ["NAME", "URL", "READY", "REASON", "COMMITS", "LAST SYNC", "AGE"]);
    let selected = cluster.kubectl(&["get", "bbc", "-n", &namespace, "--field-selector", "spec.secretRef.name=s"], "");
    assert!(selected.out.contains("git.example.com"), "{}", selected.err);
}

/// Each rule: what is written, and what the rejection must name.
const REJECTED: [(&str, &str); 37] = [
    (
        "url: 'ftp://git.example.com', secretRef: {name: s}",
        "spec.url: Invalid value: \"ftp://git.example.com\": url must begin with https:// or http://",
    ),
    (
        "url: 'https://u:hunter2@git.example.com', secretRef: {name: s}",
        "url must not contain a user name or password: put them into the Secret",
    ),
    ("url: 'https://git.example.com/?x=1', secretRef: {name: s}", "url must not contain a query or a fragment"),
    ("url: 'https://git.example.com/#x', secretRef: {name: s}", "url must not contain a query or a fragment"),
    ("url: 'https://', secretRef: {name: s}", "url must be a valid URL with a host"),
    ("url: '', secretRef: {name: s}", "spec.url"),
    ("secretRef: {name: s}", "spec.url: Required value"),
    ("url: 'https://g'", "spec.secretRef: Required value"),
    ("url: 'https://g', secretRef: {}", "spec.secretRef.name: Required value"),
    ("url: 'https://g', secretRef: {name: 'Not_A_Name'}", "spec.secretRef.name"),
    ("url: 'https://g', secretRef: {name: ''}", "spec.secretRef.name"),
    ("url: 'https://g', secretRef: {name: s}, schedule: ''", "spec.schedule"),
    ("url: 'https://g', secretRef: {name: s}, timeZone: ''", "spec.timeZone"),
    ("url: 'https://g', secretRef: {name: s}, startingDeadlineSeconds: -1", "spec.startingDeadlineSeconds"),
    ("url: 'https://g', secretRef: {name: s}, suspend: maybe", "spec.suspend"),
    ("url: 'https://g', secretRef: {name: s}, verifyInterval: 59s", "verifyInterval must be at least 1m"),
    ("url: 'https://g', secretRef: {name: s}, verifyInterval: tomorrow", "spec.verifyInterval"),
    ("url: 'https://g', secretRef: {name: s}, verifyInterval: -5m", "spec.verifyInterval"),
    ("url: 'https://g', secretRef: {name: s}, timeout: 100ms", "timeout must be from 1s to 10m"),
    ("url: 'https://g', secretRef: {name: s}, timeout: 11m", "timeout must be from 1s to 10m"),
    ("url: 'https://g', secretRef: {name: s}, import: {mode: Some}", "spec.import.mode"),
    (
        "url: 'https://g', secretRef: {name: s}, import: {mode: Allowlist}",
        "import.mode Allowlist and Denylist need at least one entry",
    ),
    ("url: 'https://g', secretRef: {name: s}, import: {projects: [A]}", "belong to mode Allowlist or Denylist"),
    (
        "url: 'https://g', secretRef: {name: s}, import: {mode: Denylist, repositories: [noslash]}",
        "spec.import.repositories[0]",
    ),
    ("url: 'https://g', secretRef: {name: s}, limits: {concurrency: 17}", "spec.limits.concurrency"),
    ("url: 'https://g', secretRef: {name: s}, limits: {requestsPerSecond: 0}", "spec.limits.requestsPerSecond"),
    ("url: 'https://g', secretRef: {name: s}, limits: {requestsPerSecond: 0.5}", "spec.limits.requestsPerSecond"),
    ("url: 'https://g', secretRef: {name: s}, destination: {}", "spec.destination.secretRef: Required value"),
    (
        "url: 'https://g', secretRef: {name: s}, destination: {secretRef: {}}",
        "spec.destination.secretRef.name: Required value",
    ),
    (
        "url: 'https://g', secretRef: {name: s}, destination: {secretRef: {name: d, key: 'a b'}}",
        "spec.destination.secretRef.key",
    ),
    (
        "url: 'https://g', secretRef: {name: s}, destination: {secretRef: {name: d}, certSecretRef: {name: 'Not_A_Name'}}",
        "spec.destination.certSecretRef.name",
    ),
    (
        "url: 'https://g', secretRef: {name: s}, destination: {secretRef: {name: d}, schema: ''}",
        "spec.destination.schema",
    ),
    (
        "url: 'https://g', secretRef: {name: s}, destination: {secretRef: {name: d}, schema: \"a\\nb\"}",
        "spec.destination.schema",
    ),
    (
        "url: 'https://g', secretRef: {name: s}, destination: {secretRef: {name: d}, schema: pg_x}",
        "schemas whose names begin with pg_",
    ),
    (
        "url: 'https://g', secretRef: {name: s}, destination: {secretRef: {name: d}, uri: 'postgres://u:hunter2@h/a'}",
        "unknown field \"spec.destination.uri\"",
    ),
    ("url: 'https://g', secretRef: {name: s}, deletionPolicy: Orphan", "spec.deletionPolicy"),
    ("url: 'https://g', secretRef: {name: s}, shedule: '0 * * * *'", "unknown field \"spec.shedule\""),
];

#[test]
fn each_kind_of_bad_manifest_is_rejected_by_name() {
    let cluster = cluster();
    let namespace = cluster.namespace("crd");
    for (spec, named) in REJECTED {
        let manifest = format!(
            "apiVersion: bitbucket-connector.dev/v1alpha1\nkind: BitbucketConnection\nmetadata: {{name: bad}}\nspec: {{{spec}}}\n"
        );
        let applied = cluster.kubectl(&["create", "-n", &namespace, "-f", "-"], &manifest);
        assert!(!applied.ok, "what names {named} was accepted");
        assert!(applied.err.contains(named), "it is rejected with: {}\n  which does not name: {named}", applied.err);
    }
}

#[tokio::test]
async fn explain_describes_every_field() {
    let cluster = cluster();
    // The API server describes a CRD a moment after it has established it.
    until("a description", async || cluster.kubectl(&["explain", "bitbucketconnection.spec"], "").ok).await;
    let mut paths = vec!["bitbucketconnection.spec".to_owned(), "bitbucketconnection.status".to_owned()];
    let mut seen = 0;
    while let Some(path) = paths.pop() {
        let explained = cluster.kubectl(&["explain", &path], "");
        assert!(explained.ok, "{path}: {}", explained.err);
        assert!(!explained.out.contains("<no description>"), "{path} has no description:\n{}", explained.out);
        for line in explained.out.lines().skip_while(|line| !line.starts_with("FIELDS:")) {
            let mut words = line.split_whitespace();
            if let (Some(name), Some(kind), true) =
                (words.next(), words.next(), line.starts_with("  ") && !line.starts_with("   "))
            {
                seen += 1;
                if kind.contains("Object") {
                    paths.push(format!("{path}.{name}"));
                }
            }
        }
    }
    assert!(seen > 30, "{seen} fields were seen");
}
