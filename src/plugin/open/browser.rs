//! Leads a browser to the way in.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::answers::leading_to;

/// A page that leads there, which only the caller may read: what programs are started with, all users of a machine can read. It goes
/// with this.
pub(super) struct Page(PathBuf);

impl Page {
    /// In the home folder, by a name that is not hidden: browsers in a box of their own read nothing else.
    pub fn new(url: &str, port: u16) -> std::io::Result<Self> {
        let folder = std::env::home_dir().filter(|home| home.is_dir()).unwrap_or_else(std::env::temp_dir);
        let path = folder.join(format!("kubectl-bitbucket-open-{}-{port}.html", std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let page = Self(path);
        file.write_all(leading_to(url).as_bytes())?;
        Ok(page)
    }

    /// Shows it. Text browsers take the terminal until they end.
    pub async fn show(&self) {
        let Ok(url) = url::Url::from_file_path(&self.0) else { return };
        let opened = tokio::task::spawn_blocking(move || webbrowser::open(url.as_str())).await;
        if let Ok(Err(error)) = opened {
            eprintln!("warning: no browser was opened ({error}); open the URL yourself");
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_page_is_for_the_caller_alone_and_goes() {
        let page = Page::new("http://127.0.0.1:1/enter/x", 1).unwrap();
        let path = page.0.clone();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read_to_string(&path).unwrap().contains("0;url=http://127.0.0.1:1/enter/x"));
        drop(page);
        assert!(!path.exists());
    }
}
