//! Whether a client came by HTTPS. The server itself speaks plain HTTP: only a proxy in front of it
//! can know.

use actix_web::HttpRequest;

use crate::client_address::Network;

const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Whether the peer is a trusted proxy, and the last word of `X-Forwarded-Proto` is `https`: that
/// the proxy wrote; what stands left of it, anybody may have written.
pub(crate) fn is_https(request: &HttpRequest, trusted: &[Network]) -> bool {
    let Some(peer) = request.peer_addr() else {
        return false;
    };
    let by_proxy = trusted.iter().any(|network| network.contains(peer.ip()));
    let last = request.headers().get_all(FORWARDED_PROTO).last();
    let last = last.and_then(|line| line.as_bytes().rsplit(|byte| *byte == b',').next());
    by_proxy && last.is_some_and(|word| word.trim_ascii().eq_ignore_ascii_case(b"https"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn https(peer: &str, lines: &[&str]) -> bool {
        let mut request = TestRequest::default().peer_addr(format!("{peer}:9").parse().unwrap());
        for line in lines {
            request = request.append_header((FORWARDED_PROTO, *line));
        }
        is_https(&request.to_http_request(), &["10.0.0.0/8".parse().unwrap()])
    }

    #[test]
    fn the_proxy_in_front_says_it_and_nobody_else() {
        assert!(https("10.0.0.1", &["https"]));
        assert!(https("10.0.0.1", &["http, HTTPS"]));
        assert!(https("10.0.0.1", &["ä,https"]));
        assert!(https("10.0.0.1", &["http", "https"]));
        assert!(!https("203.0.113.9", &["https"]));
        for lines in [
            &["http"][..],
            &["https, http"],
            &["https", "http"],
            &["https,"],
            &["ä"],
            &[""],
            &[],
        ] {
            assert!(!https("10.0.0.1", lines), "{lines:?}");
        }
        let nobody = TestRequest::default().insert_header((FORWARDED_PROTO, "https"));
        assert!(!is_https(&nobody.to_http_request(), &[]));
    }
}
