//! Addresses on the web that a tenant shows to its people: a logo, a page of help. Nobody fetches
//! them here.

use serde::Serialize;
use url::Url;

/// Why an address was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpsUrlError {
    /// Longer than [`HttpsUrl::MAX`].
    #[error("must have at most {} characters", HttpsUrl::MAX)]
    TooLong,
    /// No absolute URL, or one with blanks or control characters, which some readers drop.
    #[error("must be a whole URL, without blanks")]
    NotAUrl,
    /// `http:`, `javascript:`, `data:` and whatever else there is.
    #[error("must begin with https://")]
    NotHttps,
    /// Whoever shows it would show the password, or a name that looks like a host.
    #[error("must not hold a user name or a password")]
    UserInfo,
}

/// An absolute `https:` URL of at most [`MAX`](Self::MAX) characters without user info, written as
/// the WHATWG URL Standard writes it: so everybody reads the same host in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpsUrl(String);

impl HttpsUrl {
    /// The most characters, as given and as written.
    pub const MAX: usize = 2048;

    /// Checks and normalises.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn parse(text: &str) -> Result<Self, HttpsUrlError> {
        if text.chars().count() > Self::MAX {
            return Err(HttpsUrlError::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(HttpsUrlError::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| HttpsUrlError::NotAUrl)?;
        if url.scheme() != "https" {
            return Err(HttpsUrlError::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HttpsUrlError::UserInfo);
        }
        let written = String::from(url);
        if written.len() > Self::MAX {
            return Err(HttpsUrlError::TooLong);
        }
        Ok(Self(written))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_everybody_reads_it() {
        for (given, written) in [
            (
                "https://Acme.example/Logo.png?v=2#x",
                "https://acme.example/Logo.png?v=2#x",
            ),
            ("HTTPS://acme.example", "https://acme.example/"),
            ("https://acme.example:443/a", "https://acme.example/a"),
            ("https://b\u{fc}ro.example/", "https://xn--bro-hoa.example/"),
            // A backslash is a slash, and so no host stands behind it.
            (
                "https://acme.example\\@evil.example/",
                "https://acme.example/@evil.example/",
            ),
        ] {
            assert_eq!(HttpsUrl::parse(given).unwrap().as_str(), written);
        }
    }

    #[test]
    fn what_is_no_plain_https_address_is_refused() {
        use HttpsUrlError::{NotAUrl, NotHttps, TooLong, UserInfo};
        for (text, error) in [
            ("", NotAUrl),
            ("acme.example/logo.png", NotAUrl),
            ("//acme.example/logo.png", NotAUrl),
            ("https://", NotAUrl),
            ("https://a b.example/", NotAUrl),
            (" https://acme.example/", NotAUrl),
            ("https://acme.example/\n", NotAUrl),
            ("https://acme.example/\t", NotAUrl),
            ("java\nscript:alert(1)", NotAUrl),
            ("http://acme.example/", NotHttps),
            ("javascript:alert(1)", NotHttps),
            ("data:image/png;base64,AAAA", NotHttps),
            ("file:///etc/passwd", NotHttps),
            ("https://user@acme.example/", UserInfo),
            ("https://:secret@acme.example/", UserInfo),
            ("https://acme.example@evil.example/", UserInfo),
        ] {
            assert_eq!(HttpsUrl::parse(text), Err(error), "{text:?}");
        }
        let start = "https://acme.example/";
        let sized = |size: usize| format!("{start}{}", "x".repeat(size - start.len()));
        assert!(HttpsUrl::parse(&sized(HttpsUrl::MAX)).is_ok());
        assert_eq!(HttpsUrl::parse(&sized(HttpsUrl::MAX + 1)), Err(TooLong));
        // Six characters each, once they are written.
        let grows = format!("{start}{}", "\u{fc}".repeat(400));
        assert_eq!(HttpsUrl::parse(&grows), Err(TooLong));
    }
}
