//! The one TLS stack.

use std::sync::Once;

/// Chooses ring for rustls: the one place where the provider is named. May be called more than once.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only where somebody has chosen a provider before, and nobody else does.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
