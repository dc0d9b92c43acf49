//! `branding` of `/tenant`: what a tenant shows of itself.

use domain::{BrandingPatch, Color, Email, HttpsUrl};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{patchable::Patchable, validation::Validation};

/// How a tenant looks to its people. What was never set is missing.
#[derive(ToSchema)]
#[schema(as = Branding)]
#[expect(dead_code, reason = "describes what domain::BrandingPatch writes")]
pub(crate) struct BrandingView {
    #[schema(nullable = false, example = "https://cdn.acme.example/logo.svg")]
    logo_url: Option<String>,
    #[schema(nullable = false, example = "https://cdn.acme.example/icon.png")]
    icon_url: Option<String>,
    #[schema(nullable = false, example = "#1a2b3c")]
    primary_color: Option<String>,
    #[schema(nullable = false, example = "#ffcc00")]
    accent_color: Option<String>,
    #[schema(nullable = false, example = "help@acme.example")]
    support_email: Option<String>,
    #[schema(nullable = false, example = "https://acme.example/help")]
    support_url: Option<String>,
}

/// `null` removes, what is not named stays. Addresses are `https:` URLs of at most 2,048 characters
/// without user name and password; they are kept as the WHATWG URL Standard writes them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchBranding {
    #[serde(default)]
    #[schema(example = "https://cdn.acme.example/logo.svg", value_type = Option<String>, required = false, format = "uri", max_length = 2048)]
    logo_url: Patchable<String>,
    #[serde(default)]
    #[schema(example = "https://cdn.acme.example/icon.png", value_type = Option<String>, required = false, format = "uri", max_length = 2048)]
    icon_url: Patchable<String>,
    #[serde(default)]
    #[schema(example = "#1a2b3c", value_type = Option<String>, required = false, pattern = "^#[0-9A-Fa-f]{6}$")]
    primary_color: Patchable<String>,
    #[serde(default)]
    #[schema(example = "#ffcc00", value_type = Option<String>, required = false, pattern = "^#[0-9A-Fa-f]{6}$")]
    accent_color: Patchable<String>,
    #[serde(default)]
    #[schema(example = "help@acme.example", value_type = Option<String>, required = false, max_length = 254)]
    support_email: Patchable<String>,
    #[serde(default)]
    #[schema(example = "https://acme.example/help", value_type = Option<String>, required = false, format = "uri", max_length = 2048)]
    support_url: Patchable<String>,
}

/// Refuses what is refused by its pointer into the tenant.
pub(super) fn parse(v: &mut Validation, body: PatchBranding) -> Option<BrandingPatch> {
    let url = |text: String| HttpsUrl::parse(&text);
    let color = |text: String| Color::parse(&text);
    let email = |text: String| Email::parse(&text);
    let logo_url = v.nullable_change("/branding/logo_url", body.logo_url, url);
    let icon_url = v.nullable_change("/branding/icon_url", body.icon_url, url);
    let primary_color = v.nullable_change("/branding/primary_color", body.primary_color, color);
    let accent_color = v.nullable_change("/branding/accent_color", body.accent_color, color);
    let support_email = v.nullable_change("/branding/support_email", body.support_email, email);
    let support_url = v.nullable_change("/branding/support_url", body.support_url, url);
    Some(BrandingPatch {
        logo_url: logo_url?,
        icon_url: icon_url?,
        primary_color: primary_color?,
        accent_color: accent_color?,
        support_email: support_email?,
        support_url: support_url?,
    })
}
