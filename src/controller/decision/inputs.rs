//! What a verdict and a run are made of.

use crate::api::spec::{BitbucketConnectionSpec, ImportFilter, LocalReference};
use crate::bitbucket::{BaseUrl, Credentials};
use crate::secrets::TargetKey;

/// What a verdict and a run depend on: where one of these changes, a run is made anew, and a verdict too unless it is
/// only the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    url: BaseUrl,
    secret_uid: String,
    fingerprint: [u8; 32],
    way: [u8; 32],
    import: ImportFilter,
    target: TargetKey,
}

impl Inputs {
    /// `way` is a digest of the certificates and the proxy.
    pub fn new(
        url: BaseUrl,
        secret_uid: String,
        credentials: &Credentials,
        way: [u8; 32],
        import: ImportFilter,
        target: TargetKey,
    ) -> Self {
        Self { url, secret_uid, fingerprint: credentials.fingerprint(), way, import, target }
    }

    /// Where the rows go.
    pub const fn target(&self) -> TargetKey {
        self.target
    }

    /// Whether Bitbucket is asked the same in the same way: it does not matter to it where the rows go.
    pub fn same_question(&self, other: &Self) -> bool {
        self.same_access(other) && self.import == other.import
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
        Self::new(url, "u".to_owned(), &credentials, [0; 32], import, TargetKey::OWN)
    }

    /// The same, but for the database.
    pub(super) fn to(self, target: TargetKey) -> Self {
        Self { target, ..self }
    }
}
