//! From what reqwest says to what was broken. Its texts are not shown: they may quote what the server sent.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;

use super::error::{Fault, Hop};
use super::resolver::Denied;
use crate::trust::{Flaw, cause};

/// What was broken on the way over `hop`.
pub(super) fn of(error: &reqwest::Error, hop: Hop, timeout: Duration) -> Fault {
    if cause::<Denied>(error).is_some() {
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
        Fault::Cut
    }
}

fn of_tls(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(flaw) => match Flaw::from(flaw) {
            Flaw::WrongName => "the certificate does not name this host",
            Flaw::Expired => "the certificate has expired",
            Flaw::UnknownAuthority => "the certificate is of an authority that is not trusted",
            Flaw::Other => "the certificate is not trusted",
        },
        rustls::Error::InvalidMessage(_) => "what answers at this port speaks no TLS",
        _ => "it was refused",
    }
}

/// Whether the bytes of a body came, and cannot be unpacked.
pub(super) fn is_malformed(error: &(dyn Error + 'static)) -> bool {
    // A connection that breaks has kinds of its own, but for TLS.
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    let here =
        matches!(kind, Some(ErrorKind::InvalidData | ErrorKind::Other)) && cause::<rustls::Error>(error).is_none();
    here || error.source().is_some_and(is_malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_cannot_be_unpacked_are_no_broken_connection() {
        for (kind, expected) in
            [(ErrorKind::InvalidData, true), (ErrorKind::Other, true), (ErrorKind::UnexpectedEof, false)]
        {
            assert_eq!(is_malformed(&io::Error::new(kind, "corrupt deflate stream")), expected, "{kind}");
            // So does TLS call what breaks it.
            assert!(!is_malformed(&io::Error::new(kind, rustls::Error::DecryptError)), "{kind}");
        }
    }
}
