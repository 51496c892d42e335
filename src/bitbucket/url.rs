//! The base URL of a Bitbucket, and the URLs below it.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// The base URL of a Bitbucket: scheme, host, port and context path, without a slash at its end.
#[derive(Clone, Debug)]
pub struct BaseUrl {
    url: Url,
    /// Whether more than the base was given.
    trimmed: bool,
}

/// What is wrong with a base URL. Never repeats the URL: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is no URL at all, or has no host.
    #[error("the url cannot be understood: write it like https://bitbucket.example.com/bitbucket")]
    Syntax,
    /// It is not http or https.
    #[error("the url must begin with https:// or http://")]
    Scheme,
    /// It carries a user name or a password.
    #[error("the url must not contain a user name or password: put them into the Secret")]
    UserInfo,
    /// It carries a query or a fragment.
    #[error("the url must not contain a query or a fragment")]
    Query,
}

impl BaseUrl {
    /// Understands a URL as a user writes it: case of the host, default port and slashes at the end do not
    /// matter, and a pasted `/rest/api/1.0` is dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let mut url = Url::parse(text.trim()).map_err(|_| InvalidUrl::Syntax)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidUrl::Query);
        }
        if !has_host(&url) {
            return Err(InvalidUrl::Syntax);
        }
        let pasted = ["/rest/api/1.0", "/rest/api/latest", "/rest/api", "/rest"];
        let whole = url.path().trim_end_matches('/');
        let mut path = whole;
        // However often it was pasted: the URL as it is shown must be understood as the same one.
        while let Some(base) = pasted.into_iter().find_map(|suffix| path.strip_suffix(suffix)) {
            path = base.trim_end_matches('/');
        }
        let (trimmed, path) = (path != whole, path.to_owned());
        url.set_path(&path);
        Ok(Self { url, trimmed })
    }

    /// Scheme, host and port: what credentials are bound to.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The host, as one server has it: a dot at the end is the same name.
    pub fn server(&self) -> &str {
        self.host().trim_end_matches('.')
    }

    /// The host, without the port.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether the path of the REST API was given too, and dropped.
    pub const fn is_trimmed(&self) -> bool {
        self.trimmed
    }

    /// Whether what is sent can be read on the way.
    pub fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// The same place behind https, at this port.
    pub(super) fn behind_https(&self, port: u16) -> Option<Self> {
        let mut url = self.url.clone();
        url.set_scheme("https").and_then(|()| url.set_port(Some(port))).ok()?;
        Some(Self { url, ..self.clone() })
    }

    /// Its address, if it is given as one and not as a name.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        literal(&self.url)
    }

    /// The URL of a REST resource.
    pub(super) fn rest(&self, segments: &[&str]) -> Url {
        self.below(&[&["rest", "api", "1.0"], segments].concat())
    }

    /// The web page of a repository.
    pub fn browse(&self, project: &str, slug: &str) -> String {
        match project.strip_prefix('~') {
            Some(user) => self.page(&["users", user, "repos", slug, "browse"]),
            None => self.page(&["projects", project, "repos", slug, "browse"]),
        }
    }

    /// The web page of a project.
    pub fn project(&self, key: &str) -> String {
        match key.strip_prefix('~') {
            Some(user) => self.user(user),
            None => self.page(&["projects", key]),
        }
    }

    /// The web page of an account.
    pub fn user(&self, slug: &str) -> String {
        self.page(&["users", slug])
    }

    fn page(&self, segments: &[&str]) -> String {
        self.below(segments).into()
    }

    /// A URL below the base; each segment is percent-encoded, so that no name can leave its place.
    fn below(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        // Only URLs that cannot be a base have no segments, and `parse` lets none of them pass.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments.iter().map(|name| segment(name)));
        }
        url
    }
}

/// The address in a URL that gives one instead of a name.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

// However it was written, it is the same Bitbucket.
impl PartialEq for BaseUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for BaseUrl {}

/// Whether the URL has a host that can be asked. One with these letters is a URL by the letter, but no request can name
/// it: as a Bitbucket it could never be reached, and as a proxy it would be passed by.
pub(super) fn has_host(url: &Url) -> bool {
    url.host_str().is_some_and(|host| !host.is_empty() && !host.contains(['"', '`', '{', '}']))
}

/// A name as one segment. What a URL cannot hold as a name is replaced, as no name in Bitbucket has any of it: dots and
/// nothing mean another place, and tabs and line ends would be left out, so that they could make dots of what is none.
fn segment(name: &str) -> String {
    if matches!(name, "" | "." | "..") { "\u{FFFD}".to_owned() } else { name.replace(['\t', '\n', '\r'], "\u{FFFD}") }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        BaseUrl::parse(text).unwrap().to_string()
    }

    #[test]
    fn spellings_of_one_server_are_one_url() {
        for text in [
            "https://git.example.com/bitbucket",
            " https://GIT.example.com:443/bitbucket/ ",
            "https://git.example.com/bitbucket//",
            "https://git.example.com/bitbucket/rest/api/1.0/",
            "https://git.example.com/bitbucket/rest/api/latest",
            "https://git.example.com/bitbucket/rest/api/rest/api/1.0",
        ] {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), "https://git.example.com/bitbucket");
            assert_eq!(url.is_trimmed(), text.contains("rest"));
            assert_eq!(url, BaseUrl::parse("https://git.example.com/bitbucket").unwrap());
        }
        assert_eq!(shown("http://[::1]:7990"), "http://[::1]:7990");
    }

    #[test]
    fn what_is_no_base_url_is_refused_by_name() {
        assert_eq!(BaseUrl::parse("git.example.com"), Err(InvalidUrl::Syntax));
        assert_eq!(BaseUrl::parse("https://"), Err(InvalidUrl::Syntax));
        assert_eq!(BaseUrl::parse("https://{{ .Values.host }}"), Err(InvalidUrl::Syntax));
        assert_eq!(BaseUrl::parse("https://{host}"), Err(InvalidUrl::Syntax));
        assert_eq!(BaseUrl::parse("ftp://git.example.com"), Err(InvalidUrl::Scheme));
        assert_eq!(BaseUrl::parse("https://u:hunter2@git.example.com"), Err(InvalidUrl::UserInfo));
        assert_eq!(BaseUrl::parse("https://git.example.com/?a"), Err(InvalidUrl::Query));
    }

    #[test]
    fn the_place_behind_https_is_the_same_but_for_scheme_and_port() {
        let shown = |text: &str, port| BaseUrl::parse(text).unwrap().behind_https(port).unwrap().to_string();
        assert_eq!(shown("http://git.example.com/bitbucket", 443), "https://git.example.com/bitbucket");
        assert_eq!(shown("http://[::1]:7990", 8443), "https://[::1]:8443");
    }

    #[test]
    fn a_segment_cannot_leave_its_place() {
        let base = BaseUrl::parse("https://git.example.com/bitbucket").unwrap();
        let url = base.rest(&["projects", "../..", "repos", "a/b?c"]);
        assert_eq!(url.as_str(), "https://git.example.com/bitbucket/rest/api/1.0/projects/..%2F../repos/a%2Fb%3Fc");
        for odd in ["", ".", "..", ".\n.", "\t..", "%2e\r%2e"] {
            let url = base.rest(&["projects", odd, "repos", "x"]);
            assert_eq!(url.path_segments().unwrap().count(), 8, "{url}");
        }
        assert_eq!(base.browse("~jdoe", "x"), "https://git.example.com/bitbucket/users/jdoe/repos/x/browse");
    }
}
