//! The keys by which connections know what Bitbucket has signed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::api::webhook::WebhookSecretReference;
use crate::kubernetes::{Error, Guarded, within};
use crate::secrets::value;

/// How long a key is kept: a changed one is good by then.
const KEEP: Duration = Duration::from_secs(30);
/// A body that is not signed with a key that was kept has it read again, but no sooner than that.
const DOUBT: Duration = Duration::from_secs(2);
/// Keys that are kept at most, and Secrets that are read at a time.
const MOST: usize = 1_000;
const READS: usize = 2;

/// The keys that were needed lately.
pub struct Keys {
    kept: Mutex<HashMap<ObjectRef<Guarded>, Kept>>,
    reads: Semaphore,
}

struct Kept {
    key: Option<SecretString>,
    at: Instant,
}

impl Keys {
    pub fn new() -> Self {
        Self { kept: Mutex::default(), reads: Semaphore::new(READS) }
    }

    /// The key of a connection, if it has one; `webhook` looks for where it is. `doubted` says that the one given before was not right.
    /// Where too many are asked for at once, there is none: a hint may be lost, but nobody who knocks makes work at the API server.
    pub async fn get(
        &self,
        client: &Client,
        object: &ObjectRef<Guarded>,
        webhook: impl AsyncFnOnce() -> Option<WebhookSecretReference>,
        doubted: bool,
    ) -> Option<SecretString> {
        let good = if doubted { DOUBT } else { KEEP };
        let before = self.lock().get(object).map(|kept| (kept.key.clone(), kept.at));
        if let Some((key, at)) = &before
            && at.elapsed() < good
        {
            return key.clone();
        }
        // What was good half a minute ago is better than nothing.
        let before = before.and_then(|(key, _)| key);
        let Ok(_place) = self.reads.try_acquire() else { return before };
        let read = match webhook().await {
            Some(reference) => read(client, object, &reference).await,
            None => Ok(None),
        };
        let Ok(key) = read else { return before };
        self.keep(object, key.clone());
        key
    }

    fn keep(&self, object: &ObjectRef<Guarded>, key: Option<SecretString>) {
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.retain(|_, kept| kept.at.elapsed() < KEEP);
        }
        // Names that somebody has made up push nobody's key out.
        if kept.len() >= MOST && key.is_some() {
            kept.retain(|_, kept| kept.key.is_some());
        }
        if kept.len() < MOST || kept.contains_key(object) {
            kept.insert(object.clone(), Kept { key, at: Instant::now() });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectRef<Guarded>, Kept>> {
        // The map is whole between any two statements.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the Secret holds; an error, where the API server does not say.
async fn read(
    client: &Client,
    object: &ObjectRef<Guarded>,
    reference: &WebhookSecretReference,
) -> Result<Option<SecretString>, Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), object.namespace.as_deref().unwrap_or_default());
    let secret = within(secrets.get_opt(&reference.name)).await?;
    let data = secret.and_then(|secret| secret.data).unwrap_or_default();
    Ok(value(&data, &reference.key).ok().flatten().map(Into::into))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn made_up_names_push_no_key_out() {
        let (keys, object) = (Keys::new(), |name: &str| ObjectRef::<Guarded>::new(name).within("team"));
        let has = |name: &str| keys.lock().get(&object(name)).is_some_and(|kept| kept.key.is_some());
        keys.keep(&object("mine"), Some("hunter2".into()));
        for number in 0..2 * MOST {
            keys.keep(&object(&format!("made-up-{number}")), None);
        }
        assert_eq!(keys.lock().len(), MOST);
        keys.keep(&object("another"), Some("hunter2".into()));
        assert!(has("mine") && has("another"));
        for number in 0..2 * MOST {
            keys.keep(&object(&format!("real-{number}")), Some("hunter2".into()));
        }
        let before = keys.lock()[&object("mine")].at;
        tokio::time::advance(Duration::from_secs(1)).await;
        keys.keep(&object("mine"), Some("hunter2".into()));
        assert!(keys.lock().len() == MOST && keys.lock()[&object("mine")].at > before, "it is read anew");
        tokio::time::advance(KEEP).await;
        keys.keep(&object("late"), Some("hunter2".into()));
        assert_eq!(keys.lock().len(), 1, "what is old makes room");
    }
}
