//! What a verdict and a run are made of.

use crate::api::spec::{BitbucketConnectionSpec, ImportFilter, LocalReference};
use crate::bitbucket::{BaseUrl, Credentials};

/// What a verdict and a run depend on: where one of these changes, both are made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    url: BaseUrl,
    secret_uid: String,
    fingerprint: [u8; 32],
    way: [u8; 32],
    import: ImportFilter,
}

impl Inputs {
    /// `way` is a digest of the certificates and the proxy.
    pub fn new(
        url: BaseUrl,
        secret_uid: String,
        credentials: &Credentials,
        way: [u8; 32],
        import: ImportFilter,
    ) -> Self {
        Self { url, secret_uid, fingerprint: credentials.fingerprint(), way, import }
    }

    /// Whether the same credentials go the same way to the same place: a verdict about them is one for both.
    pub fn same_access(&self, other: &Self) -> bool {
        self.same_credentials(other) && self.way == other.way
    }

    /// Whether the same credentials of the same Secret go to the same place.
    pub fn same_credentials(&self, other: &Self) -> bool {
        let key = |inputs: &Self| (inputs.url.clone(), inputs.secret_uid.clone(), inputs.fingerprint);
        key(self) == key(other)
    }
}

/// The url and the references as the spec names them, whether or not they can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    url: String,
    references: [Option<LocalReference>; 3],
}

impl From<&BitbucketConnectionSpec> for Place {
    fn from(spec: &BitbucketConnectionSpec) -> Self {
        let references = [Some(spec.secret_ref.clone()), spec.cert_secret_ref.clone(), spec.proxy_secret_ref.clone()];
        Self { url: spec.url.clone(), references }
    }
}

#[cfg(test)]
impl Inputs {
    /// Inputs that differ from others in the filter or in the password.
    pub(super) fn example(project: &str, password: &str) -> Self {
        use crate::api::spec::{ImportMode, PersonalProjects};
        let url = BaseUrl::parse("https://git.example.com").unwrap();
        let credentials = Credentials::Basic { username: "svc".to_owned(), password: password.into() };
        let import = ImportFilter {
            mode: ImportMode::Allowlist,
            projects: vec![project.to_owned()],
            repositories: Vec::new(),
            personal_projects: PersonalProjects::Exclude,
        };
        Self::new(url, "u".to_owned(), &credentials, [0; 32], import)
    }
}
