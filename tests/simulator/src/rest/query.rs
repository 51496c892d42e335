use percent_encoding::percent_decode_str;

use crate::refusal::Refusal;
use crate::settings::Merges;

/// The parameters of a request. Unknown ones are ignored without a word, as Bitbucket does: `pagelen=100` changes nothing.
pub(super) struct Query(Vec<(String, String)>);

/// Where a page begins and how long it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageRequest {
    pub start: usize,
    pub limit: usize,
}

const DEFAULT_LIMIT: usize = 25;

impl Query {
    pub fn parse(query: Option<&str>) -> Self {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect(),
        )
    }

    /// The value of a parameter; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, value)| key == name && !value.is_empty());
        values.next().map(|(_, value)| value.as_str())
    }

    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Limits above the cap are lowered silently; the page tells the limit that was applied (REST introduction).
    pub fn page(&self, cap: usize) -> Result<PageRequest, Refusal> {
        let start = self.number("start", 0)?;
        let limit = self.number("limit", DEFAULT_LIMIT)?;
        if limit == 0 {
            return Err(invalid("limit", "limit must be greater than 0"));
        }
        Ok(PageRequest { start, limit: limit.min(cap) })
    }

    pub fn merges(&self) -> Result<Merges, Refusal> {
        match self.get("merges") {
            None | Some("include") => Ok(Merges::Include),
            Some("exclude") => Ok(Merges::Exclude),
            Some("only") => Ok(Merges::Only),
            Some(other) => Err(invalid("merges", &format!("{other} is not one of exclude, include, only"))),
        }
    }

    /// One of a few words, or 400.
    pub fn one_of(&self, name: &str, words: &[&str]) -> Result<Option<&str>, Refusal> {
        match self.get(name) {
            Some(word) if !words.contains(&word) => {
                Err(invalid(name, &format!("{word} is not one of {}", words.join(", "))))
            }
            word => Ok(word),
        }
    }

    /// What Bitbucket says to a number that is none is not recorded.
    fn number(&self, name: &str, default: usize) -> Result<usize, Refusal> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse().map_err(|_| invalid(name, &format!("{text} is not a number")))
    }
}

pub(super) fn invalid(context: &str, message: &str) -> Refusal {
    Refusal::InvalidArgument { context: context.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_lowered() {
        let page = |query| Query::parse(Some(query)).page(100);
        assert_eq!(page("").unwrap(), PageRequest { start: 0, limit: 25 });
        assert_eq!(page("limit=99999&start=7").unwrap(), PageRequest { start: 7, limit: 100 });
        assert!(page("limit=0").is_err() && page("start=x").is_err());
    }

    #[test]
    fn values_are_decoded() {
        let query = Query::parse(Some("until=refs%2Fheads%2Fa+b&x&limit="));
        assert_eq!((query.get("until"), query.get("x"), query.get("limit")), (Some("refs/heads/a b"), None, None));
    }
}
