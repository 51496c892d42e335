//! `report`: what somebody needs who helps, and nothing that they should not see.

use std::fmt::Write;
use std::process::ExitCode;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt};

use super::cluster::{Cluster, ClusterArgs, told};
use super::redact::{Redaction, without_userinfo};
use super::shown::say;
use crate::api::BitbucketConnection;
use crate::cli::Failure;
use crate::kubernetes::{Error, Guarded, within};

/// Of each Pod of the operator.
const LOG_LINES: i64 = 2000;
/// By which the chart's objects are found.
pub(super) const OPERATOR: &str = "app.kubernetes.io/name=bitbucket-connector";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only these connections [default: all of the namespace]
    names: Vec<String>,
    /// Leave hosts, names of users, projects and repositories as they are
    #[arg(long)]
    no_redaction: bool,
}

/// Prints it. What may not be read is named, and left out.
pub(super) async fn run(cluster: &ClusterArgs, args: Args) -> Result<ExitCode, Failure> {
    let cluster = cluster.connect().await?;
    let all: Api<Guarded> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let listed = within(all.list(&ListParams::default())).await.map_err(|error| told(&error))?.items;
    if let Some(name) = args.names.iter().find(|name| !listed.iter().any(|one| one.name_any() == **name)) {
        return Err(Failure::Other(format!(
            "there is no BitbucketConnection {name} in namespace {}",
            cluster.namespace
        )));
    }
    let chosen = listed.into_iter().filter(|one| args.names.is_empty() || args.names.contains(&one.name_any()));
    let (mut objects, mut unreadable) = (Vec::new(), String::new());
    for object in chosen {
        let name = object.name_any();
        match object.0 {
            Ok(object) => objects.push(object),
            Err(invalid) => {
                let _ = writeln!(unreadable, "{name} cannot be understood: {}", invalid.error);
            }
        }
    }
    let version = within(cluster.client.apiserver_version()).await;
    let version = version.map_or_else(|error| error.to_string(), |version| version.git_version);
    let mut text = format!(
        "bitbucket-connector report\nkubectl-bitbucket {}\nAPI server {version}\n{unreadable}",
        env!("CARGO_PKG_VERSION")
    );
    for object in &objects {
        let mut object = object.clone();
        object.metadata.managed_fields = None;
        object.metadata.annotations = None;
        let yaml = serde_saphyr::to_string(&object).map_err(|error| Failure::Other(error.to_string()))?;
        section(&mut text, "BitbucketConnection", yaml);
    }
    section(&mut text, "Events", events(&cluster, &objects).await.unwrap_or_else(not_read));
    section(&mut text, "Operator", operators(&cluster).await.unwrap_or_else(not_read));
    section(&mut text, "Log", logs(&cluster, &objects).await.unwrap_or_else(not_read));
    // Of nobody, whether or not names are left.
    let text = without_userinfo(&text);
    let redaction = if args.no_redaction { Redaction::none() } else { Redaction::of(&objects, &text) };
    say(redaction.apply(&text))?;
    eprintln!("Look through it before you send it: names in unusual places may still be there. No Secret was read.");
    Ok(ExitCode::SUCCESS)
}

fn section(text: &mut String, title: &str, body: impl AsRef<str>) {
    // Into memory, which takes everything.
    let _ = writeln!(text, "\n== {title}\n{}", body.as_ref().trim_end());
}

#[expect(clippy::needless_pass_by_value, reason = "as it is mapped")]
fn not_read(error: Error) -> String {
    format!("not read: {error}")
}

async fn events(cluster: &Cluster, objects: &[BitbucketConnection]) -> Result<String, Error> {
    let all: Api<Event> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let of = ListParams::default().fields("involvedObject.kind=BitbucketConnection").limit(1000);
    let list = within(all.list(&of)).await?;
    let named =
        |event: &&Event| objects.iter().any(|object| event.involved_object.name.as_deref() == Some(&object.name_any()));
    let line = |event: &Event| {
        let time = event.event_time.as_ref().map(|time| time.0.to_string());
        let time = time.or_else(|| event.last_timestamp.as_ref().map(|time| time.0.to_string())).unwrap_or_default();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let object = text(&event.involved_object.name);
        format!("{time} {object} {} {} {}\n", text(&event.type_), text(&event.reason), text(&event.message))
    };
    Ok(list.items.iter().filter(named).map(line).collect())
}

