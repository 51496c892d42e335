//! People and programs that come to the operator's doors with a token of Kubernetes.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::operator::Stage;
use super::until;

/// The token of a new ServiceAccount with these rights in the namespace of the test, each as `verbs resource`, and `@NAME` after the
/// resource for one object only, once they are in force.
pub async fn token(stage: &Stage, name: &str, rights: &[&str]) -> String {
    let kubectl = |arguments: &[&str]| stage.kubectl(arguments);
    kubectl(&["create", "serviceaccount", name]);
    for (number, right) in rights.iter().enumerate() {
        let (verbs, resource) = right.split_once(' ').unwrap();
        let (resource, object) = resource.split_once('@').unwrap_or((resource, ""));
        let (verbs, resource) = (format!("--verb={verbs}"), format!("--resource={resource}"));
        let only = format!("--resource-name={object}");
        let role = format!("{name}-{number}");
        let create = ["create", "role", &role, &verbs, &resource, &only];
        kubectl(if object.is_empty() { &create[..5] } else { &create });
        let (of, to) = (format!("--role={role}"), format!("--serviceaccount={}:{name}", stage.namespace));
        kubectl(&["create", "rolebinding", &role, &of, &to]);
    }
    until("the rights are in force", async || can(stage, name, rights)).await;
    kubectl(&["create", "token", name]).trim().to_owned()
}

/// Whether `kubectl auth can-i` says that this ServiceAccount has all of these rights, each as above.
pub fn can(stage: &Stage, name: &str, rights: &[&str]) -> bool {
    let user = format!("--as=system:serviceaccount:{}:{name}", stage.namespace);
    rights.iter().all(|right| {
        let (verbs, resource) = right.split_once(' ').unwrap();
        let resource = resource.replace('@', "/");
        verbs.split(',').all(|verb| {
            let arguments = ["-n", &stage.namespace, "auth", "can-i", verb, &resource, &user];
            stage.cluster.kubectl(&arguments, "").ok
        })
    })
}

/// Where the operator that was started after so many others has opened a door, once it has logged this of it.
pub fn door(stage: &Stage, number: usize, line: &str) -> Option<SocketAddr> {
    let log = stage.log_of(number);
    let line = log.lines().find(|logged| logged.contains(line))?;
    let port = line.split("127.0.0.1:").nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// The same, which is waited for.
pub async fn open_door(stage: &Stage, number: usize, line: &str) -> SocketAddr {
    until(line, async || door(stage, number, line).is_some()).await;
    door(stage, number, line).unwrap()
}

/// A file that tests/ensure-tools.sh has put into the cache.
pub fn cached(path: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"), PathBuf::from);
    cache.join("bitbucket-connector").join(path)
}
