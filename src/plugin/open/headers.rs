//! Which headers go through. Pure.

use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName};

/// Of one connection, whatever `Connection` says.
const HOPS: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What a browser says to the server. Who it is says the proxy, and nobody else; and the body is measured anew.
pub(super) fn to_server(mut headers: HeaderMap) -> HeaderMap {
    without_hops(&mut headers);
    for name in [AUTHORIZATION, COOKIE, FORWARDED, EXPECT, CONTENT_LENGTH] {
        headers.remove(name);
    }
    let forwarded = headers.keys().filter(|name| name.as_str().starts_with("x-forwarded-")).cloned();
    for name in forwarded.collect::<Vec<_>>() {
        headers.remove(name);
    }
    headers
}

/// What the server says to a browser.
pub(super) fn to_browser(mut headers: HeaderMap) -> HeaderMap {
    without_hops(&mut headers);
    headers.remove(SET_COOKIE);
    headers
}

fn without_hops(headers: &mut HeaderMap) {
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named = named.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok());
    for name in named.chain(HOPS).collect::<Vec<HeaderName>>() {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_is_of_one_connection_and_what_says_who_it_is_stays_here() {
        let kept =
            [("host", "127.0.0.1:1"), ("origin", "http://127.0.0.1:1"), ("accept", "text/html"), ("referer", "r")];
        let dropped = [
            ("authorization", "Basic YTpi"),
            ("cookie", "a=b"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic YTpi"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "example.com"),
            ("forwarded", "for=10.0.0.1"),
            ("expect", "100-continue"),
            ("content-length", "3"),
        ];
        assert_eq!(to_server(headers(&[&kept[..], &dropped].concat())), headers(&kept));
        let kept = [("content-type", "text/html"), ("content-length", "3"), ("location", "/")];
        let dropped =
            [("set-cookie", "a=b"), ("connection", "close, x-hop"), ("x-hop", "1"), ("keep-alive", "timeout=5")];
        assert_eq!(to_browser(headers(&[&kept[..], &dropped].concat())), headers(&kept));
    }
}
