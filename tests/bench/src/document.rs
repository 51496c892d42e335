//! The figures' place in a document: between two marks, so that what is written around them stays.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::Result;
use crate::report::Report;

const BEGIN: &str = "<!-- bench: begin, written by `make bench` -->";
const END: &str = "<!-- bench: end -->";

/// Writes the tables into the document, and the plots into the folder that is named as it is.
pub fn write(document: &Path, text: &str, report: &Report) -> Result<()> {
    let folder = document.with_extension("");
    fs::create_dir_all(&folder)?;
    let name = folder.file_name().ok_or("a document has a name")?.to_string_lossy().into_owned();
    let mut inner = text.to_owned();
    for (file, svg) in &report.plots {
        fs::write(folder.join(file), svg)?;
        let _ = write!(inner, "\n![{}]({name}/{file})\n", file.trim_end_matches(".svg"));
    }
    let whole = fs::read_to_string(document)?;
    Ok(fs::write(document, replaced(&whole, &inner)?)?)
}

fn replaced(whole: &str, inner: &str) -> Result<String> {
    let marks = || Some((whole.split_once(BEGIN)?.0, whole.split_once(END)?.1));
    let (before, after) = marks().ok_or("the document has no place for the figures")?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", inner.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_stays() {
        let before = format!("one\n{BEGIN}\nold\n{END}\ntwo\n");
        let after = replaced(&before, "new\n").unwrap();
        assert_eq!(after, format!("one\n{BEGIN}\n\nnew\n\n{END}\ntwo\n"));
        assert_eq!(replaced(&after, "new").unwrap(), after);
        assert!(replaced("nothing", "new").is_err());
    }
}
