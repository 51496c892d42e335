//! Numbers for objects: DX has numbers where Kubernetes has uids.

use futures::TryStreamExt;
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use crate::api::BitbucketConnection;
use crate::callers::{Caller, Refusal};

/// The number of the object with this uid: the first 52 bits of the uid's SHA-256, which any program holds exactly that takes
/// numbers for 64-bit floating point. Two of a million objects share one with a probability of one in ten thousand.
pub fn id(uid: &str) -> u64 {
    Sha256::digest(uid).iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)) >> 12
}

/// The connection with this number, among those that the caller may list.
pub async fn find(caller: &Caller, wanted: u64, namespace: Option<&str>) -> Result<BitbucketConnection, Refusal> {
    let mut connections = caller.connections(namespace);
    while let Some(object) = connections.try_next().await? {
        if object.uid().is_some_and(|uid| id(&uid) == wanted) {
            return Ok(object);
        }
    }
    Err(Refusal::ConnectionNotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_uid_stays_and_is_exact_everywhere() {
        // printf 00000000-0000-0000-0000-000000000000 | sha256sum | cut -c1-13
        assert_eq!(id("00000000-0000-0000-0000-000000000000"), 0x1_2b93_77cb_e7e5);
        for uid in ["", "a", "5f1f3a52-9f5b-4c52-8a33-6b1a0c5c9f10"] {
            assert!(id(uid) < 1 << 52, "{uid}");
        }
    }
}
