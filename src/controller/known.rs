//! The connections that the watches know, for whoever does not reconcile them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use kube::runtime::reflector::{ObjectRef, Store};

use crate::kubernetes::Guarded;

/// The connections that the watches know.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<Vec<Store<Guarded>>>>);

impl Connections {
    /// Shows what these watches know, and nothing of others that did before.
    pub fn watch(&self, stores: Vec<Store<Guarded>>) {
        // A list is whole whatever happens elsewhere.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stores;
    }

    /// One of them, as its watch has seen it last.
    pub fn get(&self, object: &ObjectRef<Guarded>) -> Option<Arc<Guarded>> {
        self.stores().iter().find_map(|store| store.get(object))
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Guarded>> {
        self.stores().iter().flat_map(Store::state).collect()
    }

    fn stores(&self) -> Vec<Store<Guarded>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}
