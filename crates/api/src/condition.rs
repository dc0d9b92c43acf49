//! The conditions that a client sets by entity tags: what stands in `If-Match` and `If-None-Match`
//! (RFC 9110, 8.8.3 and 13.1). What is compared with them is `etag.rs`.

use actix_web::{HttpRequest, http::header::HeaderName};

use crate::error::ApiError;

/// The value of one of the two headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `*`: whatever there is.
    Any,
    /// One of these.
    Tags(Vec<Tag>),
}

/// One entity tag of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    is_weak: bool,
    opaque: Vec<u8>,
}

/// Neither `*` nor a list of entity tags.
#[derive(Debug, PartialEq, Eq)]
struct Malformed;

impl Condition {
    /// What the request has in this header; `None` without it. Several lines are one list.
    ///
    /// # Errors
    /// 400 `malformed_condition`.
    pub(crate) fn of(request: &HttpRequest, name: &HeaderName) -> Result<Option<Self>, ApiError> {
        let lines: Vec<&[u8]> = request
            .headers()
            .get_all(name)
            .map(actix_web::http::header::HeaderValue::as_bytes)
            .collect();
        if lines.is_empty() {
            return Ok(None);
        }
        parse(&lines.join(&b',')).map(Some).map_err(|Malformed| {
            let header = name.as_str().to_owned();
            ApiError::MalformedCondition { header }
        })
    }

    /// The strong comparison (RFC 9110, 8.8.3.2): a weak tag is no match.
    pub(crate) fn holds_strongly(&self, current: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| !tag.is_weak && tag.is(current)),
        }
    }

    /// The weak comparison.
    pub(crate) fn holds_weakly(&self, current: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| tag.is(current)),
        }
    }
}

impl Tag {
    fn is(&self, opaque: &str) -> bool {
        self.opaque == opaque.as_bytes()
    }
}

/// `*`, or tags between commas. A list may have empty elements (RFC 9110, 5.6.1.2), but not only
/// those.
fn parse(mut rest: &[u8]) -> Result<Condition, Malformed> {
    if rest.trim_ascii() == b"*" {
        return Ok(Condition::Any);
    }
    let mut tags = Vec::new();
    loop {
        while let [b' ' | b'\t' | b',', more @ ..] = rest {
            rest = more;
        }
        if rest.is_empty() {
            break;
        }
        let (tag, more) = parse_tag(rest)?;
        tags.push(tag);
        rest = more.trim_ascii_start();
        if !matches!(rest, [] | [b',', ..]) {
            return Err(Malformed);
        }
    }
    if tags.is_empty() {
        return Err(Malformed);
    }
    Ok(Condition::Tags(tags))
}

/// One tag, and what stands behind it.
fn parse_tag(text: &[u8]) -> Result<(Tag, &[u8]), Malformed> {
    let (is_weak, quoted) = match text.strip_prefix(b"W/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let inner = quoted.strip_prefix(b"\"").ok_or(Malformed)?;
    let end = inner.iter().position(|byte| *byte == b'"');
    let (opaque, rest) = end
        .and_then(|end| inner.split_at_checked(end))
        .ok_or(Malformed)?;
    // Visible characters, and whatever is beyond ASCII.
    if !opaque
        .iter()
        .all(|byte| matches!(byte, 0x21..=0x7e | 0x80..))
    {
        return Err(Malformed);
    }
    let tag = Tag {
        is_weak,
        opaque: opaque.to_vec(),
    };
    Ok((tag, rest.strip_prefix(b"\"").ok_or(Malformed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> (bool, bool) {
        let condition = parse(text.as_bytes()).unwrap();
        (condition.holds_strongly("a"), condition.holds_weakly("a"))
    }

    #[test]
    fn a_list_of_tags_is_read_and_a_weak_tag_matches_weakly_only() {
        for text in [
            "*",
            " * ",
            "\"a\"",
            "\"b\", \"a\"",
            ",, \"a\" ,\t",
            "\"b,\",W/\"a\",\"a\"",
        ] {
            assert_eq!(holds(text), (true, true), "{text}");
        }
        for text in ["W/\"a\"", "\"b\",W/\"a\""] {
            assert_eq!(holds(text), (false, true), "{text}");
        }
        for text in [
            "\"\"",
            "\"A\"",
            "\"a,\"",
            "\"a\\\"",
            "\"\u{e4}\"",
            "W/\"\"",
            "\"*\"",
        ] {
            assert_eq!(holds(text), (false, false), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_of_tags_is_malformed() {
        for text in [
            "",
            " ",
            ",",
            " , ,",
            "a",
            "\"",
            "\"a",
            "a\"",
            "\"a\"\"b\"",
            "\"a\" \"b\"",
            "w/\"a\"",
            "W/",
            "W/a",
            "W / \"a\"",
            "*, \"a\"",
            "\"a\", *",
            "*,*",
            "\"a b\"",
            "\"a\u{7f}\"",
            "'a'",
        ] {
            assert_eq!(parse(text.as_bytes()), Err(Malformed), "{text:?}");
        }
    }
}
