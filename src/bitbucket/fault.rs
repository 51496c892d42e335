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
    } else if let Some(error) = cause::<rustls::Error>(error) {
        Fault::Tls(of_tls(error))
    } else if error.is_timeout() {
        Fault::Timeout(timeout)
    } else if error.is_dns() {
        Fault::Unreachable("the host name is not known")
    } else if error.is_connect() {
        Fault::Unreachable(match hop {
            Hop::Host => "the connection was refused or cut",
            Hop::Proxy => "the connection to the proxy was refused or cut",
        })
    } else {
        Fault::Unreachable(CUT)
    }
}

fn of_tls(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Flaw;
    match error {
        rustls::Error::InvalidCertificate(flaw) => match flaw {
            Flaw::NotValidForName | Flaw::NotValidForNameContext { .. } => "the certificate does not name this host",
            Flaw::Expired | Flaw::ExpiredContext { .. } => "the certificate has expired",
            Flaw::UnknownIssuer | Flaw::BadSignature => "the certificate is of an authority that is not trusted",
            _ => "the certificate is not trusted",
        },
        rustls::Error::InvalidMessage(_) => "what answers at this port speaks no TLS",
        _ => "it was refused",
    }
}

const CUT: &str = "the connection was cut before the answer was complete";

/// Whether the request may have been received, although nobody knows what became of it.
pub(super) fn may_have_arrived(fault: &Fault) -> bool {
    matches!(fault, Fault::Timeout(_)) || *fault == Fault::Unreachable(CUT)
}

/// Whether the bytes of a body came, and cannot be unpacked.
pub(super) fn is_malformed(error: &(dyn Error + 'static)) -> bool {
    // A connection that breaks has kinds of its own, but for TLS.
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    let here = matches!(kind, Some(ErrorKind::InvalidData | ErrorKind::Other)) && !caused_by::<rustls::Error>(error);
    here || error.source().is_some_and(is_malformed)
}

fn caused_by<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    cause::<E>(error).is_some()
}

fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    // An `io::Error` hides what it wraps from `source`.
    let wrapped = || error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let found = error.downcast_ref().or_else(|| wrapped().and_then(|inner| cause(inner)));
    found.or_else(|| error.source().and_then(cause))
}
