//! What is wrong with a certificate, however deep an error hides it.

use std::error::Error;

use rustls::CertificateError;

/// Why a server's certificate is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It does not name the host that was asked for.
    WrongName,
    /// It has expired.
    Expired,
    /// Its authority is not among those that are trusted.
    UnknownAuthority,
    /// Anything else.
    Other,
}

impl From<&CertificateError> for Flaw {
    fn from(error: &CertificateError) -> Self {
        match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            // A signature is wrong where two authorities have one name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownAuthority,
            _ => Self::Other,
        }
    }
}

/// The error of this kind that another one was caused by.
pub fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    // An `io::Error` hides what it wraps from `source`.
    let wrapped = || error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let found = error.downcast_ref().or_else(|| wrapped().and_then(|inner| cause(inner)));
    found.or_else(|| error.source().and_then(cause))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn each_flaw_has_one_name() {
        let name = rustls::pki_types::ServerName::try_from("db").unwrap();
        let other = || CertificateError::NotValidForNameContext { expected: name.to_owned(), presented: Vec::new() };
        let time = rustls::pki_types::UnixTime::now();
        let old = CertificateError::ExpiredContext { time, not_after: time };
        for (error, flaw) in [
            (CertificateError::NotValidForName, Flaw::WrongName),
            (other(), Flaw::WrongName),
            (CertificateError::UnknownIssuer, Flaw::UnknownAuthority),
            (CertificateError::BadSignature, Flaw::UnknownAuthority),
            (CertificateError::Expired, Flaw::Expired),
            (old, Flaw::Expired),
            (CertificateError::Revoked, Flaw::Other),
        ] {
            assert_eq!(Flaw::from(&error), flaw, "{error:?}");
        }
    }

    #[test]
    fn a_cause_is_found_in_what_an_io_error_wraps() {
        let inner = io::Error::other(rustls::Error::DecryptError);
        let outer = io::Error::other(inner);
        assert_eq!(cause::<rustls::Error>(&outer), Some(&rustls::Error::DecryptError));
        assert!(cause::<rustls::Error>(&io::Error::from(io::ErrorKind::NotFound)).is_none());
    }
}
