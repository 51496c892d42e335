//! Which of two states of an object is the later one. They can be compared since Kubernetes 1.35 by its word (KEP 5504), and
//! before by how it was.

/// The later one of the watch's version and the one that was written: the watch may be behind.
pub fn newest(watched: Option<String>, written: Option<String>) -> Option<String> {
    let older = written.as_ref().is_some_and(|written| is_older(watched.as_deref(), written));
    if older { written } else { watched }
}

/// Whether the watch is behind what was written. What cannot be compared is not.
pub fn is_older(watched: Option<&str>, written: &str) -> bool {
    let number = |version: &str| version.parse::<u64>().ok();
    number(written) > watched.and_then(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_version_counts_and_what_cannot_be_compared_is_the_watchs() {
        let newest = |a: &str, b: Option<&str>| newest(Some(a.to_owned()), b.map(str::to_owned)).unwrap();
        assert_eq!(newest("9", Some("10")), "10");
        assert_eq!(newest("11", Some("10")), "11");
        assert_eq!(newest("11", None), "11");
        assert_eq!(newest("11", Some("odd")), "11");
        assert!(is_older(Some("9"), "10") && !is_older(Some("10"), "10") && !is_older(Some("odd"), "odd"));
    }
}