/// The operators of the cluster, and how they are started. Not what values their arguments and variables have: proxies and databases
/// have passwords in them.
async fn operators(cluster: &Cluster) -> Result<String, Error> {
    let all: Api<Deployment> = Api::all(cluster.client.clone());
    let mut text = String::new();
    for deployment in within(all.list(&ListParams::default().labels(OPERATOR))).await?.items {
        let spec = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
        let _ = writeln!(text, "Deployment {}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any());
        for container in spec.map(|pod| pod.containers.as_slice()).unwrap_or_default() {
            let arguments =
                container.args.iter().flatten().map(|argument| argument.split('=').next().unwrap_or_default());
            let arguments = arguments.filter(|argument| argument.starts_with("--") || *argument == "run");
            let arguments = arguments.collect::<Vec<_>>().join(" ");
            let names =
                container.env.iter().flatten().map(|variable| variable.name.as_str()).collect::<Vec<_>>().join(" ");
            let image = container.image.clone().unwrap_or_default();
            let _ = writeln!(text, "  image {image}\n  arguments {arguments}\n  variables {names}");
        }
    }
    Ok(text)
}

/// The end of what the operators have logged, without what they have said of other connections.
async fn logs(cluster: &Cluster, objects: &[BitbucketConnection]) -> Result<String, Error> {
    let all: Api<Pod> = Api::all(cluster.client.clone());
    let mut text = String::new();
    for pod in within(all.list(&ListParams::default().labels(OPERATOR))).await?.items {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        let restarts: i32 = containers.map(|one| one.restart_count).sum();
        let _ = writeln!(text, "Pod {namespace}/{name}, {restarts} restarts");
        let of: Api<Pod> = Api::namespaced(cluster.client.clone(), &namespace);
        let end = LogParams { tail_lines: Some(LOG_LINES), ..LogParams::default() };
        let log = within(of.logs(&name, &end)).await.unwrap_or_else(not_read);
        let own = log.lines().filter(|line| is_own(line, objects));
        for line in own {
            let _ = writeln!(text, "{line}");
        }
    }
    Ok(text)
}

/// Whether a line tells of one of these connections, or of none.
fn is_own(line: &str, objects: &[BitbucketConnection]) -> bool {
    let names = |object: &BitbucketConnection| {
        let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
        line.contains(&format!("connection=\"{name}\"")) || line.contains(&format!("\"connection\":\"{name}\""))
    };
    !(line.contains("connection=\"") || line.contains("\"connection\":\"")) || objects.iter().any(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str) -> BitbucketConnection {
        serde_json::from_value(json!({
            "apiVersion": "bitbucket-connector.dev/v1alpha1", "kind": "BitbucketConnection",
            "metadata": {"namespace": "team", "name": name},
            "spec": {"url": "https://git.example.com", "secretRef": {"name": "s"}}
        }))
        .unwrap()
    }

    #[test]
    fn a_line_of_another_connection_is_nobody_elses_business() {
        let objects = [object("a"), object("b")];
        for (line, own) in [
            (r#"INFO run{connection="team/a" run=1}: it is done"#, true),
            (r#"INFO run{connection="team/b"}: it is done"#, true),
            (r#"INFO run{connection="team/ab"}: it is done"#, false),
            (r#"INFO run{connection="other/a"}: it is done"#, false),
            (r#"DEBUG somebody has pushed connection="team/a" repository=7"#, true),
            (r#"DEBUG somebody has pushed connection="other/a" repository=7"#, false),
            (r#"{"level":"INFO","connection":"team/a","message":"it is done"}"#, true),
            (r#"{"level":"INFO","connection":"team/ab","message":"it is done"}"#, false),
            ("INFO a connection=none is meant", true),
            ("INFO the probes are at 0.0.0.0:8081", true),
            ("", true),
        ] {
            assert_eq!(is_own(line, &objects), own, "{line}");
        }
        assert!(!is_own(r#"INFO run{connection="team/a"}: it is done"#, &[]));
    }
}
