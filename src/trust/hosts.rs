//! The hosts that credentials may be sent to, where whoever installed the operator has named them.

use std::net::Ipv6Addr;
use std::str::FromStr;

use url::Url;

/// The hosts that may be connected to. Without patterns all may.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Vec<HostPattern>);

/// One host, or with `*.` before it all hosts below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern(String);

impl FromStr for HostPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (wild, name) = text.strip_prefix("*.").map_or(("", text), |name| ("*.", name));
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let address = bare.parse::<Ipv6Addr>().is_ok();
        // Nothing but a host: no port, path, user or second star.
        let host = if address {
            Some(format!("[{bare}]"))
        } else {
            (!name.contains([':', '/', '@', '?', '#', '*', '\\'])).then(|| name.trim_end_matches('.').to_owned())
        };
        // Written as URLs write it, so that case, punycode and addresses are compared alike.
        let url = host.and_then(|host| Url::parse(&format!("http://{host}/")).ok());
        url.as_ref()
            .and_then(Url::host_str)
            .map(|host| Self(format!("{wild}{host}")))
            .ok_or("is no host: write it like bitbucket.example.com or *.example.com, without scheme, port and path")
    }
}

impl Hosts {
    /// The hosts that match one of these patterns; all, if there are none.
    pub const fn new(patterns: Vec<HostPattern>) -> Self {
        Self(patterns)
    }

    /// Whether hosts are named at all. Then nothing may be sent in plain text either.
    pub const fn are_named(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether this host, as a URL writes it, may be connected to.
    pub fn allow(&self, host: &str) -> bool {
        // A dot at the end names the same host.
        let host = host.strip_suffix('.').unwrap_or(host);
        !self.are_named() || self.0.iter().any(|pattern| pattern.matches(host))
    }
}

impl Hosts {
    /// The same of a host as it is looked up, which a URL may write otherwise.
    pub fn allow_name(&self, name: &str) -> bool {
        let host = if name.parse::<Ipv6Addr>().is_ok() { format!("[{name}]") } else { name.to_owned() };
        let url = Url::parse(&format!("http://{host}/")).ok();
        // What a URL would decode is looked up as it stands.
        let written = url.as_ref().and_then(Url::host_str).filter(|_| !name.contains(['%', '/', '@', '?', '#', '\\']));
        !self.are_named() || written.is_some_and(|host| self.allow(host))
    }
}

impl HostPattern {
    fn matches(&self, host: &str) -> bool {
        match self.0.strip_prefix("*.") {
            Some(domain) => {
                host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.')).is_some_and(|below| !below.is_empty())
            }
            None => host == self.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(patterns: &[&str]) -> Hosts {
        Hosts::new(patterns.iter().map(|pattern| pattern.parse().unwrap()).collect())
    }

    #[test]
    fn a_pattern_is_a_host_or_a_domain_with_all_below_it() {
        let hosts = hosts(&["git.example.com", " *.CORP.example.com", "::1", "192.0.2.7"]);
        for allowed in
            ["git.example.com", "git.example.com.", "a.corp.example.com", "a.b.corp.example.com", "[::1]", "192.0.2.7"]
        {
            assert!(hosts.allow(allowed), "{allowed}");
        }
        for refused in [
            "example.com",
            "corp.example.com",
            ".corp.example.com",
            "xcorp.example.com",
            "git.example.com.evil.net",
            "[::2]",
        ] {
            assert!(!hosts.allow(refused), "{refused}");
        }
        assert!(Hosts::default().allow("anything"));
    }

    #[test]
    fn a_name_is_compared_as_a_url_writes_it() {
        let hosts = hosts(&["db.example.com", "192.0.2.7", "::1"]);
        for allowed in ["db.example.com", "DB.example.com.", "192.0.2.7", "0xc0.0.2.7", "::1", "0:0:0:0:0:0:0:1"] {
            assert!(hosts.allow_name(allowed), "{allowed}");
        }
        for refused in ["", "other", "%64b.example.com", "db.example.com@other", "::2", "db.example.com/", "192.0.2.8"]
        {
            assert!(!hosts.allow_name(refused), "{refused}");
        }
        assert!(Hosts::default().allow_name("%64b"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in ["", "*", "*.", "https://git.example.com", "git.example.com:8443", "a/b", "u@a", "*.*.com", "a b"] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }
}
