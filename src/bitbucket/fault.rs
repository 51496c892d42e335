//! From what reqwest says to what was broken. Its texts are not shown: they may quote what the server sent.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;

use super::error::{Fault, Hop};
use super::resolver::Denied;

/// What was broken on the way over `hop`.
pub(super) fn of(error: &reqwest::Error, hop: Hop, timeout: Duration) -> Fault {
    if caused_by::<Denied>(error) {
        Fault::Denied(hop)
    } else if caused_by::<rustls::Error>(error) {
        Fault::Tls("the certificate is not trusted for this host")
    } else if error.is_timeout() {
        Fault::Timeout(timeout)
    } else if error.is_dns() {
        Fault::Unreachable("the host name is not known")
    } else if error.is_connect() {
        Fault::Unreachable("the connection was refused or cut")
    } else {
        Fault::Unreachable("the connection was cut before the answer was complete")
    }
}

/// Whether the bytes of a body came, and cannot be unpacked.
pub(super) fn is_malformed(error: &(dyn Error + 'static)) -> bool {
    // A connection that breaks has kinds of its own, but for TLS.
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    let here = matches!(kind, Some(ErrorKind::InvalidData | ErrorKind::Other)) && !caused_by::<rustls::Error>(error);
    here || error.source().is_some_and(is_malformed)
}

fn caused_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    // An `io::Error` hides what it wraps from `source`.
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<E>() || wrapped.is_some_and(|inner| caused_by::<E>(inner)) || error.source().is_some_and(caused_by::<E>)
}
