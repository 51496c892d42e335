//! How many verifications callers may wait for at a time: they wait for Bitbucket beside the operator's own, and each for as long as the
//! server that somebody has named takes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All of them.
const MOST: usize = 8;
/// Those of one namespace: servers of its own that never answer keep nobody else waiting.
const PER_NAMESPACE: usize = 2;

/// Verifications under way, by namespace.
#[derive(Debug, Default)]
pub struct Places(Mutex<HashMap<String, usize>>);

/// One verification, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    namespace: String,
}

impl Places {
    /// A place, if there is one: nobody waits for it.
    pub fn take(self: &Arc<Self>, namespace: &str) -> Option<Place> {
        let mut taken = self.lock();
        let theirs = taken.get(namespace).copied().unwrap_or_default();
        if theirs >= PER_NAMESPACE || taken.values().sum::<usize>() >= MOST {
            return None;
        }
        taken.insert(namespace.to_owned(), theirs + 1);
        drop(taken);
        Some(Place { places: Arc::clone(self), namespace: namespace.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        // The map is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(theirs) = taken.get_mut(&self.namespace) {
            *theirs -= 1;
            if *theirs == 0 {
                taken.remove(&self.namespace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_its_share_and_all_have_theirs() {
        let places = Arc::<Places>::default();
        let mut taken: Vec<_> = (0..2).map(|_| places.take("a").unwrap()).collect();
        assert!(places.take("a").is_none());
        taken.extend(["b", "b", "c", "c", "d", "d"].map(|namespace| places.take(namespace).unwrap()));
        assert!(places.take("e").is_none());
        taken.pop();
        let last = places.take("e").unwrap();
        assert!(places.take("d").is_none());
        drop((taken, last));
        assert!(places.lock().is_empty());
    }
}
