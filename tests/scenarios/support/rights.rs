//! What the chart lets the operator do, and what it has done.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use kube::config::Kubeconfig;
use serde_json::{Value, json};

use super::audit::Audit;
use super::cluster::Cluster;
use super::until;

/// `verb group/resource/subresource`.
pub type Rights = BTreeSet<String>;

/// For operators that look after all namespaces.
pub const EVERYWHERE: [&str; 2] = ["--set", "watch.namespaces=null"];

/// The chart's ServiceAccount, and its rights: in its own namespace only, unless these flags say otherwise.
pub fn manifests(cluster: &Cluster, namespace: &str, more: &[&str]) -> String {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/bitbucket-connector");
    let rendered = Command::new(cluster.line.bin.join("helm"))
        .args(["template", "bitbucket-connector"])
        .arg(chart)
        .args(["--namespace", namespace, "--set"])
        .arg(format!("watch.namespaces={{{namespace}}}"))
        .args(["--show-only", "templates/serviceaccount.yaml", "--show-only", "templates/rbac.yaml"])
        .args(more)
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    String::from_utf8(rendered.stdout).unwrap()
}

/// Makes that ServiceAccount, and a kubeconfig with its token in `folder`.
pub async fn grant(cluster: &'static Cluster, namespace: &str, folder: &Path, more: &[&str]) -> PathBuf {
    let manifests = manifests(cluster, namespace, more);
    cluster.apply(namespace, &manifests);
    let token = cluster.kubectl(&["create", "token", "bitbucket-connector", "-n", namespace], "");
    assert!(token.ok, "{}", token.err);
    let admin = Kubeconfig::read_from(&cluster.line.kubeconfig).unwrap();
    let own = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "own",
        "clusters": [{"name": "own", "cluster": admin.clusters[0].cluster}],
        "users": [{"name": "own", "user": {"token": token.out.trim()}}],
        "contexts": [{"name": "own", "context": {"cluster": "own", "user": "own"}}]
    });
    let path = folder.join("kubeconfig");
    std::fs::write(&path, own.to_string()).unwrap();
    // The API server hears of a new right a moment after it was given.
    let file = path.display().to_string();
    let mut last = vec![vec!["create", "events.events.k8s.io", "-n", namespace], vec!["get", "namespaces/kube-system"]];
    if manifests.contains("leases") {
        last.push(vec!["create", "leases", "-n", namespace]);
    }
    until("the rights are in force", async || {
        last.iter()
            .all(|right| cluster.kubectl(&[&["--kubeconfig", &file, "auth", "can-i"][..], right].concat(), "").ok)
    })
    .await;
    path
}

/// What the rules among these manifests allow.
pub fn granted(manifests: &str) -> Rights {
    let mut rights = Rights::new();
    for document in manifests.split("\n---") {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        for rule in object["rules"].as_array().into_iter().flatten() {
            for verb in texts(&rule["verbs"]) {
                for resource in texts(&rule["resources"]) {
                    rights.extend(texts(&rule["apiGroups"]).iter().map(|group| format!("{verb} {group}/{resource}")));
                }
            }
        }
    }
    rights
}

/// What the ServiceAccount has asked the API server for; and of that, what was refused.
pub fn called(audit: &Audit) -> (Rights, Rights) {
    let (mut called, mut refused) = (Rights::new(), Rights::new());
    for entry in audit.entries() {
        let of = &entry["objectRef"];
        // Only kubectl asks what it may do, in `grant`.
        if of["apiGroup"] == "authorization.k8s.io" || of.is_null() {
            continue;
        }
        let part = |name: &str| of[name].as_str().unwrap_or_default();
        let slash = if part("subresource").is_empty() { "" } else { "/" };
        let verb = entry["verb"].as_str().unwrap();
        let right = format!("{verb} {}/{}{slash}{}", part("apiGroup"), part("resource"), part("subresource"));
        if entry["responseStatus"]["code"] == 403 {
            refused.insert(right.clone());
        }
        called.insert(right);
    }
    (called, refused)
}
