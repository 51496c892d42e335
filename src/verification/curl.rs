//! The commands with which a person makes the verification's requests by hand. Placeholders stand for secrets.

use std::path::PathBuf;

use crate::bitbucket::{BaseUrl, PAGE_LIMIT};

/// What a `curl` command needs to make the same requests.
#[derive(Debug)]
pub struct Curl {
    /// Whether it is a password, and not a token.
    pub password: bool,
    /// Certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// The proxy's URL.
    pub proxy: Option<String>,
}

impl Curl {
    /// One line a step. `repository` is the one whose commits were asked for, as project and slug.
    pub fn lines(&self, base: &BaseUrl, repository: Option<(&str, &str)>) -> Vec<String> {
        let (project, slug) = repository.unwrap_or(("{project_key}", "{repo_slug}"));
        let commits = format!("projects/{project}/repos/{slug}/commits?limit=1");
        vec![
            self.line(base, "application-properties", false),
            self.line(base, &format!("repos?archived=ALL&limit={PAGE_LIMIT}"), true),
            self.line(base, &commits, true),
        ]
    }

    fn line(&self, base: &BaseUrl, path: &str, credentials: bool) -> String {
        let mut words = vec!["curl".to_owned(), "-i".to_owned()];
        let mut option = |name: &str, value: &str| words.extend([name.to_owned(), quoted(value)]);
        match (credentials, self.password) {
            (true, true) => option("-u", "YOUR_USERNAME:YOUR_PASSWORD"),
            (true, false) => option("-H", "Authorization: Bearer YOUR_TOKEN"),
            (false, _) => {}
        }
        if let Some(file) = &self.ca_file {
            option("--cacert", &file.display().to_string());
        }
        if let Some(proxy) = &self.proxy {
            option("--proxy", proxy);
        }
        option("-H", "Accept: application/json");
        words.push(quoted(&format!("{base}/rest/api/1.0/{path}")));
        words.join(" ")
    }
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:@=,".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_can_be_pasted_and_hold_no_secret() {
        let base = BaseUrl::parse("https://git.example.com/it's").unwrap();
        let password = Curl { password: true, ca_file: Some("/tmp/my ca.pem".into()), proxy: None };
        let lines = password.lines(&base, Some(("PLAT", "api")));
        assert_eq!(
            lines[2],
            r"curl -i -u YOUR_USERNAME:YOUR_PASSWORD --cacert '/tmp/my ca.pem' -H 'Accept: application/json' 'https://git.example.com/it'\''s/rest/api/1.0/projects/PLAT/repos/api/commits?limit=1'"
        );
        assert!(!lines[0].contains("YOUR_"), "nothing secret goes to the first one");
        let token = Curl { password: false, ca_file: None, proxy: Some("http://p:1".to_owned()) };
        assert!(token.lines(&base, None)[1].contains("-H 'Authorization: Bearer YOUR_TOKEN' --proxy http://p:1"));
    }
}
