//! A header or the host name may *select* a tenant, never grant one: whatever is named must be what
//! the access token names.

use actix_web::{HttpRequest, http::header::HeaderValue};
use auth::TenantClaim;
use domain::{SlugError, TenantId, TenantSlug};

use crate::{error::ApiError, host::host};

const SLUG: &str = "x-tenant-slug";
const ID: &str = "x-tenant-id";

/// Holds `X-Tenant-Slug`, the subdomain of `base_domain` and `X-Tenant-ID` against the token's
/// tenant. What is malformed names another tenant than any.
///
/// # Errors
/// `tenant_ambiguous` if two of them disagree, else `tenant_mismatch` if they name another tenant. A
/// token without a tenant contradicts none.
pub(crate) fn check(
    request: &HttpRequest,
    base_domain: Option<&str>,
    tenant: Option<&TenantClaim>,
) -> Result<(), ApiError> {
    let values = |name| request.headers().get_all(name).map(text);
    let subdomain = base_domain.and_then(|base| subdomain(request, base));
    let slugs: Vec<&str> = values(SLUG).chain(subdomain.as_deref()).collect();
    let ids: Vec<&str> = values(ID).collect();
    if disagree(&slugs) || disagree(&ids) {
        return Err(ApiError::TenantAmbiguous);
    }
    let Some(tenant) = tenant else {
        return Ok(());
    };
    let by_slug = slugs.first().map(|slug| *slug == tenant.slug);
    let by_id = ids
        .first()
        .map(|id| id.parse::<TenantId>().is_ok_and(|id| id == tenant.id));
    match (by_slug, by_id) {
        (None | Some(true), None | Some(true)) => Ok(()),
        (Some(true), Some(false)) | (Some(false), Some(true)) => Err(ApiError::TenantAmbiguous),
        (Some(false), None | Some(false)) | (None, Some(false)) => Err(ApiError::TenantMismatch),
    }
}

/// What the request selects, as it says it, slug before id; the start of it where it is long.
pub(crate) fn selected(request: &HttpRequest, base_domain: Option<&str>) -> Option<String> {
    let first = |name| {
        request
            .headers()
            .get(name)
            .map(|value| text(value).to_owned())
    };
    let selected = first(SLUG)
        .or_else(|| subdomain(request, base_domain?))
        .or_else(|| first(ID))?;
    Some(
        selected
            .chars()
            .filter(|c| c.is_ascii())
            .take(200)
            .collect(),
    )
}

/// No slug and no id is empty, so that stands for what is not even text.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

fn disagree(values: &[&str]) -> bool {
    values
        .iter()
        .zip(values.iter().skip(1))
        .any(|(one, other)| !one.eq_ignore_ascii_case(other))
}

/// The host name's part before `base`. A reserved word there (`www`, `api`) is ours and selects
/// nothing.
fn subdomain(request: &HttpRequest, base: &str) -> Option<String> {
    let host = host(request)?.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let label = host
        .strip_suffix(&base.to_ascii_lowercase())?
        .strip_suffix('.')?;
    match TenantSlug::parse(label) {
        Err(SlugError::Reserved) => None,
        _ => Some(label.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use domain::Role;

    const OURS: &str = "0198c0de-0000-7000-8000-000000000001";
    const OTHER: &str = "0198c0de-0000-7000-8000-000000000002";

    fn select(headers: &[(&'static str, &str)]) -> Result<(), &'static str> {
        let tenant = TenantClaim {
            id: OURS.parse().unwrap(),
            slug: "acme".to_owned(),
            role: Role::Member,
            role_version: 1,
            custom_role: None,
        };
        let mut request = TestRequest::default();
        for &header in headers {
            request = request.append_header(header);
        }
        let request = request.to_http_request();
        check(&request, Some("rowhouse.example"), Some(&tenant))
            .map_err(|error| error.code().as_str())
    }

    #[test]
    fn what_agrees_with_the_token_passes() {
        assert_eq!(select(&[]), Ok(()));
        assert_eq!(select(&[(SLUG, "acme")]), Ok(()));
        assert_eq!(select(&[(ID, OURS)]), Ok(()));
        let all = [
            (SLUG, "acme"),
            ("host", "Acme.Rowhouse.Example:8000"),
            (ID, OURS),
        ];
        assert_eq!(select(&all), Ok(()));
    }

    #[test]
    fn hosts_that_name_no_tenant_select_none() {
        for host in [
            "rowhouse.example",
            "www.rowhouse.example",
            "api.rowhouse.example",
            "other.example",
            "notrowhouse.example",
            "127.0.0.1:8000",
            "[::1]:8000",
        ] {
            assert_eq!(select(&[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn another_tenant_is_a_mismatch() {
        for header in [
            (SLUG, "other"),
            (SLUG, "ACME"),
            (SLUG, "a b"),
            (SLUG, ""),
            ("host", "other.rowhouse.example"),
            ("host", "other.rowhouse.example.:8000"),
            ("host", "a.acme.rowhouse.example"),
            (ID, OTHER),
            (ID, "acme"),
        ] {
            assert_eq!(select(&[header]), Err("tenant_mismatch"), "{header:?}");
        }
        let both = [(SLUG, "other"), (ID, OTHER)];
        assert_eq!(select(&both), Err("tenant_mismatch"));
    }

    #[test]
    fn two_that_disagree_are_ambiguous() {
        for headers in [
            [(SLUG, "acme"), (ID, OTHER)],
            [(SLUG, "other"), (ID, OURS)],
            [(SLUG, "acme"), ("host", "other.rowhouse.example")],
            [("host", "acme.rowhouse.example"), (ID, OTHER)],
            [(SLUG, "acme"), (SLUG, "other")],
            [(ID, OURS), (ID, OTHER)],
            [(SLUG, "one"), ("host", "two.rowhouse.example")],
        ] {
            assert_eq!(select(&headers), Err("tenant_ambiguous"), "{headers:?}");
        }
    }

    #[test]
    fn a_token_without_a_tenant_contradicts_none() {
        let request = TestRequest::default()
            .insert_header((SLUG, "acme"))
            .to_http_request();
        assert!(check(&request, None, None).is_ok());
    }
}
