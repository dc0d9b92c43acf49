//! Connection URLs for a Unix socket, as libpq reads them.

use crate::socket::PORT;
use std::path::Path;

/// `postgresql://role:password@/database?host=folder&port=5432`. The port is said because libpq would otherwise take
/// it from `PGPORT`.
pub(crate) fn url(socket_dir: &Path, role: &str, password: Option<&str>, database: &str) -> String {
    let password = password
        .map(|password| format!(":{}", encoded(password)))
        .unwrap_or_default();
    let host = encoded(&socket_dir.to_string_lossy());
    format!(
        "postgresql://{}{password}@/{}?host={host}&port={PORT}",
        encoded(role),
        encoded(database)
    )
}

/// All but RFC 3986's unreserved characters percent-encoded.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::url;
    use std::path::Path;

    #[test]
    fn every_part_of_the_url_is_encoded() {
        assert_eq!(
            url(Path::new("/tmp/rowhouse-1"), "a b", Some("p:@/é%"), "x?y"),
            "postgresql://a%20b:p%3A%40%2F%C3%A9%25@/x%3Fy?host=%2Ftmp%2Frowhouse-1&port=5432"
        );
        assert_eq!(
            url(Path::new("/s"), "r", None, "d"),
            "postgresql://r@/d?host=%2Fs&port=5432"
        );
    }
}
