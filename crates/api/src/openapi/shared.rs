//! Headers of requests and answers, and those of many operations' parameters, each described once.

use utoipa::openapi::Required;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

pub(super) const TENANT_HEADERS: [&str; 2] = ["X-Tenant-Slug", "X-Tenant-ID"];
pub(super) const REQUEST_ID: &str = "X-Request-Id";
pub(super) const RATE_LIMITS: [&str; 2] = ["RateLimit-Policy", "RateLimit"];
pub(super) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
pub(super) const IDEMPOTENCY_REPLAYED: &str = "Idempotency-Replayed";
pub(super) const CONDITIONS: [&str; 2] = ["If-Match", "If-None-Match"];
const ETAG: &str = "\"01980e6fa30b7f0d9a3c5d2b8e41c07a-3\"";

fn header(description: &str, example: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some(description))
        .example(Some(example.into()))
        .build()
}

pub(super) fn headers() -> [(&'static str, Header); 10] {
    [
        (
            REQUEST_ID,
            header(
                "Names this request in the server's log.",
                "01980e6fa30b7f0d9a3c5d2b8e41c07a",
            ),
        ),
        (
            "Cache-Control",
            header(
                "`private, no-cache`, or `no-store` where the answer holds a secret or is a problem.",
                "private, no-cache",
            ),
        ),
        (
            "ETag",
            header(
                "The version of what was answered (RFC 9110, 8.8.3); strong.",
                ETAG,
            ),
        ),
        (
            "Location",
            header(
                "Where what was made is.",
                "/api/v1/projects/01980e6f-a30b-7f0d-9a3c-5d2b8e41c07a",
            ),
        ),
        (
            "Link",
            header(
                "`rel=\"next\"`, where there is a next page (RFC 8288).",
                "</api/v1/projects?cursor=AZgO>; rel=\"next\"",
            ),
        ),
        (
            IDEMPOTENCY_REPLAYED,
            header(
                "`true` where this was answered before; absent where it was not.",
                "true",
            ),
        ),
        (
            "WWW-Authenticate",
            header(
                "The challenge of a 401 (RFC 6750, 3).",
                "Bearer realm=\"rowhouse\"",
            ),
        ),
        (
            RATE_LIMITS[0],
            header(
                "The buckets that the request drew from: each gets `q` tokens in `w` seconds and holds `rowhouse-burst` (draft-ietf-httpapi-ratelimit-headers-10). Absent where there are no limits.",
                "\"tenant\";q=300;w=60;rowhouse-burst=100",
            ),
        ),
        (
            RATE_LIMITS[1],
            header(
                "How they stand: `r` tokens are left, and in `t` seconds the bucket is full.",
                "\"tenant\";r=99;t=1",
            ),
        ),
        (
            "Retry-After",
            header("Seconds until a repetition makes sense.", "1"),
        ),
    ]
}

pub(super) fn parameters() -> [Parameter; 6] {
    let parameter = |name: &str, description: &str, example: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .example(Some(example.into()))
    };
    let text = || ObjectBuilder::new().schema_type(Type::String);
    [
        parameter(REQUEST_ID, "A name for this request, for the server's log and the answer; another one is made where it is none of 1 to 64 letters, digits, `-` and `_`.", "checkout-42")
            .schema(Some(text()))
            .build(),
        parameter(TENANT_HEADERS[0], "Selects the tenant, which must be the token's. Before the host name, which is before `X-Tenant-ID`.", "acme-corp")
            .schema(Some(text()))
            .build(),
        parameter(TENANT_HEADERS[1], "Selects the tenant, which must be the token's.", "01980e6f-a30b-7f0d-9a3c-5d2b8e41c07a")
            .schema(Some(text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))))
            .build(),
        parameter(IDEMPOTENCY_KEY, "1 to 255 visible ASCII characters, in quotes or without; a UUID does well. The same request under the same key is answered again for 24 hours, and does nothing again (draft-ietf-httpapi-idempotency-key-header-07).", "8e03978e-40d5-43dd-bc93-6894a57f9324")
            .schema(Some(text()))
            .build(),
        parameter(CONDITIONS[0], "`*`, or the `ETag` that was read: 412 where it is not today's any more (RFC 9110, 13.1.1).", ETAG)
            .schema(Some(text()))
            .build(),
        parameter(CONDITIONS[1], "`*`, or the `ETag` that is known: 304 where it is still today's (RFC 9110, 13.1.2).", ETAG)
            .schema(Some(text()))
            .build(),
    ]
}
