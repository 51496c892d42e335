//! What a verdict and a run are made of.

use crate::api::spec::ImportFilter;
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

    /// Whether the same credentials of the same Secret go to the same place.
    pub fn same_credentials(&self, other: &Self) -> bool {
        let key = |inputs: &Self| (inputs.url.clone(), inputs.secret_uid.clone(), inputs.fingerprint);
        key(self) == key(other)
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
