//! Which Pod shows the page. Pure.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

/// The chart's name of the page's port.
const PORT: &str = "page";
/// Of operators that were not told another one.
const LEASE: &str = "bitbucket-connector";

/// A Pod that could show the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub name: String,
    pub port: u16,
    pub ready: bool,
    /// The Lease that its operator wants.
    pub lease: String,
}

/// Those of these Pods that could, the best ones first: those that are ready, by their names.
pub(super) fn places(pods: &[Pod]) -> Vec<Place> {
    let mut places: Vec<Place> = pods.iter().filter_map(place).collect();
    places.sort_by(|one, other| (!one.ready, &one.name).cmp(&(!other.ready, &other.name)));
    places
}

/// None, where it does not run or has no page.
fn place(pod: &Pod) -> Option<Place> {
    let status = pod.status.as_ref()?;
    let runs = status.phase.as_deref() == Some("Running") && pod.metadata.deletion_timestamp.is_none();
    let containers = &pod.spec.as_ref().filter(|_| runs)?.containers;
    let (container, port) = containers.iter().find_map(|container| {
        let port = container.ports.iter().flatten().find(|port| port.name.as_deref() == Some(PORT))?;
        Some((container, u16::try_from(port.container_port).ok()?))
    })?;
    let named = container.env.iter().flatten().find(|variable| variable.name == "BITBUCKET_CONNECTOR_LEASE_NAME");
    let lease = named.and_then(|variable| variable.value.clone()).unwrap_or_else(|| LEASE.to_owned());
    let mut conditions = status.conditions.iter().flatten();
    let ready = conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
    Some(Place { name: pod.name_any(), port, ready, lease })
}

/// Whether this holder of a Lease is the operator in the Pod: its host name, and digits of its process.
pub(super) fn holds(holder: &str, pod: &str) -> bool {
    holder.rsplit_once('_').is_some_and(|(host, _)| host == pod)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, phase: &str, ready: &str, port: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"containers": [
                {"name": "other"},
                {"name": "c", "ports": [{"name": "http", "containerPort": 8080}, {"name": port, "containerPort": 8082}]},
            ]},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    #[test]
    fn the_pods_that_show_a_page_are_found_and_those_that_are_ready_come_first() {
        let mut named = pod("d", "Running", "True", "page");
        let variables = json!([{"name": "BITBUCKET_CONNECTOR_LEASE_NAME", "value": "mine"}]);
        named.spec.as_mut().unwrap().containers[1].env = serde_json::from_value(variables).unwrap();
        let mut ending = pod("e", "Running", "True", "page");
        ending.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        let pods = [
            pod("a", "Running", "False", "page"),
            pod("c", "Running", "True", "page"),
            pod("b", "Running", "True", "page"),
            named,
            ending,
            pod("f", "Pending", "False", "page"),
            pod("g", "Running", "True", "webhooks"),
        ];
        let found = places(&pods);
        let found: Vec<_> =
            found.iter().map(|place| (place.name.as_str(), place.port, place.ready, place.lease.as_str())).collect();
        let usual = |name, ready| (name, 8082, ready, "bitbucket-connector");
        assert_eq!(found, [usual("b", true), usual("c", true), ("d", 8082, true, "mine"), usual("a", false)]);
    }

    #[test]
    fn a_holder_is_its_pods_name_and_digits() {
        assert!(holds("bitbucket-connector-6d-x2_0123456789abcdef", "bitbucket-connector-6d-x2"));
        for other in ["bitbucket-connector-6d-x", "x2", "", "bitbucket-connector-6d-x2_0123456789abcdef"] {
            assert!(!holds("bitbucket-connector-6d-x2_0123456789abcdef", other), "{other}");
        }
        assert!(!holds("bitbucket-connector-6d-x2", "bitbucket-connector-6d-x2"));
    }
}
